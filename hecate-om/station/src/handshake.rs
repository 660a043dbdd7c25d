//! How a station and a client make sure of each other.
//!
//! Who is refused can read why: the refusal is written, the stream ended, and the connection closed only after
//! the client had the time to read it.

use std::sync::Arc;
use std::time::Duration;

use macula_rust::cbor::{self, Value};
use macula_rust::handshake::{
    self, CAP_RELAY_OVERLOADED, CAP_STATION, Client, HandshakeError, PuzzleMode, Ranges, RefusalCode, StationMaterial,
    StationSession, VERSION,
};
use macula_rust::profile::Profile;
use quinn::{RecvStream, SendStream, WriteError};
use thiserror::Error;
use tokio::time::timeout;

use crate::clock;
use crate::connection::FAREWELL;
use crate::core::Core;
use crate::leaf::Leaf;
use crate::wire::{Frame, HANDSHAKE_BYTES, NoFrame, entry};

/// How long a handshake may take in all.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// A client that was let in, and the control stream with it.
pub(crate) struct Greeted {
    pub(crate) client: Client,
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
    pub(crate) leaf: Arc<Leaf>,
    pub(crate) profile: Profile,
}

/// Why a client was not let in.
#[derive(Debug, Error)]
pub(crate) enum NotGreeted {
    #[error(transparent)]
    Refused(#[from] HandshakeError),
    #[error("the client left")]
    Left(#[from] quinn::ConnectionError),
    #[error("the client sent no frame of the handshake")]
    NoFrame(#[from] NoFrame),
    #[error("the client did not take a frame of the handshake")]
    NotTaken(#[from] WriteError),
}

/// The station's side of the handshake, on the first stream that the client opens.
pub(crate) async fn greet(core: &Core, quic: &quinn::Connection, leaf: Arc<Leaf>) -> Result<Greeted, NotGreeted> {
    let (mut send, mut recv) = quic.accept_bi().await?;
    core.faults.thawed().await;
    let key = &core.keys.node;
    let ranges = Ranges::supported(core.profile);
    let opener = Frame::read(&mut recv, HANDSHAKE_BYTES).await?;
    let (negotiated, hello) = handshake::read_opener(opener.body(), &ranges);
    let negotiated = match (negotiated, hello) {
        (Ok(negotiated), _) => negotiated,
        (Err(refused), hello) => return Err(refuse(send, hello, refused).await),
    };
    let now = clock::now_ms();
    let material = StationMaterial {
        profile: core.profile,
        identity_key: key.public_key(),
        tls_binding: leaf.binding.clone(),
        tls_status: leaf.statement(key, now).map_err(HandshakeError::from)?,
    };
    let challenge = handshake::challenge(&material, &negotiated, &ranges)?;
    send.write_all(Frame::around(&challenge).bytes()).await?;
    let connect = Frame::read(&mut recv, HANDSHAKE_BYTES).await?;
    let (exporter, signer) = (quic.clone(), key.clone());
    let session = StationSession {
        profile: core.profile,
        negotiated,
        challenge,
        leaf: leaf.der.clone(),
        puzzle_difficulty: core.puzzle_difficulty,
        puzzle_mode: PuzzleMode::Enforce,
        capabilities: CAP_STATION | CAP_RELAY_OVERLOADED,
        now_ms: clock::signed(clock::now_ms()),
        // There is one version only; nothing could fall below it.
        floor: Arc::new(|_| VERSION),
        export: Arc::new(move |label, context, length| {
            let mut material = vec![0; length];
            exporter.export_keying_material(&mut material, label.as_bytes(), context).ok()?;
            Some(material)
        }),
        sign_session_proof: Arc::new(move |_, message| signer.sign(message).map_err(HandshakeError::Key)),
    };
    match handshake::accept_connect(connect.body(), &session) {
        (Ok(client), hello) => {
            send.write_all(Frame::around(&hello).bytes()).await?;
            Ok(Greeted { client, send, recv, leaf, profile: core.profile })
        }
        (Err(refused), hello) => Err(refuse(send, Some(hello), refused).await),
    }
}

/// Tells a client, in the place of a challenge, that it is not let in.
pub(crate) async fn turn_away(core: &Core, quic: &quinn::Connection, code: RefusalCode) {
    let turning = async {
        let (mut send, mut recv) = quic.accept_bi().await.ok()?;
        let _opener = Frame::read(&mut recv, HANDSHAKE_BYTES).await.ok()?;
        let hello = cbor::encode(&early_hello(core.profile, code)).ok()?;
        deliver(&mut send, &hello).await;
        Some(())
    };
    let _ = timeout(FAREWELL, turning).await;
}

/// What the SDK builds only where versions or profiles differ.
fn early_hello(profile: Profile, code: RefusalCode) -> Value {
    let ranges = Ranges::supported(profile);
    let versions = [ranges.min_version, ranges.max_version].map(|version| Value::Int(version.into()));
    Value::Map(vec![
        entry("version", Value::Int(VERSION.into())),
        entry("frame_type", Value::text("hello")),
        entry("accepted", Value::Int(0)),
        entry("refusal_code", Value::text(code.name())),
        entry("versions", Value::List(versions.to_vec())),
        entry("profiles", Value::List(ranges.profiles.into_iter().map(Value::text).collect())),
    ])
}

/// Says that the client is refused, and leaves it the time to read so.
async fn refuse(mut send: SendStream, hello: Option<Vec<u8>>, refused: HandshakeError) -> NotGreeted {
    if let Some(hello) = hello {
        let _ = timeout(FAREWELL, deliver(&mut send, &hello)).await;
    }
    refused.into()
}

/// Writes a last frame and waits until it was read.
async fn deliver(send: &mut SendStream, hello: &[u8]) {
    if send.write_all(Frame::around(hello).bytes()).await.is_ok() && send.finish().is_ok() {
        let _ = send.stopped().await;
    }
}
