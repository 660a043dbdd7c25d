//! What the runtime says of itself: log lines for people on a terminal, JSON lines for everything else.

pub(crate) mod histogram;
mod lines;
pub(crate) mod panics;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use self::lines::Lines;

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

static LINES: OnceLock<Lines> = OnceLock::new();

/// How long the end of a process waits for whoever reads its log.
const FLUSH: Duration = Duration::from_secs(1);

/// Sends log lines to standard output. A subscriber that is there already, as in a test, stays.
///
/// # Errors
/// When the system gives no thread for it.
pub(crate) fn install(filter: Targets, audience: Audience) -> io::Result<()> {
    let lines = Lines::to_stdout()?;
    let _ = LINES.set(lines.clone());
    let layer = fmt::layer().with_writer(lines);
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = match audience {
        Audience::Person => layer.with_ansi(colour).with_target(false).boxed(),
        Audience::Machine => layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    panics::install_hook();
    Ok(())
}

/// An error with all its causes, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Waits a moment until the log is written.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(FLUSH);
    }
}
