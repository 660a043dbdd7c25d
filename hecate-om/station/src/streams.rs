//! Streams of their own: handed to the provider that their first frame names, then bytes both ways.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use macula_rust::cbor;
use macula_rust::frame::{self, QUIC_CODE_UNKNOWN_FRAME_TYPE, RelayErrorType, VerifiedRequest};
use quinn::{ReadError, RecvStream, SendStream, StoppedError, VarInt, WriteError};
use tokio::time::timeout;

use crate::calls;
use crate::connection::Connection;
use crate::core::Core;
use crate::counts::{Refusal, add};
use crate::wire::{Frame, OPEN_BYTES};

/// How long the first frame may take, and how long a provider may, to have room for a stream.
const FIRST_FRAME: Duration = Duration::from_secs(10);
const ROOM: Duration = Duration::from_secs(5);
/// What is read at once.
const CHUNK: usize = 64 << 10;

const NO_CODE: VarInt = VarInt::from_u32(0);
/// A first frame that did not decode.
const MALFORMED: VarInt = VarInt::from_u32(3);

/// Takes the streams that a client opens, until its connection ends.
pub(crate) async fn accept(core: Arc<Core>, connection: Arc<Connection>) {
    while let Ok((mut send, mut recv)) = connection.quic().accept_bi().await {
        core.faults.thawed().await;
        let Some(leave) = connection.stream() else {
            core.counters.refuse(Refusal::TooManyStreams);
            let _ = send.reset(NO_CODE);
            let _ = recv.stop(NO_CODE);
            continue;
        };
        let (core, connection) = (core.clone(), connection.clone());
        tokio::spawn(async move {
            relay(&core, &connection, send, recv).await;
            drop(leave);
        });
    }
}

async fn relay(core: &Arc<Core>, caller: &Arc<Connection>, mut send: SendStream, mut recv: RecvStream) {
    let opened = match timeout(FIRST_FRAME, Frame::read(&mut recv, OPEN_BYTES)).await {
        Ok(Ok(frame)) => open(core, caller, &frame).map(|request| (frame, request)),
        _ => Err((Refusal::MalformedFrame, MALFORMED)),
    };
    let (frame, request) = match opened {
        Ok(opened) => opened,
        Err((refusal, code)) => {
            core.counters.refuse(refusal);
            let _ = send.reset(code);
            let _ = recv.stop(code);
            return;
        }
    };
    let name = (request.realm, request.procedure.clone());
    let Some(provider) = core.nodes.provider(&request.target, &name) else {
        return refuse(core, request, "unknown_next_peer", send, recv).await;
    };
    // A provider takes so many streams at once, and the next one when one of them ends.
    let Ok(Ok((mut to_provider, from_provider))) = timeout(ROOM, provider.quic().open_bi()).await else {
        core.counters.refuse(Refusal::TooManyStreams);
        return refuse(core, request, caller.overloaded(), send, recv).await;
    };
    add(&core.counters.relayed_streams);
    let _counted = Counted::new(core);
    if to_provider.write_chunk(frame.bytes().clone()).await.is_err() {
        let _ = send.reset(NO_CODE);
        let _ = recv.stop(NO_CODE);
        return;
    }
    tokio::join!(pipe(core, recv, to_provider), pipe(core, from_provider, send));
}

/// What a stream's first frame asks, or the code that it is aborted with.
fn open(core: &Core, caller: &Connection, frame: &Frame) -> Result<VerifiedRequest, (Refusal, VarInt)> {
    let malformed = (Refusal::MalformedFrame, MALFORMED);
    let value = cbor::decode(frame.body()).map_err(|_| malformed)?;
    let envelope = frame::read_envelope(&value).map_err(|_| malformed)?;
    if frame::unknown_frame_type(&envelope, &["stream_open"]).is_some() {
        return Err((Refusal::UnknownFrame, VarInt::from_u32(QUIC_CODE_UNKNOWN_FRAME_TYPE)));
    }
    let request =
        frame::verify_request(&envelope.frame, core.profile).map_err(|_| (Refusal::InvalidSignature, MALFORMED))?;
    match request.caller == *caller.node() {
        true => Ok(request),
        false => Err((Refusal::NotItsOwn, MALFORMED)),
    }
}

/// Tells a caller, on its stream, that it leads nowhere.
async fn refuse(core: &Core, request: VerifiedRequest, code: &str, mut send: SendStream, mut recv: RecvStream) {
    let error = calls::relay_error(core, RelayErrorType::StreamError, request, code);
    if let Some(Ok(error)) = error.map(|error| Frame::of(&error))
        && send.write_chunk(error.bytes().clone()).await.is_ok()
    {
        let _ = send.finish();
    }
    let _ = recv.stop(NO_CODE);
}

/// Hands on what comes, and how it ends: an end as an end, a reset as a reset, and to who sends that nobody reads.
async fn pipe(core: &Core, mut from: RecvStream, mut to: SendStream) {
    loop {
        core.faults.thawed().await;
        let read = tokio::select! {
            read = from.read_chunk(CHUNK, true) => read,
            stopped = to.stopped() => return stop(&mut from, stopped.ok().flatten()),
        };
        match read {
            Ok(Some(chunk)) => {
                let written = tokio::select! {
                    written = to.write_chunk(chunk.bytes) => written,
                    // Who reads too slowly learns of it nevertheless.
                    Ok(Some(code)) = from.received_reset() => return drop(to.reset(code)),
                };
                match written {
                    Ok(()) => {}
                    Err(WriteError::Stopped(code)) => return stop(&mut from, Some(code)),
                    Err(_) => return stop(&mut from, None),
                }
            }
            Ok(None) => {
                let _ = to.finish();
                // Until it has arrived: an end that is still on its way is taken back with the stream.
                let _: Result<_, StoppedError> = to.stopped().await;
                return;
            }
            Err(ReadError::Reset(code)) => return drop(to.reset(code)),
            Err(_) => return drop(to.reset(NO_CODE)),
        }
    }
}

fn stop(from: &mut RecvStream, code: Option<VarInt>) {
    // It may have ended already.
    let _ = from.stop(code.unwrap_or(NO_CODE));
}

/// A stream that is relayed now.
struct Counted<'a>(&'a Core);

impl<'a> Counted<'a> {
    fn new(core: &'a Core) -> Self {
        add(&core.counters.streams);
        Self(core)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.counters.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
