//! What the environment says of how a service runs. All of it is read at once, and everything that
//! is wrong with it is told at once.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::StatusCode;
use thiserror::Error;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The longest path of a Unix socket, in bytes: `sun_path` holds 108 with its end.
pub(crate) const MAX_SOCKET_PATH: usize = 107;

/// The settings of this runtime, each with what it is for.
const KNOWN: [(&str, &str); 9] = [
    ("HECATE_RUNTIME_DIR", "an absolute folder for sockets and locks"),
    ("HECATE_DATA_DIR", "an absolute folder for what the service keeps"),
    ("HECATE_SECRETS_DIR", "an absolute folder with a file for each secret"),
    ("HECATE_HEALTH_ADDR", "an address and port, such as `127.0.0.1:8470` or `[::]:8470`"),
    ("HECATE_HEALTH_SOCKET", "an absolute path of at most 107 bytes, for a Unix socket"),
    ("HECATE_HEALTH_DEGRADED_STATUS", "the HTTP status of `/health` when degraded: 503 or 200"),
    ("HECATE_LOG", "a level and those of targets, such as `info` or `warn,hecate_om=debug`"),
    ("HECATE_START_TIMEOUT", "a time from 1s to 3600s, such as `300s`"),
    ("HECATE_STOP_TIMEOUT", "a time from 1s to 600s, such as `30s`"),
];

/// How long `start` may take: a migration may run for a while.
const START_TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// How long the whole of a drain may take.
const STOP_TIMEOUT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// How a service runs.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) runtime_dir: PathBuf,
    /// What the service keeps; its own, not shared.
    pub(crate) data_dir: PathBuf,
    /// One file for each secret.
    pub(crate) secrets_dir: PathBuf,
    pub(crate) health: HealthAddress,
    /// What `/health` answers when degraded.
    pub(crate) degraded_status: StatusCode,
    pub(crate) log: Targets,
    /// How long `start` may take.
    pub(crate) start_timeout: Duration,
    /// The whole budget of a drain.
    pub(crate) stop_timeout: Duration,
}

/// Where health is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HealthAddress {
    /// The service's own port on loopback, another one if it is taken.
    Default(u16),
    /// Exactly there.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Something that is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misconfiguration {
    variable: String,
    found: String,
    help: String,
}

impl fmt::Display for Misconfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; help: {}", self.variable, self.found, self.help)
    }
}

/// Everything that is wrong with the environment.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the configuration has {} problem{}:{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
pub(crate) struct ConfigError(Vec<Misconfiguration>);

/// What was read, and what it is worth a warning for.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// All problems in one report.
    pub(crate) fn from_env(health_port: u16) -> Result<Loaded, ConfigError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Reader::new(variables, rustix::process::geteuid().is_root()).config(health_port)
    }
}

struct Reader {
    variables: Vec<(String, String)>,
    is_root: bool,
    problems: Vec<Misconfiguration>,
    warnings: Vec<String>,
}

impl Reader {
    fn new(variables: impl Iterator<Item = (String, String)>, is_root: bool) -> Self {
        Self { variables: variables.collect(), is_root, problems: Vec::new(), warnings: Vec::new() }
    }

    fn config(mut self, health_port: u16) -> Result<Loaded, ConfigError> {
        self.check_unknown();
        let runtime_dir = self.read("HECATE_RUNTIME_DIR", absolute).or_else(|| self.default_runtime_dir());
        let address = self.read("HECATE_HEALTH_ADDR", |text| text.parse::<SocketAddr>().ok());
        let socket = self.read("HECATE_HEALTH_SOCKET", |text| {
            absolute(text).filter(|path| path.as_os_str().len() <= MAX_SOCKET_PATH)
        });
        let health = match (address, socket) {
            (Some(_), Some(_)) => {
                self.problem("HECATE_HEALTH_SOCKET", "is set together with HECATE_HEALTH_ADDR", "unset one of them");
                None
            }
            (Some(address), None) => Some(HealthAddress::Tcp(address)),
            (None, Some(socket)) => Some(HealthAddress::Unix(socket)),
            (None, None) => Some(HealthAddress::Default(health_port)),
        };
        let data_dir = self.read("HECATE_DATA_DIR", absolute);
        let secrets_dir = self.read("HECATE_SECRETS_DIR", absolute);
        let degraded_status = self.read("HECATE_HEALTH_DEGRADED_STATUS", |text| match text {
            "503" => Some(StatusCode::SERVICE_UNAVAILABLE),
            "200" => Some(StatusCode::OK),
            _ => None,
        });
        let log = self.read("HECATE_LOG", log_filter);
        let start_timeout = self.read("HECATE_START_TIMEOUT", |text| {
            humantime::parse_duration(text).ok().filter(|time| START_TIMEOUT.contains(time))
        });
        let stop_timeout = self.read("HECATE_STOP_TIMEOUT", |text| {
            humantime::parse_duration(text).ok().filter(|time| STOP_TIMEOUT.contains(time))
        });
        match (runtime_dir, health) {
            (Some(runtime_dir), Some(health)) if self.problems.is_empty() => {
                let log = log.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
                let config = Config {
                    data_dir: data_dir.unwrap_or_else(|| runtime_dir.join("data")),
                    secrets_dir: secrets_dir.unwrap_or_else(|| PathBuf::from("/etc/hecate/secrets")),
                    degraded_status: degraded_status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
                    start_timeout: start_timeout.unwrap_or(Duration::from_secs(300)),
                    stop_timeout: stop_timeout.unwrap_or(Duration::from_secs(30)),
                    runtime_dir,
                    health,
                    log,
                };
                Ok(Loaded { config, warnings: self.warnings })
            }
            _ => Err(ConfigError(self.problems)),
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A value that is set; one that is empty, unexpanded or malformed is a problem.
    fn read<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.value(name)?.to_owned();
        let wanted = KNOWN.iter().find(|(known, _)| *known == name).map_or("", |(_, wanted)| wanted);
        if value.trim().is_empty() {
            self.problem(name, "is set and empty", &format!("unset it, or give it {wanted}"));
            return None;
        }
        if value.contains("${") {
            let found = format!("holds the unexpanded `{}`", shown(&value));
            self.problem(name, &found, &format!("whatever starts the service did not replace it; it takes {wanted}"));
            return None;
        }
        let parsed = parse(value.trim());
        if parsed.is_none() {
            self.problem(name, &format!("holds `{}`", shown(&value)), &format!("it takes {wanted}"));
        }
        parsed
    }

    fn problem(&mut self, variable: &str, found: &str, help: &str) {
        self.problems.push(Misconfiguration {
            variable: variable.to_owned(),
            found: found.to_owned(),
            help: help.to_owned(),
        });
    }

    fn default_runtime_dir(&mut self) -> Option<PathBuf> {
        if self.problems.iter().any(|problem| problem.variable == "HECATE_RUNTIME_DIR") {
            return None;
        }
        if let Some(session) = self.value("XDG_RUNTIME_DIR").and_then(absolute) {
            return Some(session.join("hecate"));
        }
        if self.is_root {
            return Some(PathBuf::from("/run/hecate"));
        }
        let home = self.value("HOME").and_then(absolute).map(|home| home.join(".hecate"));
        if home.is_none() {
            self.problem(
                "HECATE_RUNTIME_DIR",
                "is not set, and neither is HOME",
                "give it an absolute folder for sockets and locks",
            );
        }
        home
    }

    fn check_unknown(&mut self) {
        let names: Vec<String> = self.variables.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            if !name.starts_with("HECATE_") || KNOWN.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let near = KNOWN.iter().find(|(known, _)| strsim::damerau_levenshtein(known, &name) <= 2);
            match near {
                Some((known, _)) => self.problem(&shown(&name), "is no setting", &format!("did you mean {known}?")),
                None => self.warnings.push(format!("{} is no setting of this service and is ignored", shown(&name))),
            }
        }
    }
}

/// Without a slash at its end, through which a link would look like the folder behind it.
fn absolute(text: &str) -> Option<PathBuf> {
    Some(Path::new(text)).filter(|path| path.is_absolute()).map(|path| path.components().collect())
}

/// Each part is a level or `target=level`. A bare target would be legal, too, but a level that is
/// mistyped looks like one, and would silence everything else.
fn log_filter(text: &str) -> Option<Targets> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_level = |text: &str| text.parse::<LevelFilter>().is_ok();
    let fits = |part: &&str| match part.split_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    };
    parts.iter().all(fits).then(|| parts.join(",").parse().ok())?
}

/// A value for a report: short, on one line, without control characters.
fn shown(value: &str) -> String {
    let mut short: String = value.chars().take(80).flat_map(char::escape_debug).collect();
    if value.chars().nth(80).is_some() {
        short.push_str("...");
    }
    short
}

impl HealthAddress {
    /// The addresses to listen on when nobody chose one.
    pub(crate) fn loopback(port: u16) -> [SocketAddr; 2] {
        [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
    }
}

/// The settings for `--help`.
pub(crate) fn settings_help() -> String {
    KNOWN.iter().map(|(name, what)| format!("  {name:<22}{what}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Reader::new(variables, false).config(8470)
    }

    #[test]
    fn nothing_set_is_fine() {
        let loaded = read(&[("XDG_RUNTIME_DIR", "/run/user/7")]).unwrap();
        assert_eq!(loaded.config.runtime_dir, PathBuf::from("/run/user/7/hecate"));
        assert_eq!(loaded.config.health, HealthAddress::Default(8470));
        assert_eq!(loaded.config.stop_timeout, Duration::from_secs(30));
    }

    #[test]
    fn every_problem_is_told_at_once_with_what_to_write() {
        let error = read(&[
            ("HECATE_RUNTIME_DIR", "relative"),
            ("HECATE_DATA_DIR", "an absolute folder for what the service keeps"),
            ("HECATE_SECRETS_DIR", "an absolute folder with a file for each secret"),
            ("HECATE_HEALTH_ADDR", "8470"),
            ("HECATE_START_TIMEOUT", "a time from 1s to 3600s, such as `300s`"),
            ("HECATE_STOP_TIMEOUT", "30"),
            ("HECATE_HEALTH_DEGRADED_STATUS", "the HTTP status of `/health` when degraded: 503 or 200"),
            ("HECATE_LOG", ""),
            ("HECATE_HEALTH_SOCKET", "${SOCKET}"),
            ("HECATE_STOP_TIMEOT", "5s"),
        ])
        .unwrap_err();
        let report = error.to_string();
        for expected in [
            "6 problems",
            "HECATE_RUNTIME_DIR holds `relative`; help: it takes an absolute folder",
            "HECATE_HEALTH_ADDR holds `8470`; help: it takes an address and port",
            "HECATE_STOP_TIMEOUT holds `30`; help: it takes a time from 1s to 600s",
            "HECATE_LOG is set and empty; help: unset it",
            "HECATE_HEALTH_SOCKET holds the unexpanded `${SOCKET}`",
            "HECATE_STOP_TIMEOT is no setting; help: did you mean HECATE_STOP_TIMEOUT?",
        ] {
            assert!(report.contains(expected), "{expected:?} is missing from:\n{report}");
        }
    }

    #[test]
    fn without_a_place_to_be_a_service_says_which_to_set() {
        let error = read(&[]).unwrap_err().to_string();
        assert!(error.contains("HECATE_RUNTIME_DIR is not set, and neither is HOME"), "{error}");
        let of_root = Reader::new(std::iter::empty(), true).config(8470).unwrap();
        assert_eq!(of_root.config.runtime_dir, PathBuf::from("/run/hecate"));
    }

    #[test]
    fn a_setting_of_somebody_else_is_a_warning() {
        let loaded = read(&[("HOME", "/home/x"), ("HECATE_REGISTRY_URL", "x")]).unwrap();
        assert_eq!(loaded.warnings, ["HECATE_REGISTRY_URL is no setting of this service and is ignored"]);
    }

    #[test]
    fn two_places_for_health_are_one_too_many() {
        let error =
            read(&[("HOME", "/h"), ("HECATE_HEALTH_ADDR", "[::]:1"), ("HECATE_HEALTH_SOCKET", "/s")]).unwrap_err();
        assert!(error.to_string().contains("unset one of them"), "{error}");
    }
}
