//! Write one impl block, get an always-on service for the Macula mesh.
//!
//! ```
//! use hecate_om::prelude::*;
//!
//! #[derive(Default)]
//! pub struct Greeter;
//!
//! #[message] pub struct Greet { name: String }
//! #[message] pub struct Greeting { message: String }
//! #[derive(Refusal)] pub enum GreetRefusal { /** Nobody to greet. */ NoName }
//!
//! /// Greets people by name.
//! #[hecate_service(name = "hecate-greeter")]
//! impl Greeter {
//!     /// Greets one person.
//!     #[capability(version = 1, timeout = "5s")]
//!     pub async fn greet(&self, request: Greet) -> Result<Greeting, GreetRefusal> {
//!         if request.name.is_empty() { return Err(GreetRefusal::NoName) }
//!         Ok(Greeting { message: format!("Hello, {}!", request.name) })
//!     }
//! }
//!
//! # fn no_main() -> ExitCode {
//! hecate_om::run::<Greeter>() // is all of main
//! # }
//! ```
//!
//! From the block come, at compile time, the contract of the service ([`Service`]), its entry in the
//! [`registry`] and its [`manifest`]; [`run`] boots it, tells its health and answers calls;
//! [`testing`] does the same in a test. What a service needs beyond its calls, such as settings, secrets,
//! tasks, checks of its health and a folder, it asks of its [`Context`].
//!
//! # Calls and the mesh
//!
//! Each capability is also found and called over the Macula mesh (feature `macula`, on by default): on a
//! developer's box with no configuration, on a fleet with the stations and the realm that are set. Who may
//! call says `access`. A service calls what it says that it uses, by the typed constants of the other one, of
//! a [`remote_service!`] or by a [`Reference`]; the nearest provider answers, in this process, on this box or
//! on the mesh:
//!
//! ```
//! use hecate_om::prelude::*;
//!
//! #[message] pub struct Say { text: String }
//! #[message] pub struct Said { text: String }
//!
//! remote_service!(pub Echo in "hecate-echo" { SAY: "echo.say" = 1, Say -> Said, access = open });
//!
//! #[derive(Refusal)] pub enum RepeatRefusal { #[refusal(transparent)] Call(CallError) }
//!
//! #[derive(Default)]
//! pub struct Parrot;
//!
//! /// Repeats what the echo says.
//! #[hecate_service(name = "hecate-parrot", uses(Echo))]
//! impl Parrot {
//!     /// Has the echo say it, and repeats that.
//!     #[capability(version = 1, access = open)]
//!     pub async fn repeat(&self, request: Say, call: &Call<Self>) -> Result<Said, RepeatRefusal> {
//!         Ok(Echo::SAY.call(call, request).await?)
//!     }
//! }
//! ```
//!
//! [`Calling`] takes a timeout, a node or a token; [`CallError`] tells what was tried. From a task, a
//! [`Context`] stands in for the call.

// What only the mesh uses stays where it belongs when that is left out.
#![cfg_attr(not(feature = "macula"), allow(dead_code, unused_imports))]

#[doc(hidden)]
pub mod __private;
mod capability;
mod client;
mod command;
mod config;
mod context;
mod contract;
#[doc(hidden)]
pub mod contract_lock;
mod dispatch;
mod exit;
mod folder;
#[cfg(all(any(test, fuzzing), feature = "macula"))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod health;
#[cfg(feature = "macula")]
mod identity;
mod lifecycle;
#[cfg(test)]
#[cfg(feature = "macula")]
mod limits;
mod listener;
mod local;
pub mod manifest;
mod mask;
#[cfg(feature = "macula")]
mod mesh;
mod name;
mod nearest;
mod node_id;
mod notify;
pub mod outside;
mod random;
pub mod registry;
mod secret;
mod service;
mod tasks;
mod telemetry;
pub mod testing;

use std::process::ExitCode;

pub use capability::{
    Access, Call, CallId, Caller, Capability, CapabilityError, CapabilityInfo, Confidential, ErrorCode, Kind, Refusal,
    RefusalCode, Reply, ReplySink, ReplyStream, Request, RequestStream, Trace, TraceId, Via,
};
pub use client::{
    Announced, Answered, Attempt, Attempts, CallError, CallReply, CallRequest, Calling, Detailed, NotAReference,
    Opening, Parent, Reference, Replies, items,
};
pub use config::Settings;
pub use context::{Context, DataDirError};
pub use guard::{Limits, Rate};
pub use health::{CheckError, Health, Impact};
pub use node_id::{NodeId, NotANodeId};
pub use secret::{Exposed, Secret, SecretError};
pub use service::{IdentitySpec, Provider, Service, ServiceInfo, StartError, Use, Uses};
pub use tasks::{SpawnError, TaskEnd};

/// Makes a service of an inherent `impl` block; the documentation of this crate shows one.
///
/// | argument | without it | |
/// |---|---|---|
/// | `name = "hecate-greeter"` | needed | kebab-case, at most 40 bytes |
/// | `description = "..."` | the block's doc comment, then the package's | not empty |
/// | `version = "1.2.3"` | the package's | SemVer |
/// | `scope = "greeter"` | the name without `hecate-`, `-` as `_` | the first part of every capability's name |
/// | `access = realm` | `realm` | who may call its capabilities, those that say otherwise apart |
/// | `uses(Echo, "acme/rag.query" = 1)` | none | what it may call: services by type, capabilities by reference |
/// | `identity(actions = [..], resources = [..], ttl_days = 30)` | derived | what it asks of its realm |
/// | `display_name`, `license`, `repository` | from the name, the package's | for people who read the manifest |
/// | `image = "ghcr.io/acme/hecate-greeter"` | none | without tag or digest |
/// | `depends_on = ["macula-station"]` | none | names of services |
/// | `tenancy = "realm"`, `runs_on = "infrastructure_node"` | these | lower snake words |
/// | `ports(health = 8470)` | 8470 | where health is told unless the environment says otherwise |
/// | `volumes(secrets = "/etc/hecate/secrets", state = "/var/lib/hecate-greeter")` | these, the second by name | the folders that a deployment mounts; `HECATE_SECRETS_DIR` and `HECATE_DATA_DIR` where nothing is set, the second for root only |
/// | `settings = LibrarySettings` | none | a type with [`settings`](macro@settings), for [`Context::settings`] |
/// | `crate = ::path` | `::hecate_om` | where this crate is, if it was renamed |
///
/// The author may write three callbacks; what is left out is generated:
///
/// ```
/// use hecate_om::prelude::*;
///
/// struct Greeter { context: Context<Self> }
///
/// /// Greets people by name.
/// #[hecate_service(name = "hecate-greeter")]
/// impl Greeter {
///     /// Any error ends the boot; `StartError` chooses the exit code.
///     async fn start(context: Context<Self>) -> Result<Self, StartError> {
///         Ok(Self { context })
///     }
///
///     /// Once, after the last call, if `start` returned `Ok`.
///     async fn stop(&self) {}
///
///     /// Every ten seconds, in the background; may be sync.
///     async fn health(&self) -> Health {
///         Health::Ok
///     }
/// }
///
/// assert_eq!(Greeter::info().name, "hecate-greeter");
/// assert_eq!(Greeter::identity_spec().resources, ["greeter/*"]);
/// assert!(Greeter::capabilities().is_empty());
/// assert!(Greeter::MANIFEST.contains("hecate.manifest/1"));
/// ```
///
/// # What it uses, and what it asks of its realm
/// A service calls what it says that it uses: a typed call of anything else does not compile, and a
/// reference is refused. A type is that of another service, of this program or described by
/// [`remote_service!`]; `"[<org>/]<name>" = version` names one capability, in the service's own org where
/// none stands.
///
/// `identity(...)` is derived from what the block declares. Whoever writes `actions` writes all of them:
/// `answer:<name>@<version>`, `call:[<org>/]<name>@<version>`, `publish:<topic>` and `subscribe:<topic>`;
/// that one is missing which the block needs is an error. `resources` are `<scope>/*` and the references,
/// `ttl_days` is 1 to 365.
///
/// ```
/// use hecate_om::prelude::*;
///
/// remote_service!(pub Rag in "hecate-rag" {});
///
/// #[derive(Default)]
/// struct Librarian;
///
/// /// Answers what readers ask.
/// #[hecate_service(name = "hecate-librarian", uses(Rag, "acme/books.lend" = 2), identity(ttl_days = 7))]
/// impl Librarian {
///     /// Finds a book.
///     #[capability(version = 1, access = open, idempotent)]
///     async fn find(&self) -> Result<()> { Ok(()) }
/// }
///
/// let asked = Librarian::identity_spec();
/// assert_eq!(asked.actions, ["answer:librarian.find@1", "call:acme/books.lend@2"]);
/// assert_eq!(asked.resources, ["librarian/*", "acme/books.lend"]);
/// assert_eq!(asked.ttl_days, 7);
/// ```
///
/// Other methods are helpers and stay as they are; handlers stay plain functions that a unit test can
/// call. A generated test in the author's crate walks what only a running program knows of the types.
///
/// Where a `contract.lock.json` stands beside the Cargo.toml (`hecate-om lock` writes it), a capability of it that is
/// gone, renamed or of another kind is an error here, and a message that callers could not bear fails that test.
///
/// Limits: a type has one service block, and no parameters of its own; the block holds no macro calls.
pub use hecate_om_macros::hecate_service;

/// Makes a capability of a method in a `#[hecate_service]` block:
/// `async fn m(&self[, request: R][, call: &Call<Self>]) -> Result<T, E>`, where `R` may be a
/// [`RequestStream<I>`](RequestStream) and `T` a [`ReplyStream<O>`](ReplyStream).
///
/// | argument | without it | |
/// |---|---|---|
/// | `version = 1` | needed | 1 to 65535; a name may have several |
/// | `name = "greeter.greet"` | the scope and the method's name | dotted lower snake, at most 128 bytes |
/// | `access = open` | the service's, else `realm` | `open`: anyone on the mesh; `realm`: who holds a token for it that the realm granted; `issuer("<64 hex digits>")`: one that this node granted |
/// | `idempotent` | | answering twice is as good as once: a call with an unknown outcome may be made again |
/// | `timeout = "5s"` | `"30s"` | 1ms to 600s, in `ms`, `s` or `m`; of a stream, for each wait: until the handler answers, and from item to item |
/// | `limits(payload = "1MiB", reply = "16MiB")` | these | the largest request and reply as they travel, 1B to 16MiB, in `B`, `KiB` or `MiB`; of a stream, the largest item |
/// | `limits(concurrency = 1024)` | this | calls at once, 1 to 65536; a stream is one for as long as it lasts |
/// | `limits(per_caller = "600/10s", total = "6000/10s")` | these | calls by one caller of the mesh, and by all of them: 1 to 1000000 in 1s to 1h, in `ms`, `s`, `m` or `h`; `total` is at least `per_caller` |
/// | `confidential = required` | `preferred` | whether calls over the mesh are sealed: `off`: never; `preferred`: where the caller can; `required`: a call that is not is refused |
/// | `cancel_on_disconnect` | | the handler ends when its caller leaves; without it, it runs to its end or deadline |
/// | `deprecated = "why"` | | told to callers, in the manifest, and to those who compile against the constant |
///
/// `R` and `T` are objects on the wire ([`message`]), and so are the items of streams; a handler without a
/// request takes `{}`, and `()` is `{}`. `E` is a [`Refusal`]. A stream is written out in the signature: an
/// alias of one is refused. The doc comment is the description, and must be there.
///
/// Each makes a typed constant with the method's visibility, here `Greeter::GREET`:
///
/// ```
/// use hecate_om::prelude::*;
///
/// #[message] pub struct Greet { name: String }
/// #[message] pub struct Greeting { message: String }
/// # #[derive(Default)] pub struct Greeter;
/// # #[hecate_service(name = "hecate-greeter")]
/// # impl Greeter {
/// /// Greets one person.
/// #[capability(version = 1, timeout = "5s")]
/// pub async fn greet(&self, request: Greet, call: &Call<Self>) -> Result<Greeting> {
///     let patience = call.time_left().as_secs();
///     Ok(Greeting { message: format!("Hello, {}, for {patience} s!", request.name) })
/// }
/// # }
/// let greet: Capability<Greeter, Greet, Greeting> = Greeter::GREET;
/// assert_eq!((greet.name(), greet.version()), ("greeter.greet", 1));
/// ```
pub use hecate_om_macros::capability;

/// Describes a service whose crate is not linked, so that it can be called as if it were.
///
/// It makes a type without values, which [`hecate_service`](macro@hecate_service) takes in `uses(...)`,
/// and of each capability a typed [`Capability`], both as visible as the type says:
///
/// ```
/// use hecate_om::prelude::*;
///
/// #[message] pub struct Query { text: String }
/// #[message] pub struct Answer { text: String }
///
/// remote_service!(pub Rag in "hecate-rag" {
///     QUERY: "rag.query" = 1, Query -> Answer
/// });
///
/// remote_service! {
///     /// Lends books.
///     pub Library in "hecate-library" {
///         /// Whether the library is open.
///         OPEN: "library.open" = 2, () -> Answer, access = open, idempotent;
///         #[deprecated = "books are lent for ever"]
///         LEND: "library.lend" = 1, Query -> ();
///     }
/// }
///
/// let query: Capability<Rag, Query, Answer> = Rag::QUERY;
/// assert_eq!((query.provider(), query.to_string().as_str()), ("hecate-rag", "rag.query@1"));
/// assert!(Library::OPEN.is_open() && Library::OPEN.is_idempotent());
/// ```
///
/// An entry is a constant, the name and version of a capability and the types of its request and reply,
/// `()` where there are no fields, [`RequestStream<I>`](RequestStream) and [`ReplyStream<O>`](ReplyStream)
/// where its handler has them; entries are ended by `;`, which the last one may lack. After the types
/// stand `access` and `idempotent` where the provider's `#[capability]` has them. All capabilities of a
/// service have the first part of their names in common, its scope. The name of the service is the org
/// that its capabilities are called in, unless `HECATE_PEERS` names another.
/// `crate = ::path, ` before all else names this crate where it was renamed.
pub use hecate_om_macros::remote_service;

/// Makes a struct or an enum a message: derives both serde halves and its JSON Schema.
///
/// ```
/// use hecate_om::prelude::*;
///
/// /// Whom to greet.
/// #[message]
/// #[derive(Debug, Clone)]
/// pub struct Greet {
///     name: String,
///     #[serde(default)]
///     titles: Vec<String>,
/// }
/// ```
///
/// A type of one's own derives does as well; `crate = ::path` names this crate where it was renamed.
pub use hecate_om_macros::message;

/// Makes a struct the settings of a service: derives `Deserialize` and its JSON Schema, and refuses keys
/// that it does not know.
///
/// ```
/// use hecate_om::prelude::*;
///
/// #[settings]
/// pub struct LibrarySettings {
///     /// The town of the library. // told by `--help`, and where it is missing
///     town: String,
///     /// How many books a reader may have.
///     #[serde(default = "five")]
///     most_loans: u8,
///     /// When it closes.
///     closes: Option<u8>,
/// }
///
/// fn five() -> u8 { 5 }
/// ```
///
/// `#[hecate_service(.., settings = LibrarySettings)]` has it read before anything begins: from the table
/// `[service]` of a TOML file, and from variables with the service's scope as prefix, such as
/// `LIBRARY_TOWN`. A variable holds a number, a text, `true` or `false`, the name of an enum's variant, or
/// a list of these with commas; what has parts of its own, which takes `#[settings]` as well, only TOML
/// holds. A field must be set unless it is an `Option` or has `#[serde(default)]`. What is wrong is told with everything else
/// that is, and `<binary> config` shows what holds and why. An enum in a field takes [`message`].
///
/// What must not be seen is masked wherever it is told: the values of keys such as `token`, `password`,
/// `secret` and `key`. `crate = ::path` names this crate where it was renamed.
pub use hecate_om_macros::settings;

/// Makes an enum a [`Refusal`](trait@Refusal).
///
/// A variant's code is its name in snake_case, its message the doc comment, its named fields the
/// details. `#[refusal(transparent)]` on a variant with one field passes that refusal on as it came,
/// and makes `?` work on it. `#[refusal(crate = ::path)]` on the enum names this crate where it was
/// renamed.
///
/// ```
/// use hecate_om::prelude::*;
///
/// #[derive(Refusal)]
/// enum GreetRefusal {
///     /// Nobody to greet.
///     NoName,
///     #[refusal(transparent)]
///     Call(CallError),
/// }
/// # let _ = |error: CallError| GreetRefusal::from(error);
/// assert_eq!(GreetRefusal::NoName.into_error().code(), "no_name");
/// ```
pub use hecate_om_macros::Refusal;

/// The code of the README is compiled like everybody else's.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// What a service needs in scope.
pub mod prelude {
    pub use crate::{
        Call, CallError, Capability, CapabilityError, Context, Health, Impact, Refusal, ReplyStream, RequestStream,
        Result, Secret, Service, StartError, capability, hecate_service, message, remote_service, settings,
    };
    pub use std::process::ExitCode;
}

/// A `Result` whose error, unless said otherwise, is a [`CapabilityError`].
pub type Result<T, E = CapabilityError> = std::result::Result<T, E>;

/// The whole `main` of a service: does what the command line says, which is to run, as a rule.
///
/// Boot, health, calls and drain are in here. The exit code tells a supervisor what to do; `--help`
/// lists it.
pub fn run<S: Service>() -> ExitCode {
    S::mark_as_run();
    command::main(service::Blueprint::of::<S>())
}
