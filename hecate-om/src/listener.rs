//! HTTP/1.1 connections with bounds: how many, how long a head may take, how large it may be.
//!
//! Both the health listener and the local API stand on this. At its limit a listener makes room by
//! cutting the connection that has been silent for longest, so that slow clients cannot lock others out.

mod connection;

pub(crate) use self::connection::{Connection, Streaming, quietly};

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Order;

/// How long a client may take to send the head of a request, as a rule.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may leave its reply unread, in the middle of it: `curl | less` is one that does.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked who has been late for longer than that.
const SWEEP: Duration = Duration::from_millis(500);
/// How long to wait when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a listener allows its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many connections are open at once.
    pub(crate) connections: usize,
    /// How many bytes are read ahead, the head of a request among them.
    pub(crate) read_buffer: usize,
    /// How long a client may take to send the head of a request.
    pub(crate) head_timeout: Duration,
    /// How long a client may leave unread what is written to it.
    pub(crate) read_timeout: Duration,
}

impl Limits {
    /// The same, with at most one in `share` of the files that this process may open.
    pub(crate) fn within_files(self, share: usize) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = usize::try_from(files).unwrap_or(usize::MAX) / share;
        Self { connections: self.connections.min(most.max(1)), ..self }
    }
}

/// Lets this process open as many files as the system allows: each connection is one.
pub(crate) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files cannot be raised");
    }
}

/// The largest head of a request, in bytes.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// Where connections come from.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: Socket;
    /// What is known of the other end.
    type Peer: Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;

    /// Those who came before it was closed and were not accepted yet.
    fn close(self) -> Vec<(Self::Stream, Self::Peer)>;
}

/// One end of a connection.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Ready when something is to be read, or the other end has closed.
    fn poll_something(&self, context: &mut Context<'_>) -> Poll<()>;

    /// Whether the other end neither sends nor reads any more.
    fn is_gone(&self) -> bool;
}

impl Socket for TcpStream {
    fn poll_something(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(context).map(drop)
    }

    fn is_gone(&self) -> bool {
        is_gone(self.ready(BOTH_WAYS))
    }
}

impl Socket for UnixStream {
    fn poll_something(&self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(context).map(drop)
    }

    fn is_gone(&self) -> bool {
        is_gone(self.ready(BOTH_WAYS))
    }
}

const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// What the system has said of a socket so far.
fn is_gone(ready: impl Future<Output = io::Result<Ready>>) -> bool {
    match std::pin::pin!(ready).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(ready)) => ready.is_write_closed(),
        Poll::Ready(Err(_)) => true,
        Poll::Pending => false,
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Only a matter of speed.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }

    fn close(self) -> Vec<(TcpStream, SocketAddr)> {
        // tokio's own `accept` would wait for what the system has yet to report.
        let Ok(listener) = self.into_std() else { return Vec::new() };
        let waiting = std::iter::from_fn(|| listener.accept().ok());
        let adopt = |(stream, peer): (std::net::TcpStream, _)| {
            stream.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(stream).ok()?, peer))
        };
        waiting.filter_map(adopt).collect()
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

    fn close(self) -> Vec<(UnixStream, u32)> {
        let Ok(listener) = self.into_std() else { return Vec::new() };
        let waiting = std::iter::from_fn(|| listener.accept().ok());
        let adopt = |(stream, _): (std::os::unix::net::UnixStream, _)| {
            stream.set_nonblocking(true).ok()?;
            let stream = UnixStream::from_std(stream).ok()?;
            let peer = stream.peer_cred().ok()?.uid();
            Some((stream, peer))
        };
        waiting.filter_map(adopt).collect()
    }
}

/// A connection in the table, and when it last got something or was owed something.
struct Entry {
    connection: Arc<Connection>,
    writes: u32,
    since: Instant,
}

/// The open connections of a listener.
pub(crate) struct Connections {
    limits: Limits,
    /// By number, so that the oldest come first.
    open: Mutex<BTreeMap<u64, Entry>>,
    next: AtomicU64,
    /// Nobody is accepted any more.
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::new(BTreeMap::new()),
            next: AtomicU64::new(0),
            closed: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Accepts connections until it is dropped, or [closed](Self::close). `answer` makes what answers
    /// the requests of one peer.
    pub(crate) async fn serve<L, A, F, Fut, B>(self: Arc<Self>, listener: L, answer: A)
    where
        L: Listener,
        A: Fn(L::Peer, &Arc<Connection>) -> F,
        F: Fn(Request<Incoming>) -> Fut + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let _serving = self.tasks.token();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut exhausted = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = sweep.tick() => {
                    self.cut_the_late();
                    continue;
                }
                () = self.closed.cancelled() => break,
            };
            // Who was accepted a moment ago is served in the pause; only then must somebody go.
            let again = std::mem::replace(&mut exhausted, accepted.as_ref().is_err_and(is_exhausted));
            match accepted {
                Ok((stream, peer)) => self.open(stream, |connection| answer(peer, connection)),
                Err(error) if exhausted => {
                    tracing::debug!(%error, "connection not accepted");
                    if again {
                        self.make_room();
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                // That client left before it was accepted.
                Err(error) => {
                    tracing::debug!(%error, "connection not accepted");
                    tokio::task::yield_now().await;
                }
            }
        }
        for (stream, peer) in listener.close() {
            self.open(stream, |connection| answer(peer, connection));
        }
    }

    fn open<S, F, Fut, B>(self: &Arc<Self>, stream: S, answer: impl FnOnce(&Arc<Connection>) -> F)
    where
        S: Socket,
        F: Fn(Request<Incoming>) -> Fut + Send + 'static,
        Fut: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new();
        let full = self.table().len() >= self.limits.connections;
        if full && !self.make_room() {
            return;
        }
        let entry = Entry { connection: Arc::clone(&connection), writes: 0, since: Instant::now() };
        self.table().insert(number, entry);
        if self.closed.is_cancelled() {
            connection.tell(Order::Retire);
        }
        let answer = answer(&connection);
        let connections = Arc::clone(self);
        self.tasks.spawn(async move {
            let _listed = Listed { connections: &connections, number };
            connection::serve(&connection, stream, connections.limits, answer).await;
        });
    }

    /// Cuts those who were owed nothing and got nothing for longer than a head may take, and those who
    /// leave a reply unread for longer than they may.
    ///
    /// Who sends a byte now and then is no better than who sends none; who reads a long reply slowly
    /// gets all of it.
    fn cut_the_late(&self) {
        let now = Instant::now();
        self.table().retain(|_, entry| {
            let writes = entry.connection.writes();
            // A stream that nobody reads has been ended by then; its reader must be told of it, who may come
            // back before.
            let stuck = entry.connection.stuck();
            if (entry.connection.is_answering() && stuck.is_none()) || writes != entry.writes {
                (entry.writes, entry.since) = (writes, now);
                return true;
            }
            let Limits { head_timeout, read_timeout, .. } = self.limits;
            let most = match stuck {
                Some(patience) => read_timeout.max(patience),
                None if entry.connection.is_blocked() => read_timeout,
                None => head_timeout,
            };
            let late = now.duration_since(entry.since) >= most;
            if late {
                entry.connection.tell(Order::Cut);
            }
            !late
        });
    }

    /// Makes room for a connection, if any can go without losing a call; says whether one could.
    ///
    /// First goes the oldest that never spoke, then one that was let go before and does not read its
    /// reply. Else the oldest that is idle is let go; while it goes there is one too many, and the
    /// next has no such grace.
    fn make_room(&self) -> bool {
        let mut table = self.table();
        let oldest = |fits: &dyn Fn(&Connection) -> bool| {
            table.iter().find(|(_, entry)| fits(&entry.connection)).map(|(number, _)| *number)
        };
        let useless = oldest(&|connection| connection.is_silent())
            .or_else(|| oldest(&|connection| connection.is_retired() && !connection.is_answering()));
        let idle = oldest(&|connection| !connection.is_answering());
        let (number, order) = match (useless, idle) {
            (Some(useless), _) => (useless, Order::Cut),
            (None, Some(idle)) if table.len() > self.limits.connections => (idle, Order::Cut),
            (None, Some(idle)) => (idle, Order::Retire),
            (None, None) => return false,
        };
        let told = table.get(&number).map(|entry| entry.connection.tell(order)).is_some();
        if order == Order::Cut {
            // What is cut counts no more, though its task has yet to end.
            table.remove(&number);
        }
        told
    }

    /// Accepts those who came before and nobody who comes later, lets every connection have the
    /// answers to what it asked, and waits until all have closed.
    pub(crate) async fn close(&self) {
        // In this order: whoever is opened meanwhile sees that it is closed, or is in the table.
        self.closed.cancel();
        for entry in self.table().values() {
            entry.connection.tell(Order::Retire);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The table; nothing that is done under its lock can leave it half-done.
    fn table(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the table, given back whatever ends the connection.
struct Listed<'a> {
    connections: &'a Connections,
    number: u64,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.connections.table().remove(&self.number);
    }
}

/// Whether the system has nothing left for another connection.
fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    exhausted.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests;
