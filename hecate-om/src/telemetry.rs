//! What the runtime says of itself: log lines for people on a terminal, JSON lines for everything else,
//! and what it counts.
//!
//! A line of JSON has `timestamp`, `level`, `message`, `target`, `service`, `version` and `instance`, in
//! this order; then `trace_id`, `span_id`, `capability`, `capability_version`, `call_id`, `caller`,
//! `peer`, `duration_ms` and the error, where they are known; then whatever else was said, with the
//! fields of the spans around it. What an author calls by one of the first names is `field.<name>`.

pub(crate) mod counts;
mod format;
pub(crate) mod histogram;
mod limit;
mod lines;
mod log;
pub(crate) mod metrics;
pub(crate) mod panics;
mod record;
pub(crate) mod text;

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::Duration;

use thiserror::Error;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

#[cfg(test)]
pub(crate) use self::format::MAX_LINE;
pub(crate) use self::limit::{LINES, WINDOW};
#[cfg(test)]
pub(crate) use self::lines::MAX_WAITING;
#[cfg(test)]
pub(crate) use self::text::MAX_VALUE;

use self::format::Format;
use self::log::Log;
use crate::random;
use crate::service::ServiceInfo;

/// For whom log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A person at a terminal.
    Person,
    /// A journal or a log shipper.
    Machine,
}

impl Audience {
    /// Whoever reads standard output.
    pub(crate) fn of_stdout() -> Self {
        if std::io::stdout().is_terminal() { Audience::Person } else { Audience::Machine }
    }
}

static LOG: OnceLock<Log> = OnceLock::new();
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// How long the end of a process waits for whoever reads its log.
const FLUSH: Duration = Duration::from_secs(1);

/// Sends log lines to standard output. A subscriber that is there already, as in a test, stays.
///
/// # Errors
/// When the system gives no thread for it.
pub(crate) fn install(info: &ServiceInfo, filter: Targets, audience: Audience) -> io::Result<()> {
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let format = Format { audience, colour, service: info.name, version: info.version, instance: instance() };
    let log = Log::to(io::stdout(), format)?;
    let (filter, handle) = reload::Layer::new(filter);
    if tracing_subscriber::registry().with(log.clone().with_filter(filter)).try_init().is_ok() {
        let _ = LOG.set(log);
        let _ = FILTER.set(handle);
    }
    panics::install_hook();
    Ok(())
}

/// A time in a log line or an answer: a number, whatever its size.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Why what is logged did not change.
#[derive(Debug, Error)]
pub(crate) enum FilterError {
    #[error("the log of this process is not this runtime's")]
    NotOurs,
    #[error("the log's filter cannot be replaced")]
    Replace(#[from] reload::Error),
}

/// Changes what is logged, from the next event on.
///
/// # Errors
/// When somebody else receives the events of this process.
pub(crate) fn set_filter(filter: Targets) -> Result<(), FilterError> {
    Ok(FILTER.get().ok_or(FilterError::NotOurs)?.reload(filter)?)
}

/// The first line of every start: all that a report of a fault needs.
///
/// `listen` is where health was asked to be, `origin` where the configuration came from.
pub(crate) fn starting(info: &ServiceInfo, listen: impl Display, origin: impl Display) {
    tracing::info!(
        name = info.name,
        release = info.version,
        hecate_om = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        uid = rustix::process::geteuid().as_raw(),
        %listen,
        config = %origin,
        "starting"
    );
}

/// A name for this run of this process, 32 hexadecimal digits: another one at every start.
pub(crate) fn instance() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(|| format!("{:016x}{:016x}", random::number(), random::number()))
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Waits a moment until the log is written.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        log.flush(FLUSH);
    }
}
