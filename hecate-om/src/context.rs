//! What a service is given when it starts: its settings, its secrets, its tasks, its checks, its data folder.

mod data_dir;

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::data_dir::DataDir;
use crate::capability::Capability;
use crate::client::{Announced, CallError, CallSettings, Calls};
use crate::config::{Config, ServiceSettings};
use crate::health::board::Board;
use crate::health::monitor::Checks;
use crate::health::{CheckError, Health, Impact};
use crate::node_id::NodeId;
use crate::secret::{Secret, SecretError, Secrets};
use crate::service::{Service, ServiceInfo, Uses};
use crate::tasks::{SpawnError, TaskEnd, Tasks};

pub use self::data_dir::DataDirError;

/// What the runtime knows and a service may use.
pub(crate) struct Surroundings {
    pub(crate) info: &'static ServiceInfo,
    settings: ServiceSettings,
    pub(crate) secrets: Secrets,
    pub(crate) tasks: Arc<Tasks>,
    checks: Arc<Checks>,
    pub(crate) data_dir: DataDir,
    pub(crate) calls: Arc<Calls>,
}

impl Surroundings {
    pub(crate) fn new(
        info: &'static ServiceInfo,
        config: Config,
        board: Arc<Board>,
        checks: Arc<Checks>,
        tasks: Arc<Tasks>,
    ) -> Self {
        let calls = CallSettings {
            org: config.mesh.org,
            peers: config.mesh.peers,
            resolve: config.mesh.resolve,
            realm: config.mesh.realm.map(|realm| realm.id),
            runtime_dir: config.runtime_dir,
        };
        Self {
            info,
            calls: Calls::new(info, calls),
            settings: config.settings,
            checks,
            secrets: Secrets::new(config.secrets_dir, board),
            tasks,
            data_dir: DataDir::new(config.data_dir),
        }
    }
}

/// The exit code of an error that came out of a context, or was caused by one.
pub(crate) fn exit_code_of(error: &(dyn Error + 'static)) -> Option<u8> {
    let code = |error: &(dyn Error + 'static)| {
        let secret = error.downcast_ref().map(SecretError::exit_code);
        let folder = || error.downcast_ref().map(DataDirError::exit_code);
        let task = || error.downcast_ref().map(SpawnError::exit_code);
        secret.or_else(folder).or_else(task)
    };
    std::iter::successors(Some(error), |error| (**error).source()).find_map(code)
}

/// The runtime's side of a service: owned, and cheap to clone.
///
/// ```
/// use hecate_om::prelude::*;
///
/// struct Greeter { context: Context<Self> }
///
/// #[hecate_service(name = "hecate-greeter")]
/// impl Greeter {
///     async fn start(context: Context<Self>) -> Result<Self, StartError> {
///         Ok(Self { context })
///     }
///
///     /// Tells its own name.
///     #[capability(version = 1)]
///     async fn hello(&self) -> Result<()> {
///         assert_eq!(self.context.info().name, "hecate-greeter");
///         Ok(())
///     }
/// }
/// ```
pub struct Context<S> {
    surroundings: Arc<Surroundings>,
    service: PhantomData<fn() -> S>,
}

impl<S> Context<S> {
    pub(crate) fn new(surroundings: Arc<Surroundings>) -> Self {
        Self { surroundings, service: PhantomData }
    }

    /// The calls that the service makes.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.surroundings.calls
    }

    /// What the service declares of itself.
    pub fn info(&self) -> &'static ServiceInfo {
        self.surroundings.info
    }

    /// A secret: the text of the file of that name in the secrets folder (`HECATE_SECRETS_DIR`;
    /// where that is not set, `volumes(secrets = ..)` of the service, by default `/etc/hecate/secrets`).
    ///
    /// The file is read here, which takes a moment and no longer; after that the secret is in memory, and
    /// a reload (SIGHUP) reads it again. Nobody but this user and root may be able to read it:
    /// `chmod 600`. A file that is open to a group of the process, or to all, passes only on a read-only
    /// mount, where container engines put secrets. A link may lead within the folder or to
    /// `/run/secrets`.
    ///
    /// Limits: a name has `a-z`, `0-9`, `.`, `_` and `-`, a letter or digit first, 64 bytes; a secret is
    /// UTF-8 text without NUL of at most 64 KiB; a service has 256 at most.
    ///
    /// ```
    /// # use hecate_om::prelude::*;
    /// # struct Ledger { token: Secret }
    /// # impl Ledger {
    /// async fn start(context: Context<Self>) -> Result<Self, StartError> {
    ///     Ok(Self { token: context.secret("token")? })
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the file is missing, open to others or no secret. The error names the file and what to do,
    /// never what is in it; with `?` in `start` the exit code is its own (66, 77, 78).
    pub fn secret(&self, name: &str) -> Result<Secret, SecretError> {
        self.surroundings.secrets.get(name)
    }

    /// Starts a task that lives as long as the service. It begins at once, on the threads of the
    /// handlers, also before `start` has returned.
    ///
    /// A future runs once, so what is given is a function that makes one: it is called again when the
    /// task fails. A task that returns `()` or `Ok(())` is done and stays so. One that returns `Err` or
    /// panics is logged and starts again, at first within half a second, then ever more seldom, up to
    /// thirty seconds apart, with jitter; a minute without a failure makes up for all before. It never
    /// ends the service.
    ///
    /// Health shows it as `task.<name>`: degraded from a failure on until it has run for longer than it
    /// may have been waited for.
    ///
    /// A task that runs for ever waits for [`draining`](Self::draining), and ends then. One that does not
    /// within a tenth of `HECATE_STOP_TIMEOUT` is aborted and named in the log, and the drain counts as cut
    /// short: exit code 75.
    ///
    /// Limits: a name has `a-z`, `0-9`, `.`, `_` and `-`, a letter or digit first, 59 bytes, and belongs
    /// to one task in the life of the service, which has 32 at most.
    ///
    /// ```
    /// # use std::{io, time::Duration};
    /// # use hecate_om::prelude::*;
    /// # struct Clock;
    /// # async fn write(_: &std::path::Path) -> io::Result<()> { Ok(()) }
    /// # impl Clock {
    /// async fn start(context: Context<Self>) -> Result<Self, StartError> {
    ///     let file = context.data_dir()?.join("time");
    ///     let own = context.clone();
    ///     context.spawn("clock", move || {
    ///         let (context, file) = (own.clone(), file.clone());
    ///         async move {
    ///             loop {
    ///                 let ends = tokio::time::timeout(Duration::from_secs(60), context.draining()).await.is_ok();
    ///                 write(&file).await?;
    ///                 if ends {
    ///                     return io::Result::Ok(());
    ///                 }
    ///             }
    ///         }
    ///     })?;
    ///     Ok(Self)
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the name is wrong or taken, when there are too many tasks, or when the service ends; with `?`
    /// in `start` the exit code is 70.
    pub fn spawn<F, Fut>(&self, name: &str, task: F) -> Result<(), SpawnError>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output: TaskEnd> + Send + 'static,
    {
        self.surroundings.tasks.spawn(name, task)
    }

    /// Resolves when tasks should end: the service drains, and its last call has ended. `stop` comes
    /// after the last task. There are a few seconds, a tenth of `HECATE_STOP_TIMEOUT`.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + use<S> {
        self.surroundings.tasks.draining()
    }

    /// Asks `check` every so often how something is, in the background and on the threads of the handlers:
    /// once before the service is ready if it is there by then, and from then on `every` so often, give
    /// or take a tenth. Health shows the last answer under `name`; nobody who asks for health waits for
    /// it.
    ///
    /// What it means when the check fails, `impact` says: with [`Impact::Critical`] a check that is down
    /// takes the service down, so that callers go elsewhere, once it has said so three times in a row;
    /// with [`Impact::Degrading`] the service is degraded and goes on; [`Impact::Info`] is shown and no
    /// more. Something that the service can do without for a while, such as a database with a cache before
    /// it, is degrading. A check that panics or does not answer within two seconds has failed.
    ///
    /// Limits: a name has `a-z`, `0-9`, `.`, `_` and `-`, a letter first, 64 bytes; `every` is a time from
    /// one second to one hour; health has room for 64 checks, those of tasks and of the runtime among them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use hecate_om::prelude::*;
    /// # struct Notes;
    /// # impl Notes {
    /// async fn start(context: Context<Self>) -> Result<Self, StartError> {
    ///     let file = context.data_dir()?.join("notes");
    ///     context.check("notes", Duration::from_secs(30), Impact::Degrading, move || {
    ///         let file = file.clone();
    ///         async move {
    ///             match std::fs::metadata(&file) {
    ///                 Ok(_) => Health::Ok,
    ///                 Err(error) => Health::degraded(format!("{}: {error}", file.display())),
    ///             }
    ///         }
    ///     })?;
    ///     Ok(Self)
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the name is wrong or taken, when there are too many checks, or when it is asked for too often
    /// or too seldom; with `?` in `start` the exit code is 70.
    pub fn check<F, Fut>(&self, name: &str, every: Duration, impact: Impact, check: F) -> Result<(), CheckError>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Health> + Send + 'static,
    {
        self.surroundings.checks.register(name.to_owned(), every, impact, Arc::new(move || Box::pin(check())))
    }

    /// The folder for what the service keeps (`HECATE_DATA_DIR`): what must be there after a restart, and
    /// nothing that can be made again. Who replaces a file there writes another one beside it and renames
    /// that; a file that is written in place is lost when the process dies meanwhile.
    ///
    /// The first to ask makes it, with mode 0700, and owns it for the life of the process, by a lock on
    /// `.lock` in it: another process that wants it does not start.
    ///
    /// ```
    /// # use hecate_om::prelude::*;
    /// # struct Notes { notes: String }
    /// # impl Notes {
    /// async fn start(context: Context<Self>) -> Result<Self, StartError> {
    ///     let file = context.data_dir()?.join("notes");
    ///     let notes = if file.exists() { std::fs::read_to_string(file)? } else { String::new() };
    ///     Ok(Self { notes })
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// When another process owns it, when others can write to it, or when it cannot be made; with `?` in
    /// `start` the exit code is its own (75, 77, 73).
    pub fn data_dir(&self) -> Result<&Path, DataDirError> {
        self.surroundings.data_dir.get()
    }
}

impl<S> Context<S> {
    /// The nodes that advertise a capability on the mesh right now: for a call that is
    /// [pinned](crate::Calling::pin) to one of them. They may have gone when it is made.
    ///
    /// ```
    /// # use hecate_om::prelude::*;
    /// # #[message] pub struct Text { text: String }
    /// # #[derive(Default)] pub struct Echo;
    /// # #[hecate_service(name = "hecate-echo")]
    /// # impl Echo {
    /// # /// Says what it is told.
    /// # #[capability(version = 1)]
    /// # pub async fn say(&self, request: Text) -> Result<Text> { Ok(request) }
    /// # }
    /// # async fn ask(context: &Context<Echo>) -> Result<(), CallError> {
    /// for node in context.providers(Echo::SAY).await? {
    ///     let said = Echo::SAY.call(context, Text { text: "hello".into() }).pin(node).await?;
    ///     println!("{node}: {}", said.text);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the mesh cannot be asked. That nobody advertises it is no error.
    pub async fn providers<P, R, T>(&self, capability: Capability<P, R, T>) -> Result<Vec<NodeId>, CallError>
    where
        S: Uses<P>,
    {
        self.surroundings.calls.providers(capability).await
    }

    /// Who announced, in the last two minutes, something that may be this capability. Answered from memory:
    /// the mesh is not asked, and a hit in a hundred is none. [`providers`](Self::providers) says who really
    /// serves it.
    pub fn who_could_serve<P, R, T>(&self, capability: Capability<P, R, T>) -> Vec<Announced>
    where
        S: Uses<P>,
    {
        self.surroundings.calls.who_could_serve(&capability)
    }

    /// What a node announced of itself in the last two minutes, from memory.
    pub fn lookup(&self, node: NodeId) -> Option<Announced> {
        self.surroundings.calls.lookup(node)
    }
}

impl<S: Service> Context<S> {
    /// The settings that the service has of its own, from the table `[service]` of a TOML file and from
    /// variables with its scope as prefix. They were read before anything else began.
    ///
    /// ```
    /// use hecate_om::prelude::*;
    ///
    /// #[settings]
    /// struct LibrarySettings {
    ///     /// How many books a person may have.
    ///     #[serde(default = "five")]
    ///     books: u8,
    /// }
    ///
    /// fn five() -> u8 { 5 }
    ///
    /// struct Library { books: u8 }
    ///
    /// /// Lends books.
    /// #[hecate_service(name = "hecate-library", settings = LibrarySettings)]
    /// impl Library {
    ///     async fn start(context: Context<Self>) -> Result<Self, StartError> {
    ///         Ok(Self { books: context.settings().books }) // LIBRARY_BOOKS, or `books` in `[service]`
    ///     }
    /// }
    /// ```
    pub fn settings(&self) -> &S::Settings {
        match self.surroundings.settings.get() {
            Some(settings) => settings,
            // A blueprint reads the settings of its own service.
            None => unreachable!("the settings of another service"),
        }
    }
}

impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.surroundings))
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.surroundings.info.name)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use thiserror::Error;

    use super::*;
    use crate::folder::FolderError;
    use crate::service::StartError;

    #[derive(Debug, Error)]
    #[error("no catalogue")]
    struct NoCatalogue(#[from] DataDirError);

    fn taken() -> DataDirError {
        FolderError::Taken { lock: PathBuf::from("/d/.lock"), holder: String::new(), variable: "D" }.into()
    }

    #[test]
    fn an_error_of_the_context_keeps_its_exit_code_unless_the_author_chooses_another() {
        assert_eq!(StartError::from(taken()).exit_code(), 75);
        assert_eq!(StartError::from(NoCatalogue(taken())).exit_code(), 75);
        assert_eq!(StartError::config(taken()).exit_code(), 78);
        assert_eq!(StartError::from(std::fmt::Error).exit_code(), 70);
    }
}
