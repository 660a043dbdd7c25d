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
mod crossing;
mod folder;
#[cfg(feature = "macula")]
mod mesh;
mod messages;
mod setup;

use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use futures_core::Stream;
use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use self::crossing::{Crossing, crossing};
use self::folder::TemporaryFolder;
use crate::capability::{Capability, ReplyStream, RequestStream};
use crate::client::{CallError, CallReply, CallRequest, Encode, LocalClient, Replies, Sends, exchange};
use crate::exit;
use crate::lifecycle::{Signal, Stop};
use crate::service::Service;

#[cfg(feature = "macula")]
pub use self::mesh::Mesh;
pub use self::messages::messages_arrive;
pub use self::setup::Setup;

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

impl NotStarted {
    fn for_want_of_a_place(error: io::Error) -> Self {
        Self { exit_code: exit::CANNOT_CREATE, message: error.to_string() }
    }
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
