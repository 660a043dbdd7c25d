//! What a service of a test finds, and how it comes up.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::folder::TemporaryFolder;
#[cfg(feature = "macula")]
use super::mesh::{self, Mesh};
use super::{NotStarted, TestService};
use crate::client::LocalClient;
use crate::config::{Config, ConfigError, ServiceSettings, Sources, setting};
use crate::exit;
use crate::health::endpoint::Place;
use crate::lifecycle::{self, Launch};
use crate::name::{NAME_RULE, is_name};
use crate::notify::Supervisor;
use crate::service::{Blueprint, Service};
use crate::telemetry::{Audience, chain};

/// What a service finds when it starts in a test: nothing, unless the test puts it there.
///
/// ```standalone_crate
/// use hecate_om::prelude::*;
/// use hecate_om::testing::{Setup, block_on};
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
///         Ok(Self { token: context.secret("token")? })
///     }
///
///     /// Posts an entry.
///     #[capability(version = 1)]
///     async fn post(&self, request: Post) -> Result<(), PostRefusal> {
///         if self.token.matches(&request.token) { Ok(()) } else { Err(PostRefusal::NotAllowed) }
///     }
/// }
///
/// # fn main() {
/// block_on(async {
///     let service = Setup::<Ledger>::new().secret("token", "open sesame").start().await.unwrap();
///     assert!(service.call(Ledger::POST, Post { token: "open sesame".into() }).await.is_ok());
///     assert!(service.call(Ledger::POST, Post { token: "please".into() }).await.is_err());
///
///     let without = Setup::<Ledger>::new().start().await.err().unwrap();
///     assert_eq!(without.exit_code, 66);
/// });
/// # }
/// ```
#[must_use = "nothing starts before `start`"]
pub struct Setup<S> {
    secrets: Vec<(String, Zeroizing<Vec<u8>>)>,
    data_dir: Option<PathBuf>,
    settings: Option<ServiceSettings>,
    place: Option<Arc<TemporaryFolder>>,
    #[cfg(feature = "macula")]
    mesh: Option<Arc<mesh::Running>>,
    service: PhantomData<fn() -> S>,
}

impl<S: Service> Setup<S> {
    /// Nothing but empty folders.
    pub fn new() -> Self {
        Self {
            secrets: Vec::new(),
            data_dir: None,
            settings: None,
            place: None,
            #[cfg(feature = "macula")]
            mesh: None,
            service: PhantomData,
        }
    }

    /// With a secret: a file of that name in the secrets folder, mode 0600.
    pub fn secret(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.secrets.push((name.to_owned(), Zeroizing::new(value.as_ref().to_owned())));
        self
    }

    /// With settings of its own; without them it has their defaults, and does not start where one has none.
    pub fn settings(mut self, settings: S::Settings) -> Self
    where
        S::Settings: Send + Sync,
    {
        self.settings = Some(ServiceSettings::new(settings));
        self
    }

    /// With a data folder that the test owns: to look into it, or to start a second service on what a
    /// first one left.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// On the box of another one, so that each finds the other; otherwise every service of a test is on
    /// a box of its own.
    ///
    /// ```standalone_crate
    /// # use hecate_om::prelude::*;
    /// # use hecate_om::testing::{self, Setup, block_on};
    /// # #[derive(Default)] struct Echo;
    /// # #[hecate_service(name = "hecate-echo")]
    /// # impl Echo {}
    /// # #[derive(Default)] struct Parrot;
    /// # #[hecate_service(name = "hecate-parrot")]
    /// # impl Parrot {}
    /// # fn main() {
    /// block_on(async {
    ///     let echo = testing::start::<Echo>().await.unwrap();
    ///     let parrot = Setup::<Parrot>::new().beside(&echo).start().await.unwrap();
    /// #   drop(parrot);
    /// });
    /// # }
    /// ```
    pub fn beside<O>(mut self, other: &TestService<O>) -> Self {
        self.place = Some(Arc::clone(&other.place));
        self
    }

    /// On a [`Mesh`]; otherwise it is on none. Its calls go over the mesh, wherever the others of the test
    /// run, and [`start`](Self::start) waits until everything that it offers is found there.
    #[cfg(feature = "macula")]
    pub fn on(mut self, mesh: &Mesh) -> Self {
        self.mesh = Some(mesh.running());
        self
    }

    /// Starts the service and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up, with the exit code and message that its process would have had.
    pub async fn start(self) -> Result<TestService<S>, NotStarted> {
        let folder = TemporaryFolder::new().map_err(NotStarted::for_want_of_a_place)?;
        let secrets_dir = folder.path.join("secrets");
        make_secrets(&secrets_dir, &self.secrets).map_err(NotStarted::for_want_of_a_place)?;
        let blueprint = Blueprint::of::<S>();
        let data_dir = self.data_dir.unwrap_or_else(|| folder.path.join("data"));
        let place = match self.place {
            Some(place) => place,
            None => Arc::new(TemporaryFolder::new().map_err(NotStarted::for_want_of_a_place)?),
        };
        let mut variables = vec![
            (setting::RUNTIME_DIR.variable, place.path.join("run").into_os_string()),
            (setting::DATA_DIR.variable, data_dir.into_os_string()),
            (setting::SECRETS_DIR.variable, secrets_dir.into_os_string()),
            (setting::HEALTH_ADDR.variable, "127.0.0.1:0".into()),
            (setting::LOG.variable, "off".into()),
        ];
        #[cfg(feature = "macula")]
        match &self.mesh {
            Some(mesh) => variables.extend(mesh.settings().map(|(name, value)| (name, value.into()))),
            None => variables.push((setting::MESH.variable, "off".into())),
        }
        #[cfg(not(feature = "macula"))]
        variables.push((setting::MESH.variable, "off".into()));
        let mut sources = Sources::only(variables);
        if let Some(settings) = self.settings {
            sources = sources.with_settings(settings);
        }
        let wrong = |error: ConfigError| NotStarted { exit_code: error.exit_code(), message: error.to_string() };
        let config = Config::load(&blueprint, sources).map_err(wrong)?.config;
        let service = run(blueprint, config, place, folder).await?;
        #[cfg(feature = "macula")]
        if let Some(mesh) = self.mesh {
            mesh.found(service.health).await?;
            return Ok(service.on(mesh));
        }
        Ok(service)
    }
}

impl<S: Service> Default for Setup<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// Its secrets stay out of sight.
impl<S> fmt::Debug for Setup<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: Vec<_> = self.secrets.iter().map(|(name, _)| name).collect();
        f.debug_struct("Setup").field("secrets", &secrets).field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

fn make_secrets(folder: &Path, secrets: &[(String, Zeroizing<Vec<u8>>)]) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    for (name, value) in secrets {
        if !is_name(name) {
            return Err(io::Error::other(format!("a test cannot make this secret; help: {NAME_RULE}")));
        }
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(folder.join(name))?;
        file.write_all(value)?;
    }
    Ok(())
}

async fn run<S: Service>(
    blueprint: Blueprint,
    config: Config,
    place: Arc<TemporaryFolder>,
    folder: TemporaryFolder,
) -> Result<TestService<S>, NotStarted> {
    let (stops, stopping) = mpsc::channel(2);
    let (ready, is_ready) = oneshot::channel();
    let run = move || {
        let told = |up: &lifecycle::Ready| {
            // Whoever waited may be gone; the service is stopped then.
            let _ = ready.send((up.socket.to_owned(), up.health.clone()));
        };
        let launch = Launch {
            blueprint,
            config,
            supervisor: Arc::new(Supervisor::default()),
            audience: Audience::Person,
            reload: Arc::new(|| Ok(())),
        };
        lifecycle::run(launch, || Ok(stopping), told)
    };
    let (done, is_done) = oneshot::channel();
    let thread = std::thread::Builder::new().name("hecate-control".to_owned()).spawn(move || match run() {
        Ok(code) => code,
        Err(error) => {
            let code = error.exit_code();
            let _ = done.send(NotStarted { exit_code: code, message: chain(&error) });
            code
        }
    });
    let thread = thread.map_err(NotStarted::for_want_of_a_place)?;
    match is_ready.await {
        Ok((socket, Place::Tcp(health))) => Ok(TestService {
            client: LocalClient::new(socket),
            health,
            stops,
            stopping: AtomicBool::new(false),
            thread: Some(thread),
            service: PhantomData,
            place,
            _folder: folder,
            #[cfg(feature = "macula")]
            _mesh: None,
        }),
        _ => Err(is_done
            .await
            .unwrap_or(NotStarted { exit_code: exit::SOFTWARE, message: "the service ended at once".to_owned() })),
    }
}
