//! A client that sends what no well-behaved one does.

use std::sync::Arc;

use macula_rust::cbor::{self, Value};
use macula_rust::frame;
use macula_rust::handshake::{self, ClientSession, Ranges, VERSION};
use macula_rust::node_key::NodeKey;
use macula_rust::profile::Profile;
use macula_rust::statement_issuer::StatementIssuer;
use macula_rust::transport::{self, Dialed, Target};
use quinn::{RecvStream, SendStream};

use crate::kit::soon;
use hecate_om_station::Station;

/// A control stream whose frames a test writes itself.
pub(crate) struct Raw {
    pub(crate) dialed: Dialed,
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
}

impl Raw {
    pub(crate) async fn link(station: &Station, key: &Arc<NodeKey>) -> Self {
        let (host, port) = ("127.0.0.1".to_owned(), station.address().port());
        let target = Target { host, port, profile: Profile::PqPure, expected_node_id: station.node_id() };
        let dialed = transport::dial_target(&target).await.unwrap();
        let (send, recv) = dialed.connection.open_bi().await.unwrap();
        let mut raw = Self { dialed, send, recv };
        let ranges = Ranges::supported(Profile::PqPure);
        raw.write(&handshake::opener(&ranges)).await;
        let challenge = raw.read().await;
        let material = StatementIssuer::with_wall_clock(key.clone()).unwrap().connect_material().unwrap();
        let exporter = raw.dialed.connection.clone();
        let session = ClientSession {
            profile: Profile::PqPure,
            expected_node_id: station.node_id(),
            leaf: &raw.dialed.leaf,
            identity_key: key.public_key(),
            connect_key: &material.key,
            connect_binding: &material.binding,
            connect_status: &material.status,
            capabilities: 0,
            now_ms: i64::try_from(now_ms()).unwrap(),
            member_endorsement: Vec::new(),
            ranges,
            floor: &|_| VERSION,
            export: &move |label: &str, context: &[u8], length: usize| {
                let mut material = vec![0; length];
                exporter.export_keying_material(&mut material, label.as_bytes(), context).ok()?;
                Some(material)
            },
        };
        let (connect, known) = handshake::answer_challenge(&challenge, &session).unwrap();
        raw.write(&connect).await;
        let hello = raw.read().await;
        handshake::read_hello(&hello, &known).unwrap();
        raw
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.write(&cbor::encode(frame).unwrap()).await;
    }

    pub(crate) async fn write(&mut self, body: &[u8]) {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        self.send.write_all(&[&length, body].concat()).await.unwrap();
    }

    async fn read(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        soon(self.recv.read_exact(&mut length)).await.unwrap();
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        soon(self.recv.read_exact(&mut body)).await.unwrap();
        body
    }

    /// The next frame.
    pub(crate) async fn received(&mut self) -> Value {
        cbor::decode(&self.read().await).unwrap()
    }

    /// Whether the next frame answers a liveness probe with this nonce.
    pub(crate) async fn pong(&mut self) -> Option<[u8; 16]> {
        frame::liveness_nonce(&self.received().await).map(|(_, nonce)| nonce)
    }

    /// The kind of the next frame, an acknowledgement, and why it refuses, if it does.
    pub(crate) async fn ack(&mut self) -> (frame::RegisterKind, Option<String>) {
        let received = self.received().await;
        let ack = frame::read_register_ack(&received).unwrap().unwrap();
        (ack.kind, ack.refusal)
    }
}

pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
