//! One client's connection: what waits to be written to it, who writes and who reads.

use std::sync::Arc;
use std::time::Duration;

use macula_rust::cbor;
use macula_rust::frame::{self, FrameError, Liveness};
use macula_rust::handshake::{self, Peer};
use quinn::{RecvStream, SendStream, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, interval_at, timeout};

use crate::core::Core;
use crate::counts::Refusal;
use crate::handshake::Greeted;
use crate::leaf::{Leaf, RESTATED};
use crate::queue::{Queue, Queued};
use crate::wire::{Frame, Id};
use crate::{Limits, calls, clock, publications, registrations};

/// How long a client has to read the goodbye that is said to it.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// What a station reads of its clients; anything else is read past.
const KNOWN: &[&str] = &[
    "status",
    "liveness_ping",
    "liveness_pong",
    "advertise",
    "unadvertise",
    "subscribe",
    "unsubscribe",
    "publish",
    "call",
    "result",
    "error",
    "goodbye",
];

/// A connection, for who has something for its client.
pub(crate) struct Connection {
    node: Id,
    quic: quinn::Connection,
    takes_overloaded: bool,
    queue: Queue,
    /// The calls of this client that are being checked, and the streams that are relayed for it.
    checks: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    farewell: watch::Sender<Option<&'static str>>,
}

/// What only the two tasks of a connection have.
pub(crate) struct Ends {
    queue: mpsc::Receiver<Queued>,
    farewell: watch::Receiver<Option<&'static str>>,
    send: SendStream,
    recv: RecvStream,
    leaf: Arc<Leaf>,
    peer: Peer,
}

impl Connection {
    pub(crate) fn new(quic: quinn::Connection, greeted: Greeted, limits: &Limits) -> (Arc<Self>, Ends) {
        let Greeted { client, send, recv, leaf, profile } = greeted;
        let (queue, queued) = Queue::new(limits);
        let (farewell, said) = watch::channel(None);
        let connection = Arc::new(Self {
            node: client.node_id,
            quic,
            takes_overloaded: client.capabilities & handshake::CAP_RELAY_OVERLOADED != 0,
            queue,
            checks: Arc::new(Semaphore::new(limits.checks.max(1))),
            streams: Arc::new(Semaphore::new(limits.streams)),
            farewell,
        });
        let peer = Peer { profile, identity_key: client.identity_key, binding: client.connect_binding, now_ms: 0 };
        (connection, Ends { queue: queued, farewell: said, send, recv, leaf, peer })
    }

    /// The node that is connected.
    pub(crate) fn node(&self) -> &Id {
        &self.node
    }

    pub(crate) fn quic(&self) -> &quinn::Connection {
        &self.quic
    }

    /// What tells the client that a call or stream went nowhere because there is too much of them.
    pub(crate) fn overloaded(&self) -> &'static str {
        if self.takes_overloaded { "overloaded" } else { "unknown_next_peer" }
    }

    /// Queues a frame of another node, without waiting; false if the client does not read fast enough.
    pub(crate) fn hand_over(&self, frame: &Frame) -> bool {
        self.queue.try_add(frame)
    }

    /// Queues the station's own answer, behind what is queued already.
    pub(crate) async fn answer(&self, frame: &Frame) {
        self.queue.add(frame).await;
    }

    /// Leave to check one more call; waits while there are too many.
    pub(crate) async fn check(&self) -> Option<OwnedSemaphorePermit> {
        self.checks.clone().acquire_owned().await.ok()
    }

    /// Leave to relay one more stream.
    pub(crate) fn stream(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.clone().try_acquire_owned().ok()
    }

    /// Ends the connection at once.
    pub(crate) fn end(&self, reason: &str) {
        self.quic.close(VarInt::from_u32(0), reason.as_bytes());
    }

    /// Ends the connection with a goodbye, after what is being written.
    pub(crate) async fn say_goodbye(&self, reason: &'static str) {
        self.farewell.send_replace(Some(reason));
        let _ = timeout(FAREWELL, self.quic.closed()).await;
        self.end(reason);
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(core: &Arc<Core>, connection: &Arc<Connection>, ends: Ends) {
    let Ends { queue, farewell, send, recv, leaf, peer } = ends;
    let writing = tokio::spawn(write(core.clone(), connection.clone(), queue, farewell, send, leaf));
    let reading = read(core, connection, recv, peer);
    tokio::select! {
        reason = reading => connection.end(reason),
        // Whatever ends it: what a frozen station holds up is let go, too.
        _ = connection.quic.closed() => {}
    }
    writing.abort();
}

/// Writes what is queued, and every quarter of an hour that the station's certificate is in force.
async fn write(
    core: Arc<Core>,
    connection: Arc<Connection>,
    mut queue: mpsc::Receiver<Queued>,
    mut farewell: watch::Receiver<Option<&'static str>>,
    mut send: SendStream,
    leaf: Arc<Leaf>,
) {
    let mut restated = interval_at(Instant::now() + RESTATED, RESTATED);
    loop {
        let written = tokio::select! {
            biased;
            reason = said(&mut farewell) => {
                say(&mut send, reason).await;
                return connection.end(reason);
            }
            Some(queued) = queue.recv() => {
                core.faults.thawed().await;
                send.write_all(&queued.bytes).await
            }
            _ = restated.tick() => match leaf.statement(&core.keys.node, clock::now_ms()) {
                Ok(statement) => send.write_all(Frame::around(&handshake::status_frame(&statement)).bytes()).await,
                Err(error) => {
                    tracing::warn!(%error, "the station cannot restate its binding");
                    Ok(())
                }
            },
        };
        if written.is_err() {
            return connection.end("the control stream failed");
        }
    }
}

/// The reason of the goodbye, once it is to be said.
async fn said(farewell: &mut watch::Receiver<Option<&'static str>>) -> &'static str {
    if farewell.wait_for(Option::is_some).await.is_err() {
        // The writer has the connection, and with it the other end.
        std::future::pending::<()>().await;
    }
    farewell.borrow().unwrap_or_default()
}

/// A goodbye, and the end of the stream, as far as the client reads it.
async fn say(send: &mut SendStream, reason: &str) {
    let Ok(goodbye) = frame::goodbye_frame(reason, None).and_then(|goodbye| Frame::of(&goodbye)) else { return };
    if send.write_all(goodbye.bytes()).await.is_ok() && send.finish().is_ok() {
        let _ = send.stopped().await;
    }
}

/// Reads what the client sends, and says why it ended.
async fn read(core: &Arc<Core>, connection: &Arc<Connection>, mut recv: RecvStream, mut peer: Peer) -> &'static str {
    loop {
        let Ok(frame) = Frame::read(&mut recv, frame::MAX_FRAME_BYTES).await else {
            return "the control stream ended";
        };
        core.faults.thawed().await;
        if let Err(reason) = receive(core, connection, frame, &mut peer).await {
            return reason;
        }
    }
}

async fn receive(
    core: &Arc<Core>,
    connection: &Arc<Connection>,
    received: Frame,
    peer: &mut Peer,
) -> Result<(), &'static str> {
    let malformed = |_| {
        core.counters.refuse(Refusal::MalformedFrame);
        "malformed_frame"
    };
    let value = cbor::decode(received.body()).map_err(|_| malformed(()))?;
    let envelope = match frame::read_envelope(&value) {
        Err(FrameError::ExtensionUnsupported(_)) => {
            core.counters.refuse(Refusal::UnknownFrame);
            return Ok(());
        }
        read => read.map_err(|_| malformed(()))?,
    };
    drop(value);
    if frame::unknown_frame_type(&envelope, KNOWN).is_some() {
        core.counters.refuse(Refusal::UnknownFrame);
        return Ok(());
    }
    if frame::is_control_frame(&envelope.frame_type) {
        frame::read_control(&envelope.frame).map_err(|_| malformed(()))?;
    }
    let value = envelope.frame;
    match envelope.frame_type.as_str() {
        "status" => {
            peer.now_ms = clock::signed(clock::now_ms());
            handshake::read_status_frame(&value, peer).map_err(|_| malformed(()))?;
        }
        "liveness_ping" => {
            // In order: a client takes a pong for word that what it sent before was read.
            if let Some((Liveness::Ping, nonce)) = frame::liveness_nonce(&value) {
                answer(connection, &frame::liveness_pong_frame(&nonce)).await;
            }
        }
        "advertise" => registrations::advertise(core, connection, &value).await,
        "unadvertise" => registrations::unadvertise(core, connection, &value).await,
        "subscribe" => registrations::subscribe(core, connection, &value).await,
        "unsubscribe" => registrations::unsubscribe(core, connection, &value).await,
        "publish" => publications::published(core, connection, &value),
        "call" => calls::called(core, connection, received, value).await,
        "result" | "error" => calls::replied(core, connection, received, &value),
        "goodbye" => return Err("goodbye"),
        _ => {}
    }
    Ok(())
}

/// Queues an answer that always fits.
pub(crate) async fn answer(connection: &Connection, value: &cbor::Value) {
    match Frame::of(value) {
        Ok(frame) => connection.answer(&frame).await,
        Err(error) => tracing::warn!(%error, "the station's answer cannot be sent"),
    }
}
