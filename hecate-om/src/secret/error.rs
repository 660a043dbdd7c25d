//! Why a secret cannot be had. No message ever holds what is in its file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::exit;
use crate::name::NAME_RULE;

/// Why a secret cannot be had: which file, what is wrong with it and what to do about it, never what is
/// in it. With `?` in `start` it ends the boot with its own exit code.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct SecretError(#[from] Wrong);

impl SecretError {
    /// The exit code of a service that needs the secret, as in `sysexits.h`: 66 for one that is missing,
    /// 77 for one that others may read or this process may not, 78 for a file that holds no secret, 74
    /// when reading fails, 70 for a wrong name.
    pub fn exit_code(&self) -> u8 {
        match &self.0 {
            Wrong::Name | Wrong::TooMany => exit::SOFTWARE,
            Wrong::Missing(_) => exit::NO_INPUT,
            Wrong::Permission { .. } => exit::PERMISSION,
            Wrong::Content { .. } => exit::CONFIG,
            Wrong::Io { .. } => exit::IO,
        }
    }

    /// Whether there is no such file: a service that can do without asks this.
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Wrong::Missing(_))
    }
}

#[derive(Debug, Error)]
pub(super) enum Wrong {
    // What was given is not repeated: it may be the secret itself.
    #[error("this is no name of a secret; help: {NAME_RULE}")]
    Name,
    #[error(
        "the service asks for more than {} secrets; help: it should ask for each once, by a fixed name",
        super::MAX_SECRETS
    )]
    TooMany,
    #[error("the secret {} is missing; help: put it there with mode 0600, or set HECATE_SECRETS_DIR", .0.display())]
    Missing(PathBuf),
    #[error("the secret {} {what}; help: {help}", .path.display())]
    Permission { path: PathBuf, what: String, help: String },
    #[error("the secret {} {what}; help: {help}", .path.display())]
    Content { path: PathBuf, what: String, help: &'static str },
    #[error("cannot {action} the secret {}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}
