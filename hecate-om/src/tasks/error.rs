//! Why a task cannot be started.

use thiserror::Error;

use crate::exit;
use crate::health::CheckError;
use crate::name::NAME_RULE;

/// Why [`Context::spawn`](crate::Context::spawn) started nothing. With `?` in `start` it ends the boot.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct SpawnError(#[from] Wrong);

impl SpawnError {
    /// The exit code of a service that needs the task: 70, the program is wrong.
    pub fn exit_code(&self) -> u8 {
        exit::SOFTWARE
    }
}

#[derive(Debug, Error)]
pub(super) enum Wrong {
    #[error("`{}` is no name of a task; help: {NAME_RULE}", .0.escape_debug())]
    Name(String),
    #[error("there is a task `{0}` already; help: give this one another name, a task runs once")]
    Duplicate(String),
    #[error("the service has {} tasks, the most it may have; help: start them once, in `start`", super::MAX_TASKS)]
    TooMany,
    #[error("the task `{name}` cannot be shown in health")]
    Check { name: String, source: CheckError },
    #[error("the task `{0}` is not started: the service ends")]
    Ending(String),
}
