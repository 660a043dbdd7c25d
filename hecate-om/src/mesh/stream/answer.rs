//! Streams that callers of the mesh open, brought to where all calls are answered.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use macula_rust::station_link::{self, LinkError, Stream, StreamHandler};
use tokio::time::timeout;

use super::{Arrivals, Arrived, Grants, Side, Window, Word, arrivals, send};
use crate::capability::trace::CallerTrace;
use crate::capability::{CapabilityError, Encoding, FromPoll, Incoming, Input, Item, Items, Kind, Output};
use crate::dispatch::Origin;
use crate::guard::warrant::Warrant;
use crate::mesh::access::Upheld;
use crate::mesh::metadata::{self, Metadata};
use crate::mesh::serve::Answering;
use crate::mesh::value::{self, cut};
use crate::node_id::NodeId;

/// What the SDK lets an error of a stream have.
const MAX_CODE: usize = 64;
const MAX_TEXT: usize = 256;

impl Answering {
    /// What the SDK calls for each stream that is opened of one capability. It has checked the signature and,
    /// where there is a policy, the token.
    ///
    /// The stream is answered in a task of its own: the SDK drops its own when the caller ends the stream.
    pub(crate) fn streams(&self, slot: usize, upheld: Upheld) -> StreamHandler {
        let answering = self.clone();
        station_link::stream_handler(move |stream| {
            let answered = answering.begin(slot, upheld, stream);
            let answered = answering.workers.spawn(answered);
            async move { answered.await.map_err(|error| metadata::text(&CapabilityError::internal(error))) }
        })
    }

    /// On the threads of the links, where the stream is read.
    fn begin(&self, slot: usize, upheld: Upheld, stream: Stream) -> impl Future<Output = ()> + use<> {
        let opened = stream.request();
        let caller = NodeId::from_bytes(opened.caller);
        let mut payload = opened.payload.clone();
        let (metadata, is_ours) = match Metadata::take(&mut payload) {
            None => (Ok(Metadata::default()), false),
            Some(metadata) => (metadata.map_err(|error| error.of_request()), true),
        };
        let info = self.dispatch.info(slot);
        let window = Arc::new(if is_ours { Window::kept() } else { Window::open() });
        let input = if info.kind.takes_stream() {
            let side = Side {
                stream: stream.clone(),
                window: Arc::clone(&window),
                grants: if is_ours { Grants::InBand } else { Grants::None },
                is_ours,
                is_left: false,
            };
            Input::Items(Incoming { encoding: Encoding::Value, items: requests(arrivals(side)) })
        } else {
            Input::Value(payload)
        };
        let answering = self.clone();
        async move {
            let mut talk = Talk { stream, window, is_ours, kind: info.kind, patience: info.timeout };
            let answered = match metadata {
                Ok(metadata) => answering.answer_stream(slot, upheld, caller, metadata, input, &mut talk).await,
                Err(error) => Err(error),
            };
            if let Err(error) = answered {
                talk.refuse(&error).await;
            }
        }
    }

    async fn answer_stream(
        self,
        slot: usize,
        upheld: Upheld,
        caller: NodeId,
        metadata: Metadata,
        input: Input,
        talk: &mut Talk,
    ) -> Result<(), CapabilityError> {
        let time_left = metadata.deadline_ms.map(Duration::from_millis);
        talk.patience = time_left.map_or(talk.patience, |left| left.min(talk.patience));
        let entered = match (talk.is_ours && talk.kind == Kind::ServerStream, metadata.stream) {
            (true, Some(name)) => Some(self.credits.enter(caller, name, &talk.window).ok_or_else(|| {
                CapabilityError::invalid_request("`_hecate.stream` names another stream of this caller")
            })?),
            // Who grants nothing gets what the SDK lets through.
            (true, None) => {
                talk.window.lift();
                None
            }
            (false, _) => None,
        };
        let warrant = Warrant::Mesh { node: Box::new(caller), upheld };
        let origin = Origin { warrant, hops: metadata.hops, time_left };
        let trace = metadata.traceparent.as_deref().and_then(CallerTrace::of_text);
        let answer = self.dispatch.admit(slot, origin, trace)?.answer(input)?;
        if talk.is_ours && talk.kind.takes_stream() {
            talk.say(Word::Taken).await;
        }
        let output = tokio::select! {
            biased;
            output = answer => output?,
            // A handler that runs goes on.
            _ = talk.stream.done() => return Ok(()),
        };
        match output {
            Output::Value(reply) => drop(talk.stream.reply(reply).await),
            Output::Items(items) => talk.tell(items).await?,
            Output::Json(_) => return Err(CapabilityError::internal("a call in values was answered in another form")),
        }
        drop(entered);
        Ok(())
    }
}

/// The requests of a caller, as a handler takes them.
fn requests(mut arrivals: Arrivals) -> Items {
    let next = move |context: &mut Context<'_>| {
        loop {
            return Poll::Ready(match ready!(arrivals.poll(context)) {
                Arrived::Item(item) => Some(Ok(item)),
                // It is said by a caller, to whom it means nothing.
                Arrived::Word(_) => continue,
                Arrived::End => None,
                Arrived::Reply(_) | Arrived::Failed(_) => {
                    Some(Err(CapabilityError::invalid_request("the caller left before its last request")))
                }
            });
        }
    };
    Box::pin(FromPoll(next))
}

/// What is said to one caller.
struct Talk {
    stream: Stream,
    window: Arc<Window>,
    is_ours: bool,
    kind: Kind,
    patience: Duration,
}

impl Talk {
    async fn say(&self, word: Word) {
        // A stream that is over tells so to whoever waits for it.
        let _ = timeout(self.patience, self.stream.send_value(word.value())).await;
    }

    /// Sends the items of a handler, each when the caller has room for it.
    async fn tell(&self, mut items: Items) -> Result<(), CapabilityError> {
        if self.is_ours {
            self.say(Word::Open).await;
        }
        loop {
            // Dropped with its items, a stream that is over stops their producer.
            let next = async {
                // A caller that does not read has ended the stream by then, which the next item tells.
                let _ = timeout(self.patience, self.window.room()).await;
                poll_fn(|context| items.as_mut().poll_next(context)).await
            };
            let item = tokio::select! {
                item = next => item,
                _ = self.stream.done() => return Ok(()),
            };
            let Some(item) = item.transpose()? else { break };
            let Item::Value(value) = item else {
                return Err(CapabilityError::internal("a call in values was answered in another form"));
            };
            let size = value::size(&value);
            if send(&self.stream, &self.window, value, size, Some(self.patience)).await.is_none() {
                let _ = self.stream.abort("timeout", "the items of the stream were not taken in time").await;
                return Ok(());
            }
        }
        let _: Result<(), LinkError> = self.stream.close().await;
        Ok(())
    }

    /// Ends the stream with an error, as its caller understands it.
    async fn refuse(&self, error: &CapabilityError) {
        let value = || metadata::refusal(error);
        if !self.is_ours {
            let code = cut(error.code(), MAX_CODE);
            let _ = self.stream.abort(code, cut(error.message(), MAX_TEXT)).await;
        } else if self.kind.gives_stream() {
            let _ = timeout(self.patience, self.stream.send_value(value())).await;
            let _ = self.stream.close().await;
        } else {
            let _ = self.stream.reply(value()).await;
        }
    }
}
