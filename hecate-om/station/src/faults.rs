//! Knobs that make a station misbehave, for tests of what its clients do then.

/// Knobs that make a station misbehave. Each is a level: it holds until it is taken back.
#[derive(Debug)]
pub struct Faults {}
