//! Panics: those of handlers are caught and told with their call, all others are told where they happen.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use thiserror::Error;

use super::counts::TASK_PANICS;

/// A panic that was caught.
#[derive(Debug, Clone, Error)]
#[error("panicked at {location}: {message}")]
pub(crate) struct Panic {
    pub(crate) message: String,
    /// `<file>:<line>:<column>`.
    pub(crate) location: String,
}

/// What this thread does about panics. Apart from [`CAUGHT`], which is dear to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Catching {
    No,
    Yes,
    /// One was seen, and is told in [`CAUGHT`].
    Seen,
}

thread_local! {
    static CATCHING: Cell<Catching> = const { Cell::new(Catching::No) };
    static CAUGHT: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Runs `action`; a panic in it is returned instead of unwinding further.
pub(crate) fn caught<T>(action: impl FnOnce() -> T) -> Result<T, Panic> {
    // What was seen before must not pass for the next.
    let outer = CATCHING.replace(Catching::Yes);
    let result = catch_unwind(AssertUnwindSafe(action));
    let seen = CATCHING.replace(outer) == Catching::Seen;
    result.map_err(|payload| {
        let message = message_of(&*payload);
        // The hook is not told of one that is passed on; what it saw then is an earlier one.
        let seen = CAUGHT.take().filter(|caught| seen && caught.message == message);
        let panic = seen.unwrap_or_else(|| Panic { message, location: "unknown place".to_owned() });
        // A payload may panic in its turn when it is dropped; what that leaves is never looked at, and it
        // is no news.
        let outer = CATCHING.replace(Catching::Yes);
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        CATCHING.set(outer);
        panic
    })
}

/// Makes the panic hook tell caught panics to whoever caught them, and all others to the log.
pub(crate) fn install_hook() {
    static INSTALLED: std::sync::Once = std::sync::Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CATCHING.get() != Catching::No {
                CAUGHT.set(Some(seen(info)));
                CATCHING.set(Catching::Seen);
                return;
            }
            TASK_PANICS.add(1);
            if tracing::event_enabled!(tracing::Level::ERROR) {
                let Panic { message, location } = seen(info);
                tracing::error!(panic = message, at = location, "task panicked");
                if cfg!(panic = "abort") {
                    super::flush();
                }
            } else {
                previous(info);
            }
        }));
    });
}

fn seen(info: &PanicHookInfo<'_>) -> Panic {
    let location = info.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
    Panic { message: message_of(info.payload()), location }
}

fn message_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a value that is no text".to_owned())
}
