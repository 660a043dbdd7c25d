//! How a service runs: defaults, files and the environment, each stronger than the one before. All of
//! it is read at once, everything that is wrong with it is told at once, and each value is known with
//! its origin.

mod environment;
mod file;
#[cfg(all(any(test, fuzzing), feature = "macula"))]
pub(crate) mod fuzzing;
mod listing;
pub(crate) mod mesh;
mod reader;
#[cfg(test)]
mod reference;
mod report;
mod service;
pub(crate) mod setting;
mod shape;
#[cfg(test)]
mod tests;
mod typed;
mod value;

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use tracing_subscriber::filter::Targets;

use self::environment::{Environment, ServiceVariables};
use self::listing::Listing;
use self::mesh::MeshConfig;
use self::reader::Reader;
use self::report::Report;
use self::setting::SERVICE_TABLE;
use self::value::Entry;
use crate::service::Blueprint;

#[cfg(test)]
pub(crate) use file::LONGEST;
pub(crate) use listing::{service_help, settings_help};
pub(crate) use report::ConfigError;
pub(crate) use service::ServiceSettings;
pub use service::{Settings, SettingsType};
pub(crate) use shape::Shape;

/// The longest path of a Unix socket, in bytes: `sun_path` holds 108 with its end.
pub(crate) const MAX_SOCKET_PATH: usize = 107;

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
    pub(crate) mesh: MeshConfig,
    /// The settings that the service has of its own.
    pub(crate) settings: ServiceSettings,
    /// What all of this was read from, for reading it again.
    pub(crate) sources: Sources,
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

impl HealthAddress {
    /// The addresses to listen on when nobody chose one.
    pub(crate) fn loopback(port: u16) -> [SocketAddr; 2] {
        [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
    }
}

/// What was read, where each value came from, and what it is worth a warning for.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) listing: Listing,
    pub(crate) warnings: Vec<String>,
}

/// What a command line says of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// `--config`, in order.
    pub(crate) files: Vec<PathBuf>,
    /// `--strict`.
    pub(crate) is_strict: bool,
}

/// What a configuration is read from.
#[derive(Clone)]
pub(crate) struct Sources {
    /// The file of this box, which need not be there.
    site: Option<PathBuf>,
    flags: Flags,
    environment: Vec<(OsString, OsString)>,
    is_root: bool,
    own: Own,
}

/// Where the service's own settings come from.
#[derive(Clone)]
enum Own {
    /// From the layers, like the runtime's.
    Read,
    /// From whoever starts it.
    Given(ServiceSettings),
    /// They are not needed: a shell that asks a running service has not its environment.
    Unread,
}

/// The environment may hold secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("site", &self.site).field("flags", &self.flags).finish_non_exhaustive()
    }
}

impl Sources {
    /// The files of a box, and the environment of this process.
    pub(crate) fn of_process(service: &str, flags: Flags) -> Self {
        Self {
            site: Some(PathBuf::from(format!("/etc/hecate/{service}.toml"))),
            flags,
            environment: std::env::vars_os().collect(),
            is_root: rustix::process::geteuid().is_root(),
            own: Own::Read,
        }
    }

    /// These variables, and nothing else.
    pub(crate) fn only<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let environment = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { site: None, flags: Flags::default(), environment, is_root: false, own: Own::Read }
    }

    /// With settings of the service that are typed already.
    pub(crate) fn with_settings(self, settings: ServiceSettings) -> Self {
        Self { own: Own::Given(settings), ..self }
    }

    /// Without the settings of the service.
    pub(crate) fn without_settings(self) -> Self {
        Self { own: Own::Unread, ..self }
    }
}

impl Config {
    /// Reads all layers.
    ///
    /// # Errors
    /// All problems in one report.
    pub(crate) fn load(blueprint: &Blueprint, sources: Sources) -> Result<Loaded, ConfigError> {
        let info = blueprint.info;
        let mut report = Report::new(sources.flags.is_strict);
        let mut listing = Listing::default();
        let site = sources.site.iter().map(|path| (path, false));
        let named = sources.flags.files.iter().map(|path| (path, true));
        let mut files: Vec<Vec<Entry>> =
            site.chain(named).map(|(path, is_named)| file::read(path, is_named, &mut report)).collect();
        let tables = take_service_tables(&mut files);
        check_unknown(&files, &mut report);

        let environment = Environment::new(&sources.environment);
        let shape = match &sources.own {
            Own::Read => blueprint.shape(),
            Own::Given(_) | Own::Unread => Shape::default(),
        };
        let prefix = shape.prefix.as_deref().filter(|_| !shape.fields.is_empty());
        environment.check_unknown(&ServiceVariables { prefix, names: &shape.variables() }, &mut report);
        let reader = Reader {
            files: &files,
            environment: &environment,
            is_root: sources.is_root,
            info,
            report: &mut report,
            listed: &mut listing.runtime,
        };
        let runtime = reader.read_all();
        let settings = match &sources.own {
            Own::Read => blueprint.settings.read(&shape, tables, &environment, &mut report, &mut listing.service),
            Own::Given(settings) => Some(settings.clone()),
            Own::Unread => Some(ServiceSettings::new(())),
        };
        let ((runtime, settings), warnings) = report.finish(runtime.zip(settings))?;
        let config = Self {
            runtime_dir: runtime.runtime_dir,
            data_dir: runtime.data_dir,
            secrets_dir: runtime.secrets_dir,
            health: runtime.health,
            degraded_status: runtime.degraded_status,
            log: runtime.log,
            start_timeout: runtime.start_timeout,
            stop_timeout: runtime.stop_timeout,
            mesh: runtime.mesh,
            settings,
            sources,
        };
        Ok(Loaded { config, listing, warnings })
    }

    /// Reads again what this was read from, for those settings that can change in a running service.
    ///
    /// # Errors
    /// All problems in one report; what holds goes on to hold.
    pub(crate) fn reload(&self, blueprint: &Blueprint) -> Result<Loaded, ConfigError> {
        Self::load(blueprint, self.sources.clone())
    }
}

/// Takes the service's own tables out of the files, the strongest last.
fn take_service_tables(files: &mut [Vec<Entry>]) -> Vec<value::Node> {
    let mut tables = Vec::new();
    for entries in files {
        if let Some(index) = entries.iter().position(|entry| entry.key == SERVICE_TABLE) {
            tables.push(entries.remove(index).node);
        }
    }
    tables
}

fn check_unknown(files: &[Vec<Entry>], report: &mut Report) {
    let known = setting::ALL.iter().map(|setting| setting.key).chain([SERVICE_TABLE]);
    for entry in files.iter().flatten() {
        if !known.clone().any(|known| known == entry.key) {
            service::tell_unknown(&value::shown(&entry.key), entry, known.clone(), report);
        }
    }
}
