//! Hands the type of a service's settings to the runtime: a function, because only of its bounds rustc
//! tells in our words.

use crate::config::{Settings, SettingsType};

/// How settings of a type are read.
pub fn settings<T: Settings>() -> SettingsType {
    SettingsType::of::<T>()
}
