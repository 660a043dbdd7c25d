//! What the callers of streams of replies grant: such a caller sends nothing on its stream, so it grants on
//! another one, of a procedure of the provider's that is for nothing else.
//!
//! That is opened by who takes more than half a window, once for each stream. A call for each grant would
//! fill what the SDK remembers of calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use macula_rust::cbor::Value;
use macula_rust::frame::StreamMode;
use macula_rust::pool::StreamCall;
use macula_rust::station_link::{self, Confidentiality, Stream, StreamEvent, StreamHandler};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Window, Word};
use crate::mesh::link::Links;
use crate::mesh::metadata::{self, StreamName};
use crate::node_id::NodeId;

/// How long a grant rests that did not go out.
const REST: Duration = Duration::from_millis(250);

/// The streams of replies that run, by who reads them and what it calls them.
#[derive(Default)]
pub(crate) struct Credits {
    windows: Mutex<HashMap<(NodeId, StreamName), Arc<Window>>>,
}

/// A stream that is granted to, as long as it runs.
pub(crate) struct Entered {
    credits: Arc<Credits>,
    name: (NodeId, StreamName),
}

impl Credits {
    /// Lets `caller` grant to a window; nothing when it has another stream of that name.
    pub(super) fn enter(self: &Arc<Self>, caller: NodeId, name: StreamName, window: &Arc<Window>) -> Option<Entered> {
        let name = (caller, name);
        let mut windows = self.lock();
        if windows.contains_key(&name) {
            return None;
        }
        windows.insert(name, Arc::clone(window));
        Some(Entered { credits: Arc::clone(self), name })
    }

    /// What the SDK calls for each stream of grants.
    pub(crate) fn handler(self: &Arc<Self>) -> StreamHandler {
        let credits = Arc::clone(self);
        station_link::stream_handler(move |stream| {
            let credits = Arc::clone(&credits);
            async move { credits.follow(&stream).await }
        })
    }

    async fn follow(&self, stream: &Stream) -> Result<(), String> {
        let opened = stream.request();
        let name = metadata::stream_of(&opened.payload).ok_or("it names no stream")?;
        let window = self.lock().get(&(NodeId::from_bytes(opened.caller), name)).cloned();
        let window = window.ok_or("there is no such stream of this caller")?;
        loop {
            let event = tokio::select! {
                event = stream.recv() => event,
                () = window.closed() => return Ok(()),
            };
            match event {
                Ok(StreamEvent::Data { mut body, .. }) => {
                    if let Some(Word::Credit(total)) = Word::of(&mut body) {
                        window.taken(total);
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(NodeId, StreamName), Arc<Window>>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(window) = self.credits.lock().remove(&self.name) {
            window.close();
        }
    }
}

/// Whom a caller grants to.
pub(crate) struct Granting {
    pub(crate) links: Arc<Links>,
    pub(crate) provider: NodeId,
    /// The procedure that is for grants, at that provider.
    pub(crate) procedure: String,
    pub(crate) name: StreamName,
}

impl Granting {
    /// Tells what was taken, as it grows, for as long as somebody tells it here.
    pub(crate) async fn run(self, mut taken: watch::Receiver<u64>) {
        let mut told = None;
        while taken.changed().await.is_ok() {
            loop {
                let total = *taken.borrow_and_update();
                if self.tell(&mut told, total).await {
                    break;
                }
                told = None;
                sleep(REST).await;
                if taken.has_changed().is_err() {
                    return;
                }
            }
        }
        if let Some(stream) = told {
            let _ = Stream::close(&stream).await;
        }
    }

    async fn tell(&self, told: &mut Option<Stream>, total: u64) -> bool {
        if told.is_none() {
            *told = self.open().await;
        }
        match told {
            Some(stream) => stream.send_value(Word::Credit(total).value()).await.is_ok(),
            None => false,
        }
    }

    async fn open(&self) -> Option<Stream> {
        let (pool, realm) = self.links.linked().ok()?;
        let call = StreamCall {
            realm: realm.id,
            procedure: self.procedure.clone(),
            provider: *self.provider.as_bytes(),
            mode: StreamMode::ClientStream,
            payload: metadata::word("stream", Value::Bytes(self.name.to_vec())),
            confidential: Confidentiality::Preferred,
            ..StreamCall::default()
        };
        pool.open_stream(call).await.inspect_err(|error| tracing::debug!(%error, "a stream is not granted to")).ok()
    }
}
