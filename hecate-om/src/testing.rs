//! A service in a test, in one line: really booted, on sockets of its own, called by the real path.
//! What it is sent and answers with also crosses the encoding of the mesh.
//!
//! ```standalone_crate
//! # use hecate_om::prelude::*;
//! # #[derive(Default)] struct Greeter;
//! #[message] struct Greet { name: String }
//! #[message] struct Greeting { message: String }
//!
//! #[hecate_service(name = "hecate-greeter")]
//! impl Greeter {
//!     /// Greets one person.
//!     #[capability(version = 1)]
//!     async fn greet(&self, request: Greet) -> Result<Greeting> {
//!         Ok(Greeting { message: format!("Hello, {}!", request.name) })
//!     }
//! }
//!
//! # fn main() {
//! hecate_om::testing::block_on(async {
//!     let service = hecate_om::testing::start::<Greeter>().await.unwrap();
//!     let greeting = service.call(Greeter::GREET, Greet { name: "Ada".into() }).await.unwrap();
//!     assert_eq!(greeting.message, "Hello, Ada!");
//!     assert_eq!(service.stop().await, 0);
//! });
//! # }
//! ```

#[cfg(feature = "macula")]
mod carried;
#[cfg(feature = "macula")]
mod mesh;
mod messages;

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Context;
use std::thread::JoinHandle;

use bytes::Bytes;
use futures_core::Stream;
use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::capability::{Capability, CapabilityError, FromPoll, ReplyStream, RequestStream, json};
use crate::client::{CallError, CallReply, CallRequest, Encode, LocalClient, Replies, Sends, exchange};
use crate::config::{Config, ConfigError, ServiceSettings, Sources, setting};
use crate::exit;
use crate::health::endpoint::Place;
use crate::lifecycle::{self, Launch, Signal, Stop};
#[cfg(feature = "macula")]
use crate::mesh::value::{self, Value};
use crate::name::{NAME_RULE, is_name};
use crate::notify::Supervisor;
use crate::service::{Blueprint, Service};
use crate::telemetry::{Audience, chain};

#[cfg(feature = "macula")]
pub use self::mesh::Mesh;
pub use self::messages::messages_arrive;

/// Runs a test that awaits, for packages that have no runtime of their own.
///
/// # Panics
/// When the system gives the test no runtime, or when the test does.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(test),
        Err(error) => panic!("the system gives this test no runtime: {error}"),
    }
}

/// Why a service did not come up in a test.
#[derive(Debug, Error)]
#[error("{message} (exit code {exit_code})")]
pub struct NotStarted {
    /// The exit code that the process would have had.
    pub exit_code: u8,
    message: String,
}

/// A service that runs in this process, for a test.
///
/// Dropping it stops it in good order, and waits for that.
pub struct TestService<S> {
    client: LocalClient,
    health: SocketAddr,
    stops: mpsc::Sender<Signal>,
    stopping: AtomicBool,
    thread: Option<JoinHandle<u8>>,
    service: PhantomData<fn() -> S>,
    /// Where its sockets are; the others of its box hold it, too.
    place: Arc<TemporaryFolder>,
    _folder: TemporaryFolder,
    /// The mesh that it is on goes away after it.
    #[cfg(feature = "macula")]
    _mesh: Option<Arc<mesh::Running>>,
}

/// Starts a service on sockets of its own and waits until it is ready.
///
/// # Errors
/// When it does not come up, with the exit code and message that its process would have had.
pub async fn start<S: Service>() -> Result<TestService<S>, NotStarted> {
    Setup::new().start().await
}

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
        let folder = TemporaryFolder::new().map_err(failed)?;
        let secrets_dir = folder.path.join("secrets");
        make_secrets(&secrets_dir, &self.secrets).map_err(failed)?;
        let blueprint = Blueprint::of::<S>();
        let data_dir = self.data_dir.unwrap_or_else(|| folder.path.join("data"));
        let place = match self.place {
            Some(place) => place,
            None => Arc::new(TemporaryFolder::new().map_err(failed)?),
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

fn failed(error: io::Error) -> NotStarted {
    NotStarted { exit_code: exit::CANNOT_CREATE, message: error.to_string() }
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
    let thread = thread.map_err(failed)?;
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

impl<S: Service> TestService<S> {
    /// Calls a capability over the service's socket.
    ///
    /// Request and reply also go through the encoding of the mesh and back, so that a test finds what
    /// would work on this box only: a `u64` above `i64::MAX`, a boolean in a struct that is flattened.
    ///
    /// # Errors
    /// What a caller on this box would get; [`CallError::Request`] or [`CallError::Reply`], with the path,
    /// for what the mesh cannot carry.
    pub async fn call<R, T>(&self, capability: Capability<S, R, T>, request: R) -> Result<T, CallError>
    where
        R: Serialize + DeserializeOwned + 'static,
        T: Serialize + DeserializeOwned + 'static,
    {
        #[cfg(feature = "macula")]
        carried::across(&request).map_err(|error| CallError::Request(error.of("request")))?;
        let reply = self.client.call(capability, &request).await?;
        #[cfg(feature = "macula")]
        carried::across(&reply).map_err(|error| CallError::Reply(error.of("reply")))?;
        Ok(reply)
    }

    /// Calls a capability that answers with a stream, over the service's socket. Request and replies also go
    /// through the encoding of the mesh, as those of [`call`](Self::call) do.
    ///
    /// # Errors
    /// As of [`call`](Self::call); and as the last item what the stream ended with.
    pub async fn stream<R, O>(
        &self,
        capability: Capability<S, R, ReplyStream<O>>,
        request: R,
    ) -> Result<Replies<O>, CallError>
    where
        R: CallRequest + DeserializeOwned,
        O: CallReply + Serialize,
    {
        let request = Crossing(request).json().map_err(CallError::Request)?;
        self.open(&capability, Sends::One(request)).await
    }

    /// Calls a capability that takes a stream, over the service's socket.
    ///
    /// # Errors
    /// As of [`call`](Self::call).
    pub async fn send_all<I, T>(
        &self,
        capability: Capability<S, RequestStream<I>, T>,
        items: impl Stream<Item = I> + Send + 'static,
    ) -> Result<T, CallError>
    where
        I: CallRequest + DeserializeOwned,
        T: CallReply + Serialize,
    {
        let opened = self.client.open(capability.name(), capability.version(), crossing(items)).await?;
        let reply = opened.one()?;
        #[cfg(feature = "macula")]
        carried::across(&reply).map_err(|error| CallError::Reply(error.of("reply")))?;
        Ok(reply)
    }

    /// Calls a capability that takes a stream and answers with one, over the service's socket.
    ///
    /// # Errors
    /// As of [`call`](Self::call); and as the last item what the stream ended with.
    pub async fn exchange<I, O>(
        &self,
        capability: Capability<S, RequestStream<I>, ReplyStream<O>>,
        items: impl Stream<Item = I> + Send + 'static,
    ) -> Result<Replies<O>, CallError>
    where
        I: CallRequest + DeserializeOwned,
        O: CallReply + Serialize,
    {
        self.open(&capability, crossing(items)).await
    }

    async fn open<R, O: CallReply + Serialize>(
        &self,
        capability: &Capability<S, R, ReplyStream<O>>,
        sends: Sends,
    ) -> Result<Replies<O>, CallError> {
        let opened = self.client.open(capability.name(), capability.version(), sends).await?;
        #[cfg(feature = "macula")]
        let opened = opened.each(|reply: &O| carried::across(reply).map_err(|error| error.of("reply")));
        Replies::of(opened, None, None)
    }

    /// The body at a path of the local API, such as `/openapi.json`.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn get(&self, path: &str) -> Result<String, CallError> {
        let (_, body) = self.client.get(path).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Status and body at a path of the health listener, such as `/readyz`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self, path: &str) -> Result<(u16, String), CallError> {
        let broken = |error: io::Error| CallError::Broken(error.into());
        let stream = TcpStream::connect(self.health).await.map_err(broken)?;
        let answer = exchange(stream, Method::GET, path, Bytes::new()).await;
        let (status, body) = answer.map_err(CallError::Broken)?;
        Ok((status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
    }

    /// The Unix socket of the local API.
    pub fn socket(&self) -> &Path {
        self.client.socket()
    }

    /// The address of the health listener.
    pub fn health_address(&self) -> SocketAddr {
        self.health
    }

    /// Stops the service in good order; returns the exit code that its process would have had.
    pub async fn stop(mut self) -> u8 {
        self.begin_stop();
        let thread = self.thread.take();
        let ended = tokio::task::spawn_blocking(move || thread.and_then(|thread| thread.join().ok())).await;
        ended.ok().flatten().unwrap_or(exit::SOFTWARE)
    }
}

impl<S> TestService<S> {
    /// Keeps its mesh.
    #[cfg(feature = "macula")]
    fn on(mut self, mesh: Arc<mesh::Running>) -> Self {
        self._mesh = Some(mesh);
        self
    }

    /// Asks the service to end, as SIGTERM would, without waiting for it. To ask again changes nothing.
    pub fn begin_stop(&self) {
        // A second request would end the service at once.
        if !self.stopping.swap(true, Ordering::Relaxed) {
            let _ = self.stops.try_send(Signal::Stop(Stop::Terminate));
        }
    }
}

impl<S> Drop for TestService<S> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.begin_stop();
            let _ = thread.join();
        }
    }
}

/// A request that goes through the encoding of the mesh before it is sent.
struct Crossing<R>(R);

impl<R: CallRequest + DeserializeOwned> Encode for Crossing<R> {
    fn json(&self) -> Result<Bytes, CapabilityError> {
        #[cfg(feature = "macula")]
        carried::across(&self.0).map_err(|error| error.of("request"))?;
        json::encode(&self.0, json::UNKNOWN_SIZE)
    }

    #[cfg(feature = "macula")]
    fn value(&self) -> Result<Value, CapabilityError> {
        value::encode(&self.0).map_err(value::ValueError::of_request)
    }
}

fn crossing<I: CallRequest + DeserializeOwned>(items: impl Stream<Item = I> + Send + 'static) -> Sends {
    let mut items = Box::pin(items);
    Sends::Many(Box::pin(FromPoll(move |context: &mut Context<'_>| {
        let item = items.as_mut().poll_next(context);
        item.map(|item| item.map(|item| Box::new(Crossing(item)) as Box<dyn Encode>))
    })))
}

/// A folder that goes away with its owner.
struct TemporaryFolder {
    path: PathBuf,
}

impl TemporaryFolder {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let name = format!("hecate-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left by an earlier process with this number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
