//! HTTP/1.1 connections with bounds: how many, how long a head may take, how large it may be.
//!
//! Both the health listener and the local API stand on this. At its limit a listener makes room by
//! cutting the connection that has been silent for longest, so that slow clients cannot lock others out.

mod connection;

pub(crate) use self::connection::quietly;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::{Connection, Order};

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
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// What is known of the other end.
    type Peer: Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;

    /// Those who came before it was closed and were not accepted yet.
    fn close(self) -> Vec<(Self::Stream, Self::Peer)>;
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
        A: Fn(L::Peer) -> F,
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
                Ok((stream, peer)) => self.open(stream, answer(peer)),
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
            self.open(stream, answer(peer));
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
            if entry.connection.is_answering() || writes != entry.writes {
                (entry.writes, entry.since) = (writes, now);
                return true;
            }
            let Limits { head_timeout, read_timeout, .. } = self.limits;
            let most = if entry.connection.is_blocked() { read_timeout } else { head_timeout };
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
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::sync::Semaphore;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    /// Nobody is cut here for being slow.
    const LIMITS: Limits = Limits { connections: 4, read_buffer: 16 * 1024, head_timeout: HOUR, read_timeout: HOUR };
    const HOUR: Duration = Duration::from_secs(3600);
    const BOUND: Duration = Duration::from_secs(60);

    /// Opens a connection to something that answers with `bytes` bytes once it is given a permit.
    fn open(connections: &Arc<Connections>, permits: &Arc<Semaphore>, bytes: usize) -> UnixStream {
        let (client, server) = UnixStream::pair().unwrap();
        let permits = Arc::clone(permits);
        connections.open(server, move |_| {
            let permits = Arc::clone(&permits);
            async move {
                permits.acquire().await.unwrap().forget();
                Response::new(Full::new(Bytes::from(vec![b'x'; bytes])))
            }
        });
        client
    }

    fn count(connections: &Connections, fits: impl Fn(&Connection) -> bool) -> usize {
        connections.table().values().filter(|entry| fits(&entry.connection)).count()
    }

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < BOUND, "not within {BOUND:?}: {what}");
            tokio::task::yield_now().await;
        }
    }

    fn is_writing(connection: &Connection) -> bool {
        !connection.is_silent() && !connection.is_answering()
    }

    /// What a client reads without waiting; nothing where the connection is at its end.
    async fn read(client: &UnixStream) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        tokio::time::timeout(BOUND, client.readable()).await.unwrap().unwrap();
        let read = client.try_read(&mut bytes).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    #[tokio::test]
    async fn who_pauses_in_the_middle_of_a_reply_has_longer_than_who_sends_no_head() {
        for (read_timeout, left) in [(HOUR, 1), (Duration::ZERO, 0)] {
            let limits = Limits { head_timeout: Duration::ZERO, read_timeout, ..LIMITS };
            let (connections, permits) = (Connections::new(limits), Arc::new(Semaphore::new(1)));
            let client = open(&connections, &permits, 4 << 20);
            client.try_write(REQUEST).unwrap();
            until("its reply is stuck", || count(&connections, Connection::is_blocked) == 1).await;
            // The first look only sees that something was written since the last.
            connections.cut_the_late();
            connections.cut_the_late();
            assert_eq!(connections.table().len(), left);
        }
    }

    #[tokio::test]
    async fn of_a_burst_of_silent_connections_only_the_newest_stay() {
        let (connections, permits) = (Connections::new(LIMITS), Arc::new(Semaphore::new(100)));
        let mut clients = Vec::new();
        for _ in 0..20 {
            // None of their tasks has run when the next one comes.
            clients.push(open(&connections, &permits, 1));
            assert!(connections.table().len() <= LIMITS.connections);
        }
        let newest = clients.split_off(20 - LIMITS.connections);
        for client in clients {
            assert!(read(&client).await.is_empty());
        }
        for client in newest {
            client.try_write(REQUEST).unwrap();
            assert!(read(&client).await.starts_with(b"HTTP/1.1 200"));
        }
    }

    #[tokio::test]
    async fn those_who_do_not_read_make_room_and_those_who_are_answered_do_not() {
        let (connections, permits) = (Connections::new(LIMITS), Arc::new(Semaphore::new(0)));
        let busy: Vec<_> = (0..LIMITS.connections).map(|_| open(&connections, &permits, 4 << 20)).collect();
        for client in &busy {
            client.try_write(REQUEST).unwrap();
        }
        until("all are being answered", || count(&connections, Connection::is_answering) == busy.len()).await;
        let refused = open(&connections, &permits, 1);
        assert!(read(&refused).await.is_empty(), "nobody is cut for it who still waits for an answer");

        // Now they have their answers, and do not read them.
        permits.add_permits(1000);
        until("none is being answered", || count(&connections, Connection::is_answering) == 0).await;
        let mut deaf = busy;
        for _ in 0..20 {
            let client = open(&connections, &permits, 4 << 20);
            assert!(connections.table().len() <= LIMITS.connections + 1, "one may be on its way out");
            client.try_write(REQUEST).unwrap();
            deaf.push(client);
            until("its answer is being written", || count(&connections, is_writing) == connections.table().len()).await;
        }
        let polite = open(&connections, &permits, 1);
        polite.try_write(REQUEST).unwrap();
        assert!(read(&polite).await.starts_with(b"HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn who_came_before_the_end_is_answered_and_nobody_waits_for_the_rest() {
        let path = std::env::temp_dir().join(format!("hecate-listener-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let (connections, listener) = (Connections::new(LIMITS), UnixListener::bind(&path).unwrap());
        let connect = |sent: &[u8]| {
            let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            std::io::Write::write_all(&mut client, sent).unwrap();
            client.set_nonblocking(true).unwrap();
            UnixStream::from_std(client).unwrap()
        };
        // None of them was accepted when it ends.
        let (asking, silent, half) = ([(); 2].map(|()| connect(REQUEST)), connect(b""), connect(&REQUEST[..10]));
        std::fs::remove_file(&path).unwrap();
        connections.closed.cancel();
        let answer = |_| |_| async { Response::new(Full::new(Bytes::from_static(b"x"))) };
        let serving = tokio::spawn(Arc::clone(&connections).serve(listener, answer));
        tokio::time::timeout(BOUND, serving).await.unwrap().unwrap();
        let begun = Instant::now();
        tokio::time::timeout(BOUND, connections.close()).await.unwrap();
        assert!(begun.elapsed() < HEAD_TIMEOUT, "{:?}", begun.elapsed());
        for client in &asking {
            let answer = String::from_utf8(read(client).await).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(read(client).await.is_empty(), "it is closed");
        }
        for client in [silent, half] {
            assert!(read(&client).await.is_empty());
        }
    }

    #[tokio::test]
    async fn who_is_owed_nothing_for_too_long_is_cut_and_who_reads_slowly_is_not() {
        let limits = Limits { head_timeout: Duration::ZERO, ..LIMITS };
        let (connections, permits) = (Connections::new(limits), Arc::new(Semaphore::new(0)));
        let [asking, silent] = [(); 2].map(|()| open(&connections, &permits, 1));
        asking.try_write(REQUEST).unwrap();
        until("one is being answered", || count(&connections, Connection::is_answering) == 1).await;
        connections.cut_the_late();
        assert!(read(&silent).await.is_empty());
        assert_eq!(connections.table().len(), 1);
        permits.add_permits(1);
        assert!(read(&asking).await.starts_with(b"HTTP/1.1 200"));
        connections.cut_the_late();
        assert_eq!(connections.table().len(), 1, "it got something since it was looked at");
        connections.cut_the_late();
        assert!(connections.table().is_empty() && read(&asking).await.is_empty());
    }

    #[tokio::test]
    async fn who_speaks_in_the_moment_it_is_cut_gets_all_of_its_answer() {
        let connections = Connections::new(LIMITS);
        let (client, server) = UnixStream::pair().unwrap();
        let cutting = Arc::clone(&connections);
        connections.open(server, move |_| {
            // Whoever cuts it had looked before the request was read.
            cutting.table().values().for_each(|entry| entry.connection.tell(Order::Cut));
            async { Response::new(Full::new(Bytes::from(vec![b'x'; 4 << 20]))) }
        });
        client.try_write(REQUEST).unwrap();
        let (mut bytes, mut piece) = (0, vec![0; 1 << 16]);
        loop {
            tokio::time::timeout(BOUND, client.readable()).await.unwrap().unwrap();
            match client.try_read(&mut piece) {
                Ok(0) => break,
                Ok(read) => bytes += read,
                // It was readable a moment ago.
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(bytes > 4 << 20, "{bytes}");
    }

    #[tokio::test]
    async fn without_descriptors_those_who_do_not_read_are_let_go_and_then_cut() {
        let (connections, permits) = (Connections::new(LIMITS), Arc::new(Semaphore::new(100)));
        let deaf = [(); 2].map(|()| open(&connections, &permits, 4 << 20));
        deaf.iter().for_each(|client| assert_eq!(client.try_write(REQUEST).unwrap(), REQUEST.len()));
        until("their answers are being written", || count(&connections, is_writing) == deaf.len()).await;
        assert!(connections.make_room() && connections.table().len() == 2, "the oldest may still be read");
        assert!(connections.make_room() && connections.table().len() == 1);
        assert!(connections.make_room() && connections.make_room() && connections.table().is_empty());
        assert!(!connections.make_room());
    }
}
