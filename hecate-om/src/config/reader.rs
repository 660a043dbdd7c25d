//! Reads the settings of the runtime from what the layers hold.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::StatusCode;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::environment::Environment;
use super::listing::{Listed, Shadowed};
use super::mesh::MeshConfig;
use super::report::Report;
use super::setting::{self, Setting};
use super::value::{Entry, Node, Origin, shown};
use super::{HealthAddress, MAX_SOCKET_PATH};
use crate::service::ServiceInfo;

/// How long `start` may take: a migration may run for a while.
const START_TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// How long the whole of a drain may take.
const STOP_TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// What the runtime's settings say.
pub(super) struct Runtime {
    pub(super) runtime_dir: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) secrets_dir: PathBuf,
    pub(super) health: HealthAddress,
    pub(super) degraded_status: StatusCode,
    pub(super) log: Targets,
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) mesh: MeshConfig,
}

/// What reading needs.
pub(super) struct Reader<'a> {
    /// The entries of each file, the strongest last.
    pub(super) files: &'a [Vec<Entry>],
    pub(super) environment: &'a Environment,
    pub(super) is_root: bool,
    pub(super) info: &'static ServiceInfo,
    pub(super) report: &'a mut Report,
    pub(super) listed: &'a mut Vec<Listed>,
}

/// What a setting says.
pub(super) enum Said<T> {
    Nothing,
    /// It is told already.
    Wrong,
    /// The value, and its layer: the stronger, the higher.
    Value(T, usize),
}

impl<T> Said<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Said::Value(value, _) => Some(value),
            _ => None,
        }
    }
}

impl Reader<'_> {
    /// All settings; none when something is wrong with one.
    pub(super) fn read_all(mut self) -> Option<Runtime> {
        let runtime_dir = match self.read(&setting::RUNTIME_DIR, absolute) {
            Said::Value(folder, _) => Some(folder),
            Said::Wrong => None,
            Said::Nothing => self.default_runtime_dir(),
        };
        let data_dir = match self.read(&setting::DATA_DIR, absolute) {
            Said::Nothing => self.default_data_dir(),
            said => said.value().unwrap_or_default(),
        };
        let secrets_dir = match self.read(&setting::SECRETS_DIR, absolute) {
            Said::Nothing => {
                self.first_folder(&setting::SECRETS_DIR, &[("CREDENTIALS_DIRECTORY", "")], Path::new(self.info.secrets))
            }
            said => said.value().unwrap_or_default(),
        };
        let health = self.health();
        let status = self.read(&setting::HEALTH_DEGRADED_STATUS, |text| match text {
            "503" => Some(StatusCode::SERVICE_UNAVAILABLE),
            "200" => Some(StatusCode::OK),
            _ => None,
        });
        let degraded_status =
            self.or_default(status, &setting::HEALTH_DEGRADED_STATUS, "503", StatusCode::SERVICE_UNAVAILABLE);
        let log = match self.read(&setting::LOG, log_filter) {
            Said::Nothing => self.default_log(),
            said => said.value().unwrap_or_default(),
        };
        let start = self.read(&setting::START_TIMEOUT, |text| time(text, &START_TIMEOUT));
        let start_timeout = self.or_default(start, &setting::START_TIMEOUT, "300s", Duration::from_secs(300));
        let stop = self.read(&setting::STOP_TIMEOUT, |text| time(text, &STOP_TIMEOUT));
        let stop_timeout = self.or_default(stop, &setting::STOP_TIMEOUT, "30s", Duration::from_secs(30));
        let mesh = self.mesh();
        Some(Runtime {
            runtime_dir: runtime_dir?,
            mesh: mesh?,
            health: health?,
            data_dir,
            secrets_dir,
            degraded_status,
            log,
            start_timeout,
            stop_timeout,
        })
    }

    /// The strongest value of a setting; one that is empty, unexpanded or malformed is a problem.
    pub(super) fn read<T>(&mut self, setting: &'static Setting, parse: impl Fn(&str) -> Option<T>) -> Said<T> {
        let of_files = self.files.iter().enumerate().filter_map(|(layer, entries)| {
            Some((layer, entries.iter().find(|entry| entry.key == setting.key)?.node.clone()))
        });
        let of_environment = self.environment.node(setting.variable).map(|node| (self.files.len(), node));
        let mut found: Vec<(usize, Node)> = of_files.chain(of_environment).collect();
        let Some((layer, node)) = found.pop() else { return Said::Nothing };
        let shadowed =
            found.into_iter().map(|(_, node)| Shadowed { value: node.value.listed(setting.key), origin: node.origin });
        let listed = Listed {
            key: setting.key.to_owned(),
            variable: Some(setting.variable.to_owned()),
            doc: setting.doc.to_owned(),
            value: node.value.listed(""),
            origin: node.origin.clone(),
            shadowed: shadowed.collect(),
        };
        self.listed.push(listed);
        match self.parsed(setting, &node, parse) {
            Some(value) => Said::Value(value, layer),
            None => Said::Wrong,
        }
    }

    fn parsed<T>(&mut self, setting: &Setting, node: &Node, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (place, takes) = (node.origin.naming(setting.key), setting.takes);
        let Some(text) = node.value.scalar() else {
            self.report.problem(place, node.value.found(), format!("it takes {takes}"));
            return None;
        };
        if text.trim().is_empty() {
            self.report.problem(place, "is set and empty", format!("unset it, or give it {takes}"));
            return None;
        }
        if text.contains("${") {
            let found = format!("holds the unexpanded `{}`", shown(&text));
            self.report.problem(
                place,
                found,
                format!("whatever starts the service did not replace it; it takes {takes}"),
            );
            return None;
        }
        let parsed = parse(text.trim());
        if parsed.is_none() {
            self.report.problem(place, node.value.found(), format!("it takes {takes}"));
        }
        parsed
    }

    /// Notes a value that no setting gives.
    pub(super) fn list(&mut self, setting: &Setting, value: impl Into<String>, origin: Origin) {
        let (key, variable) = (setting.key.to_owned(), Some(setting.variable.to_owned()));
        let (doc, value) = (setting.doc.to_owned(), value.into());
        self.listed.push(Listed { key, variable, doc, value, origin, shadowed: Vec::new() });
    }

    pub(super) fn or_default<T>(&mut self, said: Said<T>, setting: &Setting, text: &str, default: T) -> T {
        match said {
            Said::Value(value, _) => value,
            Said::Wrong => default,
            Said::Nothing => {
                self.list(setting, text, Origin::Default);
                default
            }
        }
    }

    /// The stronger of the two places; both from one layer are one too many.
    fn health(&mut self) -> Option<HealthAddress> {
        let address = self.read(&setting::HEALTH_ADDR, |text| text.parse::<SocketAddr>().ok());
        let socket = self.read(&setting::HEALTH_SOCKET, |text| {
            absolute(text).filter(|path| path.as_os_str().len() <= MAX_SOCKET_PATH)
        });
        match (address, socket) {
            (Said::Value(_, first), Said::Value(_, second)) if first == second => {
                let origin = |setting: &Setting| {
                    let listed = self.listed.iter().find(|listed| listed.key == setting.key);
                    listed.map_or_else(String::new, |listed| listed.origin.naming(setting.key))
                };
                let (socket, address) = (origin(&setting::HEALTH_SOCKET), origin(&setting::HEALTH_ADDR));
                self.report.problem(socket, format!("is set together with {address}"), "unset one of them");
                None
            }
            (Said::Value(address, first), Said::Value(_, second)) if first > second => {
                self.shadow(&setting::HEALTH_SOCKET, &setting::HEALTH_ADDR);
                Some(HealthAddress::Tcp(address))
            }
            (Said::Value(..), Said::Value(socket, _)) => {
                self.shadow(&setting::HEALTH_ADDR, &setting::HEALTH_SOCKET);
                Some(HealthAddress::Unix(socket))
            }
            (Said::Wrong, _) | (_, Said::Wrong) => None,
            (Said::Value(address, _), Said::Nothing) => Some(HealthAddress::Tcp(address)),
            (Said::Nothing, Said::Value(socket, _)) => Some(HealthAddress::Unix(socket)),
            (Said::Nothing, Said::Nothing) => {
                let health_port = self.info.health_port;
                self.list(&setting::HEALTH_ADDR, format!("port {health_port} on loopback"), Origin::Default);
                Some(HealthAddress::Default(health_port))
            }
        }
    }

    /// The weaker setting does not hold, because the stronger does.
    fn shadow(&mut self, weaker: &Setting, stronger: &Setting) {
        let Some(index) = self.listed.iter().position(|listed| listed.key == weaker.key) else { return };
        let weaker = self.listed.remove(index);
        if let Some(listed) = self.listed.iter_mut().find(|listed| listed.key == stronger.key) {
            let value = format!("{} = {}", weaker.key, weaker.value);
            listed.shadowed.push(Shadowed { origin: weaker.origin, value });
        }
    }

    fn default_runtime_dir(&mut self) -> Option<PathBuf> {
        let folder = |name: &str, within: &str| Some(absolute(self.environment.text(name)?)?.join(within));
        let (folder, origin) = match (folder("XDG_RUNTIME_DIR", "hecate"), folder("HOME", ".hecate")) {
            (Some(folder), _) => (folder, Origin::Environment("XDG_RUNTIME_DIR".to_owned())),
            _ if self.is_root => (PathBuf::from("/run/hecate"), Origin::Default),
            (None, Some(folder)) => (folder, Origin::Environment("HOME".to_owned())),
            (None, None) => {
                self.report.problem(
                    setting::RUNTIME_DIR.variable,
                    "is not set, and neither is HOME",
                    "give it an absolute folder for sockets and locks",
                );
                return None;
            }
        };
        self.list(&setting::RUNTIME_DIR, folder.display().to_string(), origin);
        Some(folder)
    }

    /// Without any place of its own it is root's, which is refused when the service asks for it: what
    /// is kept must not lie in a folder that a restart of the box empties.
    fn default_data_dir(&mut self) -> PathBuf {
        let in_state = format!("hecate/{}", self.info.name);
        let in_home = format!(".local/state/{in_state}");
        let all = [("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", in_state.as_str()), ("HOME", in_home.as_str())];
        let tried = if self.is_root { &all[..1] } else { &all[..] };
        self.first_folder(&setting::DATA_DIR, tried, Path::new(self.info.state))
    }

    /// The folder of the first variable that names one, and where within it.
    fn first_folder(&mut self, setting: &Setting, variables: &[(&str, &str)], last: &Path) -> PathBuf {
        let found = variables.iter().find_map(|(name, within)| {
            // systemd may name several, with colons between them.
            let text = self.environment.text(name)?.split(':').next()?;
            let folder = absolute(text)?;
            Some((
                if within.is_empty() { folder } else { folder.join(within) },
                Origin::Environment((*name).to_owned()),
            ))
        });
        let (folder, origin) = found.unwrap_or_else(|| (last.to_owned(), Origin::Default));
        self.list(setting, folder.display().to_string(), origin);
        folder
    }

    /// Other programs of this user may read RUST_LOG, too: one that says nothing to us is no error.
    fn default_log(&mut self) -> Targets {
        let text = self.environment.text("RUST_LOG").map(str::to_owned);
        let filter = text.as_deref().and_then(log_filter);
        match (text, filter) {
            (Some(text), Some(filter)) => {
                self.list(&setting::LOG, text, Origin::Environment("RUST_LOG".to_owned()));
                return filter;
            }
            (Some(text), None) => {
                let found = format!("holds `{}`, which is no `level` or `target=level`,", shown(&text));
                self.report.ignored("RUST_LOG", &found, "set HECATE_LOG");
            }
            (None, _) => {}
        }
        self.list(&setting::LOG, "info", Origin::Default);
        Targets::new().with_default(LevelFilter::INFO)
    }
}

/// Without a slash at its end, through which a link would look like the folder behind it.
fn absolute(text: &str) -> Option<PathBuf> {
    Some(Path::new(text)).filter(|path| path.is_absolute()).map(|path| path.components().collect())
}

fn time(text: &str, allowed: &std::ops::RangeInclusive<Duration>) -> Option<Duration> {
    humantime::parse_duration(text).ok().filter(|time| allowed.contains(time))
}

/// Each part is a level or `target=level`. A bare target would be legal, too, but a level that is
/// mistyped looks like one, and would silence everything else.
fn log_filter(text: &str) -> Option<Targets> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_level = |text: &str| text.chars().all(|c| c.is_ascii_alphabetic()) && text.parse::<LevelFilter>().is_ok();
    let fits = |part: &&str| match part.split_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    };
    parts.iter().all(fits).then(|| parts.join(",").parse().ok())?
}
