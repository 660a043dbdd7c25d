//! What comes over the local socket, from its first byte to the answer's last.

use std::cell::OnceCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::lab;
use crate::listener::{Listener, Socket};
use crate::local::{LocalApi, Problem};

/// Longer than anything takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the length of a body is written that fits.
const FITTING: &[u8] = b"content-length: *";

/// Answers what comes over one connection: with HTTP, without a panic, and with nothing left over.
///
/// `content-length: *` in the head stands for the length of what follows it.
pub(super) fn local_request(input: &[u8]) {
    thread_local! {
        static SERVED: OnceCell<Served> = const { OnceCell::new() };
    }
    let sent = with_length(input);
    let answer = SERVED.with(|served| served.get_or_init(Served::new).exchange(sent));
    is_http(&answer);
    lab::is_at_rest();
}

fn with_length(input: &[u8]) -> Vec<u8> {
    let Some(at) = input.windows(FITTING.len()).position(|window| window.eq_ignore_ascii_case(FITTING)) else {
        return input.to_vec();
    };
    let star = at + FITTING.len() - 1;
    let after = &input[star + 1..];
    let body = after.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| after.len() - end - 4);
    [&input[..star], body.to_string().as_bytes(), after].concat()
}

/// The local API on connections that are made here.
struct Served {
    runtime: Runtime,
    connect: mpsc::UnboundedSender<Wire>,
}

impl Served {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (connect, wires) = mpsc::unbounded_channel();
        let api = LocalApi::new(lab::blueprint(), lab::dispatch());
        runtime.spawn(api.serve(Wires(Mutex::new(wires))));
        Self { runtime, connect }
    }

    /// All that is answered to what is sent.
    fn exchange(&self, sent: Vec<u8>) -> Vec<u8> {
        let (told, answer) = oneshot::channel();
        // Of inputs that differ in their length some come in one piece, and some in many.
        let piece = if sent.len().is_multiple_of(7) { 1 + sent.len() % 5 } else { sent.len().max(1) };
        let wire = Wire { sent, at: 0, piece, answer: Vec::new(), told: Some(told) };
        self.runtime.block_on(async {
            self.connect.send(wire).map_err(drop).unwrap();
            tokio::time::timeout(PATIENCE, answer).await.expect("the connection does not end").unwrap()
        })
    }
}

struct Wires(Mutex<mpsc::UnboundedReceiver<Wire>>);

impl Listener for Wires {
    type Stream = Wire;
    type Peer = u32;

    async fn accept(&self) -> io::Result<(Wire, u32)> {
        let wire = self.0.lock().await.recv().await;
        Ok((wire.ok_or(io::ErrorKind::NotConnected)?, rustix::process::geteuid().as_raw()))
    }

    fn close(self) -> Vec<(Wire, u32)> {
        Vec::new()
    }
}

/// A connection whose other end has sent all that it sends, and keeps what it gets.
struct Wire {
    sent: Vec<u8>,
    at: usize,
    /// How much comes at once.
    piece: usize,
    answer: Vec<u8>,
    told: Option<oneshot::Sender<Vec<u8>>>,
}

/// It stays as long as it is answered.
impl Socket for Wire {
    fn poll_something(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn is_gone(&self) -> bool {
        false
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let end = self.sent.len().min(self.at + self.piece.min(into.remaining()));
        into.put_slice(&self.sent[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let answer = std::mem::take(&mut self.answer);
        if let Some(told) = self.told.take() {
            let _ = told.send(answer);
        }
    }
}

/// The statuses that a caller may see whose request reached no bug.
const STATUSES: [u16; 16] = [100, 200, 400, 403, 404, 405, 408, 413, 414, 421, 422, 429, 431, 503, 504, 508];

/// Whether the first answer is one that a caller understands; where others follow, where it ends is not
/// known without the request.
fn is_http(answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let shown = String::from_utf8_lossy(answer);
    let status = shown.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
    assert!(status.is_some_and(|status| STATUSES.contains(&status)), "{shown}");
    let Some((head, body)) = shown.split_once("\r\n\r\n") else { panic!("a head without end: {shown}") };
    let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let is_whole = line("content-length: ").is_some_and(|length| length.parse() == Ok(body.len()));
    if !is_whole || body.is_empty() || answer.len() != shown.len() {
        return;
    }
    match line("content-type: ") {
        Some("application/problem+json") => {
            let problem: Problem = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {shown}"));
            let error = problem.into_error();
            assert!(!error.code().is_empty() && error.code() != "internal", "{shown}");
        }
        Some("application/json") => drop(serde_json::from_str::<serde_json::Value>(body).unwrap()),
        kind => panic!("{kind:?}: {shown}"),
    }
}
