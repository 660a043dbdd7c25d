//! The exit codes of a service, as in `sysexits.h`: what a supervisor acts on.

/// Stopped in order.
pub(crate) const STOPPED: u8 = 0;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 64;
/// A file that should be there is missing.
pub(crate) const NO_INPUT: u8 = 66;
/// The service failed.
pub(crate) const SOFTWARE: u8 = 70;
/// The system refused a thread, a timer or a file descriptor.
pub(crate) const OS: u8 = 71;
/// A folder or a file cannot be made.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// Reading or writing failed.
pub(crate) const IO: u8 = 74;
/// Starting again may help.
pub(crate) const TRY_AGAIN: u8 = 75;
/// This user may not, or others may too much.
pub(crate) const PERMISSION: u8 = 77;
/// The configuration is wrong: starting again is no use.
pub(crate) const CONFIG: u8 = 78;

/// Every code with which `run` ends, and when, for help and reference.
pub(crate) const ALL: [(u8, &str); 10] = [
    (STOPPED, "stopped in order"),
    (USAGE, "command line"),
    (NO_INPUT, "a file is missing"),
    (SOFTWARE, "the service failed"),
    (OS, "the system refused"),
    (CANNOT_CREATE, "a folder or a file cannot be made"),
    (IO, "reading or writing failed"),
    (TRY_AGAIN, "try again: already running, port taken, start or drain cut short"),
    (PERMISSION, "permissions"),
    (CONFIG, "configuration"),
];
