//! The station, driven by the SDK's own pool on 127.0.0.1.

mod calls;
mod ending;
mod faults;
mod kit;
mod limits;
mod publications;
mod realm;
mod refusals;
mod streams;
