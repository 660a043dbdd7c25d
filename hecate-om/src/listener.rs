//! HTTP/1.1 connections with bounds: how many, how long a head may take, how large it may be.
//!
//! Both the health listener and the local API stand on this. At its limit a listener makes room by
//! cutting the connection that has been silent for longest, so that slow clients cannot lock others out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener allows its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many connections are open at once.
    pub(crate) connections: usize,
    /// How many bytes are read ahead, the head of a request among them.
    pub(crate) read_buffer: usize,
}

/// The largest head of a request, in bytes.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// Where connections come from.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// What is known of the other end.
    type Peer: Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    /// The user id of the process, as the kernel knows it.
    type Peer = u32;

    async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        let (stream, _) = UnixListener::accept(self).await?;
        let peer = stream.peer_cred()?.uid();
        Ok((stream, peer))
    }
}

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Serve,
    /// Answer what was asked, then close.
    Retire,
    /// Close now.
    Cut,
}

struct Connection {
    order: watch::Sender<Order>,
    /// Whether the head of a request was read; until then nothing can be lost.
    spoke: AtomicBool,
}

/// The open connections of a listener.
pub(crate) struct Connections {
    limits: Limits,
    /// By number, so that the oldest come first.
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    tasks: TaskTracker,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        let open = Mutex::new(BTreeMap::new());
        Arc::new(Self { limits, open, next: AtomicU64::new(0), tasks: TaskTracker::new() })
    }

    /// Accepts connections until it is dropped. `answer` makes what answers the requests of one peer.
    pub(crate) async fn serve<L, A, F, Fut, B>(self: Arc<Self>, listener: L, answer: A)
    where
        L: Listener,
        A: Fn(L::Peer) -> F,
        F: Fn(Request<Incoming>) -> Fut + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.open(stream, answer(peer)),
                // The client left before it was accepted, or there is no descriptor left for it.
                Err(error) => {
                    tracing::debug!(%error, "connection not accepted");
                    self.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn open<S, F, Fut, B>(self: &Arc<Self>, stream: S, answer: F)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn(Request<Incoming>) -> Fut + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let connection =
            Arc::new(Connection { order: watch::Sender::new(Order::Serve), spoke: AtomicBool::new(false) });
        if self.table().len() >= self.limits.connections {
            self.make_room();
        }
        self.table().insert(number, Arc::clone(&connection));
        let connections = Arc::clone(self);
        self.tasks.spawn(async move {
            connections.run(stream, &connection, answer).await;
            connections.table().remove(&number);
        });
    }

    async fn run<S, F, Fut, B>(&self, stream: S, connection: &Arc<Connection>, answer: F)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn(Request<Incoming>) -> Fut,
        Fut: Future<Output = Response<B>>,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
    {
        let spoken = Arc::clone(connection);
        let service = service_fn(move |request| {
            spoken.spoke.store(true, Ordering::Release);
            let answered = answer(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD)
            .max_buf_size(self.limits.read_buffer)
            // A caller that has sent its request may close its half.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        let mut orders = connection.order.subscribe();
        loop {
            tokio::select! {
                // An error here is a client that left or broke the protocol: hyper answered it.
                _ = serving.as_mut() => return,
                _ = orders.changed() => {}
            }
            let order = *orders.borrow_and_update();
            match order {
                Order::Serve => {}
                Order::Retire if connection.spoke.load(Ordering::Acquire) => serving.as_mut().graceful_shutdown(),
                Order::Retire | Order::Cut => return,
            }
        }
    }

    /// Cuts the oldest connection that never spoke; if all did, lets the oldest end.
    fn make_room(&self) {
        let table = self.table();
        let silent = table.values().find(|connection| !connection.spoke.load(Ordering::Acquire));
        match (silent, table.values().next()) {
            (Some(silent), _) => silent.order.send_replace(Order::Cut),
            (None, Some(oldest)) => oldest.order.send_replace(Order::Retire),
            (None, None) => Order::Serve,
        };
    }

    /// Lets every connection answer what it was asked, and waits until all have closed.
    pub(crate) async fn retire(&self) {
        for connection in self.table().values() {
            connection.order.send_replace(Order::Retire);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The table; nothing that is done under its lock can leave it half-done.
    fn table(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
