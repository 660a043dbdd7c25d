//! What the outside wants of a process: to end, or to read its settings again.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How many signals wait to be seen; more say nothing new.
const WAITING: usize = 4;

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// To end.
    Stop(Stop),
    /// SIGHUP from a supervisor: to read settings and secrets again.
    Reload,
}

/// Somebody wants the service to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP from a terminal that went away.
    HangUp,
}

impl Stop {
    /// The exit code of a process that such a signal ends at once.
    pub(super) fn exit_code(self) -> u8 {
        128 + match self {
            Stop::Terminate => 15,
            Stop::Interrupt => 2,
            Stop::HangUp => 1,
        }
    }
}

/// The signals of this process, as long as the runtime of the caller lives. A process of a terminal
/// ends with it; any other takes SIGHUP as the wish to reload.
pub(crate) fn signals(at_terminal: bool) -> std::io::Result<mpsc::Receiver<Signal>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                Some(()) = terminate.recv() => Signal::Stop(Stop::Terminate),
                Some(()) = interrupt.recv() => Signal::Stop(Stop::Interrupt),
                Some(()) = hang_up.recv() => if at_terminal { Signal::Stop(Stop::HangUp) } else { Signal::Reload },
                else => return,
            };
            if sender.send(signal).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// The next wish to end; others are not heard now.
pub(super) async fn next_stop(signals: &mut mpsc::Receiver<Signal>) -> Stop {
    loop {
        match signals.recv().await {
            Some(Signal::Stop(stop)) => return stop,
            Some(Signal::Reload) => tracing::info!("not reloaded: the service is not in its steady state"),
            // Nobody can ask any more: whoever ran the service has gone.
            None => return Stop::Terminate,
        }
    }
}
