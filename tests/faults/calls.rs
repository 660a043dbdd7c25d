//! C: what handlers do to callers, and callers to handlers.

mod busy;
mod gone;
mod malformed;
mod panics;
mod size;
mod strangers;
