//! Who a service is on the mesh: its node key, its certificate, and what the realm lets it do.
//!
//! A service is an institution of its own, never its user: it has its own key, and an operator can say
//! where that is. This module and `mesh` are the ones that know the Macula SDK.

mod action;
mod ask;
mod backoff;
pub(crate) mod certificate;
pub(crate) mod claim;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod key;
#[cfg(test)]
pub(crate) mod lines;
mod names;
mod place;
mod seed;
pub(crate) mod token;
mod x509;

pub(crate) use self::error::IdentityError;
pub(crate) use self::key::Identity;
pub(crate) use self::names::Names;
pub(crate) use self::place::Place;

#[cfg(test)]
mod tests;
