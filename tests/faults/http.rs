//! H: what slow, broken and hostile clients do to the listeners, and what probes are told meanwhile.

mod health;
mod malformed;
mod paths;
mod ports;
mod slow;
