//! One stream of the SDK, read ahead as far as its window goes, and written as far as that of the peer.
//!
//! It is read in a task of its own: what the peer grants comes behind items that nobody may want yet.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use macula_rust::frame::StreamEncoding;
use macula_rust::station_link::{LinkError, Stream, StreamEvent};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::window::Held;
use super::{WINDOW, Window, Word, cost};
use crate::capability::Item;
use crate::mesh::value::Value;

/// What came of a peer.
#[derive(Debug)]
pub(crate) enum Arrived {
    Item(Item),
    /// [`Word::Taken`], [`Word::Open`] or [`Word::Error`].
    Word(Word),
    /// The one reply to many requests.
    Reply(Value),
    /// There are no more items.
    End,
    /// The stream is over, and not as it should be.
    Failed(LinkError),
}

/// How what was taken is told to the peer.
pub(crate) enum Grants {
    /// Between the items that go there.
    InBand,
    /// By whoever watches: this side sends no items.
    Aside(watch::Sender<u64>),
    /// Not at all.
    None,
}

/// One side of a stream.
pub(crate) struct Side {
    pub(crate) stream: Stream,
    /// What may be sent to the peer.
    pub(crate) window: Arc<Window>,
    pub(crate) grants: Grants,
    /// Whether the peer keeps windows; a caller learns it with the first word.
    pub(crate) is_ours: bool,
    /// Whether the stream is over when nobody wants what comes.
    pub(crate) is_left: bool,
}

/// What came of a peer, in order. An end is the last of it.
pub(crate) struct Arrivals {
    queue: mpsc::UnboundedReceiver<(Arrived, u64)>,
    held: Arc<Held>,
}

/// Reads a stream from now on. What waits is bounded by the window, and of a peer that keeps none it is one
/// item: the others wait in the SDK.
pub(crate) fn arrivals(side: Side) -> Arrivals {
    let (sender, queue) = mpsc::unbounded_channel();
    let held = Arc::new(Held::new());
    let reading = Reading { side, held: Arc::clone(&held), sender, told: 0, is_full: false, said: Said::Nothing };
    tokio::spawn(reading.run());
    Arrivals { queue, held }
}

impl Arrivals {
    /// What comes next; a failure once nothing will.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Arrived> {
        let arrived = ready!(self.queue.poll_recv(context));
        Poll::Ready(arrived.map_or(Arrived::Failed(LinkError::EndOfStream), |(arrived, cost)| {
            self.held.took(cost);
            arrived
        }))
    }

    pub(crate) async fn next(&mut self) -> Arrived {
        std::future::poll_fn(|context| self.poll(context)).await
    }
}

struct Reading {
    side: Side,
    held: Arc<Held>,
    sender: mpsc::UnboundedSender<(Arrived, u64)>,
    /// What the peer knows to be taken.
    told: u64,
    /// Whether as much waits as may.
    is_full: bool,
    said: Said,
}

/// The last of the words that come once, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Nothing,
    Taken,
    Open,
    End,
}

impl Reading {
    async fn run(mut self) {
        loop {
            let most = self.most();
            tokio::select! {
                biased;
                total = self.held.to_tell(self.told), if self.tells() => {
                    self.told = total;
                    self.tell(total).await;
                }
                () = self.sender.closed(), if self.side.is_left => {
                    // Whoever produces is to stop.
                    let _ = self.side.stream.abort("left", "the caller left").await;
                    return;
                }
                () = self.held.below(most), if self.is_full => self.is_full = false,
                event = self.side.stream.recv(), if !self.is_full => {
                    if !self.came(event) {
                        return;
                    }
                }
            }
        }
    }

    fn most(&self) -> u64 {
        if self.side.is_ours { WINDOW } else { 1 }
    }

    fn tells(&self) -> bool {
        self.side.is_ours && !matches!(self.side.grants, Grants::None)
    }

    async fn tell(&self, total: u64) {
        match &self.side.grants {
            // A stream that is over tells so to whoever reads it.
            Grants::InBand => drop(self.side.stream.send_value(Word::Credit(total).value()).await),
            Grants::Aside(told) => drop(told.send(total)),
            Grants::None => {}
        }
    }

    /// Says whether there may be more.
    fn came(&mut self, event: Result<StreamEvent, LinkError>) -> bool {
        match event {
            Ok(StreamEvent::Data { encoding: StreamEncoding::Msgpack, body }) => match Word::or_item(body) {
                Err(item) => self.item(Item::Value(item)),
                Ok(Word::Credit(total)) => self.side.window.taken(total),
                Ok(Word::Other) => {}
                Ok(Word::Taken) => self.once(Said::Taken, Arrived::Word(Word::Taken)),
                Ok(Word::Open) => self.once(Said::Open, Arrived::Word(Word::Open)),
                Ok(Word::End) => self.once(Said::End, Arrived::End),
                Ok(word @ Word::Error(_)) => {
                    self.put(Arrived::Word(word), 0);
                    return false;
                }
            },
            Ok(StreamEvent::Data { encoding: StreamEncoding::Raw, body }) => match body {
                // What is no map is JSON, or nothing that a handler reads.
                Value::Bytes(bytes) => self.item(Item::Json(bytes.into())),
                other => self.item(Item::Value(other)),
            },
            Ok(StreamEvent::Reply { mut payload }) => {
                let arrived = match Word::of(&mut payload) {
                    Some(word @ Word::Error(_)) => Arrived::Word(word),
                    _ => Arrived::Reply(payload),
                };
                self.put(arrived, 0);
                return false;
            }
            Ok(StreamEvent::End { .. }) => {
                // Nothing can be granted after it.
                self.side.window.lift();
                self.once(Said::End, Arrived::End);
            }
            Err(error) => {
                self.put(Arrived::Failed(error), 0);
                return false;
            }
        }
        true
    }

    /// A word that tells what the peer is.
    fn once(&mut self, said: Said, arrived: Arrived) {
        self.side.is_ours |= matches!(arrived, Arrived::Word(_));
        if self.said < said {
            self.said = said;
            self.put(arrived, 0);
        }
    }

    fn item(&mut self, item: Item) {
        let cost = cost(item.size());
        // A peer that keeps its window is never waited for: its words come behind its items.
        self.is_full = !self.side.is_ours || self.held.waiting() >= WINDOW;
        self.held.came(cost);
        self.put(Arrived::Item(item), cost);
    }

    fn put(&self, arrived: Arrived, cost: u64) {
        if self.sender.send((arrived, cost)).is_err() {
            // Nobody wants it: that is as good as taken.
            self.held.took(cost);
        }
    }
}

/// Sends an item when the peer has room for it; `None` when the stream was over first, or nothing moved for
/// so long.
pub(crate) async fn send(
    stream: &Stream,
    window: &Window,
    item: Value,
    size: usize,
    patience: Option<Duration>,
) -> Option<()> {
    window.spend(cost(size));
    let sending = stream.send_value(item);
    match patience {
        None => sending.await.ok(),
        Some(patience) => timeout(patience, sending).await.ok()?.ok(),
    }
}
