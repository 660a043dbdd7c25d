//! Secrets: what a file of the secrets folder holds, kept out of logs and wiped when nobody needs it.
//!
//! The folder is the boundary: who may read a file there decides whether its content is still a secret,
//! so each is judged before it is read, and again at each reload.

mod error;
mod permission;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
#[cfg(feature = "macula")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use subtle::ConstantTimeEq;
use tokio::sync::watch;
use zeroize::Zeroizing;

use self::error::Wrong;
use crate::health::board::{Board, CheckId, Finding};
use crate::health::{Health, Impact};
use crate::name::is_name;
use crate::telemetry::chain;

pub use self::error::SecretError;
#[cfg(test)]
pub(crate) use self::read::MAX_BYTES;

/// How many secrets a service may have.
pub(crate) const MAX_SECRETS: usize = 256;

/// The check that tells of secrets which could not be read again.
const CHECK: &str = "secrets";

/// Something that only this service should know: the text of a file in the secrets folder.
///
/// A cheap handle: clones share one value, and all see the new one once the secrets were reloaded. There
/// is no way to print, serialise or compare it by accident, and what is no longer used is wiped from
/// memory. Values that a program copies out of it, and pages that the system swaps out, are not.
///
/// ```
/// use hecate_om::prelude::*;
///
/// struct Ledger { token: Secret }
///
/// #[derive(Refusal)]
/// enum PostRefusal {
///     /// That is not the token.
///     NotAllowed,
/// }
///
/// # #[message] struct Post { token: String }
/// #[hecate_service(name = "hecate-ledger")]
/// impl Ledger {
///     async fn start(context: Context<Self>) -> Result<Self, StartError> {
///         let database = context.secret("database-url")?;
///         let _connect_with: &str = &database.expose();
///         Ok(Self { token: context.secret("token")? })
///     }
///
///     /// Posts an entry.
///     #[capability(version = 1)]
///     async fn post(&self, request: Post) -> Result<(), PostRefusal> {
///         if self.token.matches(&request.token) { Ok(()) } else { Err(PostRefusal::NotAllowed) }
///     }
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn log(secret: &hecate_om::Secret) -> String { format!("{secret}") }
/// ```
#[derive(Clone)]
pub struct Secret {
    name: Arc<str>,
    value: watch::Sender<Arc<Zeroizing<String>>>,
}

impl Secret {
    fn new(name: &str, value: Zeroizing<String>) -> Self {
        Self { name: name.into(), value: watch::Sender::new(Arc::new(value)) }
    }

    /// Its name, which is also the name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value as it is now: hold it no longer than it is needed.
    pub fn expose(&self) -> Exposed {
        Exposed(Arc::clone(&self.value.borrow()))
    }

    /// Whether `candidate` is the secret, in a time that tells nothing of where they differ; only their
    /// lengths are no secret.
    pub fn matches(&self, candidate: impl AsRef<[u8]>) -> bool {
        self.expose().bytes().ct_eq(candidate.as_ref()).into()
    }

    /// Waits until the secret is another than `seen`, at once if it is already: to connect again with
    /// the new one.
    ///
    /// ```
    /// # async fn example(secret: hecate_om::Secret) {
    /// loop {
    ///     let seen = secret.expose();
    ///     // ... work with it ...
    ///     secret.changed(&seen).await;
    /// }
    /// # }
    /// ```
    pub async fn changed(&self, seen: &Exposed) {
        // The sender is `self`: it cannot be gone.
        let _ = self.value.subscribe().wait_for(|now| !Arc::ptr_eq(now, &seen.0)).await;
    }

    /// Says whether it is another than before.
    fn replace(&self, value: Zeroizing<String>) -> bool {
        let is_new = !bool::from(self.expose().bytes().ct_eq(value.as_bytes()));
        if is_new {
            self.value.send_replace(Arc::new(value));
        }
        is_new
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name)
    }
}

/// The value of a [`Secret`] while it is used; it is wiped once it was replaced and nobody uses it.
///
/// It is text, without the one line end that editors leave behind.
pub struct Exposed(Arc<Zeroizing<String>>);

impl Exposed {
    /// The bytes of the text.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Deref for Exposed {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The secrets of a service: each is read when it is first asked for, and again at each reload.
pub(crate) struct Secrets {
    folder: PathBuf,
    board: Arc<Board>,
    /// Shown from the first secret on.
    check: OnceLock<CheckId>,
    handed_out: Mutex<BTreeMap<String, Secret>>,
    /// How many reloads have begun.
    reloads: AtomicU64,
}

impl Secrets {
    pub(crate) fn new(folder: PathBuf, board: Arc<Board>) -> Self {
        Self { folder, board, check: OnceLock::new(), handed_out: Mutex::default(), reloads: AtomicU64::new(0) }
    }

    /// One secret; the same for all who ask for that name.
    pub(crate) fn get(&self, name: &str) -> Result<Secret, SecretError> {
        if !is_name(name) {
            return Err(Wrong::Name.into());
        }
        if let Some(secret) = self.known(name)? {
            return Ok(secret);
        }
        let (read, mut handed_out) = loop {
            let reloads = self.reloads.load(Ordering::Acquire);
            // Not under the lock: a disk may hang, and whoever is told in the log may ask for another.
            let read = Secret::new(name, read::read(&self.folder, name)?);
            let handed_out = self.handed_out();
            // A reload in between did not know of this one.
            if self.reloads.load(Ordering::Acquire) == reloads {
                break (read, handed_out);
            }
        };
        let is_first = handed_out.is_empty();
        let secret = handed_out.entry(name.to_owned()).or_insert(read).clone();
        drop(handed_out);
        if is_first {
            self.note(Health::Ok, Instant::now());
        }
        Ok(secret)
    }

    fn known(&self, name: &str) -> Result<Option<Secret>, Wrong> {
        let handed_out = self.handed_out();
        match handed_out.get(name) {
            None if handed_out.len() >= MAX_SECRETS => Err(Wrong::TooMany),
            known => Ok(known.cloned()),
        }
    }

    /// Reads again every secret that was handed out. One that cannot be read stays as it is, and health
    /// tells so until it can be.
    pub(crate) fn reload(&self) {
        let begun = Instant::now();
        self.reloads.fetch_add(1, Ordering::AcqRel);
        let handed_out = self.handed_out().clone();
        let mut kept = Vec::new();
        for (name, secret) in &handed_out {
            match read::read(&self.folder, name).map_err(SecretError::from) {
                Ok(value) => {
                    if secret.replace(value) {
                        tracing::info!(secret = name, "secret reloaded");
                    }
                }
                Err(error) => {
                    let reason = chain(&error);
                    tracing::error!(secret = name, reason, "secret not reloaded: the old one is kept");
                    kept.push(reason);
                }
            }
        }
        let health = match kept.as_slice() {
            [] => Health::Ok,
            reasons => Health::degraded(format!("not reloaded, the old one is kept: {}", reasons.join("; "))),
        };
        if !handed_out.is_empty() {
            self.note(health, begun);
        }
    }

    fn note(&self, health: Health, begun: Instant) {
        let check = *self.check.get_or_init(|| self.board.add(CHECK, Impact::Degrading));
        self.board.note(check, Finding { health, code: None, at: Instant::now(), took: begun.elapsed() });
    }

    /// Each change is made in one step: a panic elsewhere leaves nothing half done.
    fn handed_out(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.handed_out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a secret that is no text, judged like every other.
#[cfg(feature = "macula")]
pub(crate) fn read_bytes(folder: &Path, name: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    Ok(read::bytes(folder, name)?)
}

/// Reads a file beside the secrets that everybody may read.
#[cfg(feature = "macula")]
pub(crate) fn read_public(folder: &Path, name: &str) -> Result<Vec<u8>, SecretError> {
    Ok(read::public(folder, name)?)
}

#[cfg(test)]
mod tests;
