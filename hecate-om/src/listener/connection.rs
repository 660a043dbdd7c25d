//! One connection: what it is told, how it gets on, and how hyper is polled for it.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::{Limits, MAX_HEAD, Socket};

/// A connection that is let go ends when nothing moved on it for so long, and nothing is owed to it.
const QUIET: Duration = Duration::from_millis(200);
/// How often it may still move after it was let go, without a call being answered.
const LAST_MOVES: u32 = 10;
/// How often it is looked whether the caller of a stream is there, where the system cannot tell that by itself.
const LOOK: Duration = Duration::from_millis(500);

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    Serve = 0,
    /// Answer what was asked, then close.
    Retire = 1,
    /// Close now, unless a request came in this very moment.
    Cut = 2,
}

/// What is known of a connection from outside its task.
///
/// It is also the waker that hyper gets: one that wakes the task, except in [`quietly`].
pub(crate) struct Connection {
    order: AtomicU8,
    /// The task that serves it; none before it runs.
    task: Mutex<Option<Waker>>,
    /// Whether the head of a request was read; until then nothing can be lost.
    spoke: AtomicBool,
    /// Whether a request came since hyper was last polled.
    asked: AtomicBool,
    /// Whether a request is being answered; what is left to write is not counted.
    answering: AtomicBool,
    /// For how long nothing may move on the stream that it carries, in milliseconds; none while it carries
    /// none.
    patience: AtomicU32,
    /// Whether the other end does not read what is to be written.
    blocked: AtomicBool,
    /// How often something was read, and written. Only the connection's own task counts.
    reads: AtomicU32,
    writes: AtomicU32,
}

impl Connection {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            order: AtomicU8::new(Order::Serve as u8),
            task: Mutex::new(None),
            spoke: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            answering: AtomicBool::new(false),
            patience: AtomicU32::new(0),
            blocked: AtomicBool::new(false),
            reads: AtomicU32::new(0),
            writes: AtomicU32::new(0),
        })
    }

    pub(super) fn is_silent(&self) -> bool {
        !self.spoke.load(Ordering::Acquire)
    }

    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Acquire) || self.carries_stream()
    }

    /// Says that the request that came last is answered with a stream, or that its caller is waited for:
    /// where it goes away, the connection ends at once.
    pub(crate) fn stream(self: &Arc<Self>, patience: Duration) -> Streaming {
        let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX).max(1);
        self.patience.store(patience, Ordering::Release);
        Streaming(Arc::clone(self))
    }

    fn carries_stream(&self) -> bool {
        self.patience.load(Ordering::Acquire) > 0
    }

    /// For how long a stream may stand still that its reader does not read; none if there is none.
    pub(super) fn stuck(&self) -> Option<Duration> {
        let patience = self.patience.load(Ordering::Acquire);
        (patience > 0 && self.is_blocked()).then(|| Duration::from_millis(patience.into()))
    }

    /// Whether something would be lost to its other end if it were cut.
    fn is_owed(&self) -> bool {
        self.is_answering() && self.stuck().is_none()
    }

    pub(super) fn is_retired(&self) -> bool {
        self.order() == Order::Retire
    }

    /// Whether the other end does not read what is written to it.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// How often something was written: who gets something is not waited for in vain.
    pub(super) fn writes(&self) -> u32 {
        self.writes.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.wake_task();
    }

    fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Retire,
            _ => Order::Cut,
        }
    }

    fn moves(&self) -> u32 {
        self.reads.load(Ordering::Relaxed).wrapping_add(self.writes())
    }

    fn wake_task(&self) {
        // Nothing that can panic is done under the lock.
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.wake_by_ref();
        }
    }

    fn register(&self, task: &Waker) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.clone());
    }
}

/// A stream on its way over a connection, which is answering as long as this is kept.
pub(crate) struct Streaming(Arc<Connection>);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.patience.store(0, Ordering::Release);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hush {
    Off,
    On,
    Woken,
}

thread_local! {
    static HUSH: Cell<Hush> = const { Cell::new(Hush::Off) };
}

/// Runs `take` on the body of a request; says whether it asked for the connection to be polled again.
///
/// hyper does so whenever a piece of a body is taken, so that the next may be read. Of the last piece
/// that means one more poll for each request, in which there is nothing to do; the caller, who sees
/// whether it was the last, decides. Other threads wake the connection meanwhile as ever.
pub(crate) fn quietly<T>(take: impl FnOnce() -> T) -> (T, bool) {
    /// Whatever happens: a thread that stayed quiet would wake nobody.
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            HUSH.set(Hush::Off);
        }
    }
    let _loud = Loud;
    HUSH.set(Hush::On);
    let taken = take();
    (taken, HUSH.get() == Hush::Woken)
}

impl Wake for Connection {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if HUSH.get() == Hush::Off {
            self.wake_task();
        } else {
            HUSH.set(Hush::Woken);
        }
    }
}

/// Serves a connection until it ends, one way or another.
pub(super) async fn serve<S, F, Fut, B>(connection: &Arc<Connection>, stream: S, limits: Limits, answer: F)
where
    S: Socket,
    F: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Response<B>>,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    let stream = Watched { stream: TokioIo::new(stream), connection: Arc::clone(connection), look: None };
    let service = Answers { answer, connection: Arc::clone(connection) };
    let serving = http1::Builder::new()
        // Whoever is late is found by the sweep: a timer for each head would cost each call.
        .header_read_timeout(None)
        .max_header_size(MAX_HEAD)
        .max_buf_size(limits.read_buffer)
        // A caller that has sent its request may close its half.
        .half_close(true)
        .serve_connection(stream, service);
    let mut serving = pin!(serving);
    let waker = Waker::from(Arc::clone(connection));
    let mut registered: Option<Waker> = None;
    let mut leaving: Option<Leaving> = None;
    poll_fn(|context| {
        // Before the order is read, so that none is missed. A task has one waker all its life.
        if registered.as_ref().is_none_or(|registered| !registered.will_wake(context.waker())) {
            connection.register(context.waker());
            registered = Some(context.waker().clone());
        }
        let mut inner = Context::from_waker(&waker);
        connection.asked.store(false, Ordering::Relaxed);
        // An error here is a client that left or broke the protocol: hyper answered it.
        if serving.as_mut().poll(&mut inner).is_ready() {
            return Poll::Ready(());
        }
        match connection.order() {
            Order::Serve => return Poll::Pending,
            Order::Cut if !connection.asked.load(Ordering::Relaxed) && !connection.is_owed() => {
                return Poll::Ready(());
            }
            // It spoke in this very moment: what it gets must be written, too.
            Order::Cut => connection.order.store(Order::Retire as u8, Ordering::Release),
            Order::Retire => {}
        }
        let leaving = leaving.get_or_insert_with(|| Leaving::new(connection));
        // hyper would close at once on a client whose first request is just about to be read.
        if !leaving.told && !connection.is_silent() {
            leaving.told = true;
            serving.as_mut().graceful_shutdown();
            if serving.as_mut().poll(&mut inner).is_ready() {
                return Poll::Ready(());
            }
        }
        leaving.poll(connection, context)
    })
    .await;
}

/// The last moments of a connection that is let go.
struct Leaving {
    /// Whether hyper knows.
    told: bool,
    pause: Pin<Box<Sleep>>,
    moves: u32,
    left: u32,
}

impl Leaving {
    fn new(connection: &Connection) -> Self {
        let pause = Box::pin(tokio::time::sleep(QUIET));
        Self { told: false, pause, moves: connection.moves(), left: LAST_MOVES }
    }

    /// Ready when there is nothing to wait for.
    fn poll(&mut self, connection: &Connection, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.pause.as_mut().poll(context));
            let moves = connection.moves();
            if !connection.is_answering() && !connection.blocked.load(Ordering::Relaxed) {
                if moves == self.moves || self.left == 0 {
                    return Poll::Ready(());
                }
                self.left -= 1;
            }
            self.moves = moves;
            self.pause.as_mut().reset(Instant::now() + QUIET);
        }
    }
}

/// What answers the requests of one connection.
struct Answers<F> {
    answer: F,
    connection: Arc<Connection>,
}

impl<F, Fut, B> Service<Request<Incoming>> for Answers<F>
where
    F: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Response<B>>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Answer<Fut>;

    fn call(&self, request: Request<Incoming>) -> Answer<Fut> {
        self.connection.spoke.store(true, Ordering::Release);
        self.connection.asked.store(true, Ordering::Relaxed);
        self.connection.answering.store(true, Ordering::Release);
        Answer { answer: (self.answer)(request), connection: Arc::clone(&self.connection) }
    }
}

pin_project! {
    /// The answer to one request.
    struct Answer<Fut> {
        #[pin]
        answer: Fut,
        connection: Arc<Connection>,
    }
}

impl<B, Fut: Future<Output = Response<B>>> Future for Answer<Fut> {
    type Output = Result<Response<B>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.answer.poll(context));
        this.connection.answering.store(false, Ordering::Release);
        Poll::Ready(Ok(response))
    }
}

/// A stream that tells whether anything moves on it.
struct Watched<S> {
    stream: TokioIo<S>,
    connection: Arc<Connection>,
    /// When it is looked again whether the other end is there.
    look: Option<Pin<Box<Sleep>>>,
}

fn count(moves: &AtomicU32) {
    moves.store(moves.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl<S> Watched<S> {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(_) => count(&self.connection.writes),
            Poll::Pending => {}
        }
        self.connection.blocked.store(written.is_pending(), Ordering::Relaxed);
        written
    }
}

impl<S: Socket> Watched<S> {
    /// Ready when nobody is there any more to read a stream.
    ///
    /// hyper does not look, because a caller may close its own half and still read. A caller that left is
    /// reported once, as something to be read; but not where there is such a thing already.
    #[cold]
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let is_told = self.stream.inner().poll_something(context).is_pending();
            if self.stream.inner().is_gone() {
                return Poll::Ready(());
            }
            if is_told {
                self.look = None;
                return Poll::Pending;
            }
            let look = self.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK)));
            ready!(look.as_mut().poll(context));
            self.look = None;
        }
    }
}

impl<S: Socket> Read for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, to);
        if read.is_ready() {
            count(&self.connection.reads);
        }
        read
    }
}

impl<S: Socket> Write for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper comes here whenever it has written all that there was.
        if self.connection.carries_stream() && self.poll_left(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
