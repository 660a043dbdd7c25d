//! The station, driven by the SDK's own pool on 127.0.0.1.

// Clippy takes what a module of tests has for tests.
#[cfg(test)]
mod calls;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod publications;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod realm;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod streams;
