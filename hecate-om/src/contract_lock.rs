//! The contract that a service promised: `contract.lock.json`, how it differs from another one, and what of that
//! breaks callers.
//!
//! Apart from `contract`, which makes the schemas of what is compiled: this reads what was written down, knows no Rust
//! types, and is what the generated test of a service and `hecate-om lock` both decide by. `docs/contract-lock.md` has
//! the rules as a table. Not an interface: it changes without notice.

mod alternatives;
mod change;
mod compare;
mod document;
mod held;
mod places;
mod read;
mod schemas;
mod span;

pub use change::{Change, Difference, Place, Side};
pub use compare::{changes, changes_of_service};
pub use document::{ContractLock, FILE, LockedCapability, LockedService, MAX_BYTES, SCHEMA};
pub(crate) use held::problems;
pub use read::{Fault, Faults};

#[cfg(test)]
mod tests;
