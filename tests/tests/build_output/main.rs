//! Where the manifest of a service goes when cargo builds it: real builds of throw-away packages.
//!
//! The dependencies compile once, into `<target>/tmp/build_output`, and each package starts from a
//! copy of them: see [`dependencies`].

mod binary;
mod compiler_cache;
mod dependencies;
mod package;
mod places;
mod process;
mod rebuilds;
mod records;
mod silence;
