//! The development station: a real Macula mesh on one box, with nothing installed.
//!
//! With no station configured, the first service on a box takes the seat and runs a station in its own
//! process; the others dial it. It speaks Macula wire 1.0 on loopback and keeps a station's contract,
//! with a realm of its own that admits the services of this box.
//!
//! `hecate-om` joins it for a service by itself; this crate is for who wants the mesh of a box without a
//! service: a tool, a test, a program of another kind that serves or calls through the SDK.
//!
//! ```no_run
//! use std::collections::HashMap;
//! use std::path::PathBuf;
//! use std::sync::Arc;
//!
//! use hecate_om_station::DevelopmentMesh;
//! use macula_rust::node_key::{NodeKey, PUZZLE_DIFFICULTY};
//! use macula_rust::pool::{Opts, Pool, Seed};
//! use macula_rust::profile::Profile;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // The same folder for all services of the box.
//! let folder = PathBuf::from("/run/hecate/station");
//! let mesh = DevelopmentMesh::join(folder, Profile::PqPure).await?;
//!
//! let mut station = mesh.station();
//! let info = station.wait_for(Option::is_some).await?.clone().ok_or("no station")?;
//!
//! let identity = NodeKey::generate_identity(Profile::PqPure, PUZZLE_DIFFICULTY)?;
//! let mut opts = Opts::new(Arc::new(identity));
//! opts.realm_trust = HashMap::from([(info.realm, info.realm_key)]);
//! let seed = Seed { host: info.host, port: info.port, node_id: info.node_id };
//! let pool = Pool::connect(vec![seed], opts).await?;
//!
//! // Serve and call through the pool; at the end, the pool first.
//! pool.close().await;
//! mesh.leave().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Who runs it
//!
//! Whoever holds the lock in the folder, which the kernel frees with its process; nobody is asked whether
//! it lives. Every other process tries the lock some seven times a second. When the process that has the
//! seat is killed, one of the others runs the station within a fraction of a second, as the same node, with
//! the same realm, on the same port. Clients find that out by themselves: their next packet is answered with
//! a reset, and a link that says nothing is missed after ten seconds. Who wants it sooner asks
//! the station anything, such as `Pool::find_record`, whenever [`DevelopmentMesh::station`] changes: a dead link
//! ends at the answer and is dialed again, one that is up already is none the worse. What clients advertised is
//! advertised again with the link. What else a station holds is in memory only, but for the orgs that it admitted.
//!
//! A process that leaves ends its station first: no new connections, what is in flight is relayed to its
//! end (1.2 seconds at most), every client gets a goodbye, the port is free, and then the seat. Two stations
//! never share the port: the kernel would give each the other's packets. It waits for nobody to come after
//! it, because nothing that it does then is left to do.
//!
//! A process that is stopped but not dead (`SIGSTOP`, a debugger) keeps the seat, and nobody can take it:
//! calls time out, and links end after ten seconds, until it goes on or is killed. A port that another
//! program took meanwhile is tried for a second; then the station takes another and says so. A folder that
//! is removed under a running box is noticed within a second and made again, with new keys.
//!
//! # What is in the folder
//!
//! | file | |
//! |---|---|
//! | `lock` | held for life by the process that has the seat; its process id, and the last port |
//! | `node.key`, `realm.key` | the identities of the station and its realm: made when missing, never replaced |
//! | `orgs` | what the realm admitted, so that nobody has to claim anew |
//! | `station.json` | what a client needs, [`StationInfo`]; there while a station listens |
//!
//! The folder is 0700, the files 0600, and all of it belongs to the user of the services. What is open to
//! others, a link, or no key is refused by name. A `station.json` that a killed process left is believed by
//! nobody who joins: without a holder of the lock there is no station.
//!
//! # The engine
//!
//! [`Station`] is the engine: the handshake and its refusals, acknowledged registrations, the record store,
//! calls and replies, publications and streams, and the realm that admits orgs and makes out tokens. What it
//! holds is bounded by [`Limits`], what it did is told by [`Counts`], and [`Faults`] make it misbehave for tests.
//!
//! It trusts who runs as its own user, and root: a client's socket is looked up in the system's table of sockets,
//! and one of another user is not let in. Where there is no such table (it is Linux's), every user of the box
//! comes in.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use hecate_om_station::{Keys, Options, Station};
//! use macula_rust::node_key::NodeKey;
//! use macula_rust::profile::Profile;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let key = || NodeKey::generate_identity(Profile::PqPure, 0).map(Arc::new);
//! let keys = Keys { node: key()?, realm: key()? };
//! let station = Station::start(Options::new(keys, "hecate.local")).await?;
//! println!("listening on {}", station.address());
//! station.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not
//!
//! Not for other machines, and not for other users of this one: it listens on loopback and refuses
//! connections of users other than its own and root. Not a station among stations: it knows no other and
//! keeps no content. Nothing outlives it but its keys, its port and the names of its orgs.

mod calls;
mod clock;
mod connection;
mod core;
mod counts;
mod development;
mod error;
mod faults;
mod folder;
mod handshake;
mod info;
mod issued;
mod keys;
mod leaf;
mod limits;
mod nodes;
mod orgs;
mod peer;
mod pending;
mod publications;
mod queue;
mod realm;
mod records;
mod registrations;
mod reset;
mod seat;
mod station;
mod station_procedures;
mod streams;
mod wire;

pub use counts::Counts;
pub use development::{DevelopmentMesh, JoinError, REALM_NAME, SeatState};
pub use error::StationError;
pub use faults::{Faults, RefusedRegistrations, RegistrationAnswer, Registrations};
pub use folder::FolderError;
pub use info::{InfoError, StationInfo};
pub use keys::KeysError;
pub use limits::Limits;
pub use station::{Keys, Options, Station};
