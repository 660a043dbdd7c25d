//! Frames as they travel, and the two that the SDK reads and does not build.

use bytes::Bytes;
use macula_rust::cbor::Value;
use macula_rust::frame::{self, FrameError, PROTOCOL_VERSION};
use quinn::{ReadExactError, RecvStream};
use thiserror::Error;

use crate::clock;

/// What names a node, a realm or a slot of the record store.
pub(crate) type Id = [u8; 32];

/// A procedure or topic of a realm.
pub(crate) type Name = (Id, String);

/// The longest frame of a handshake.
pub(crate) const HANDSHAKE_BYTES: usize = 64 << 10;
/// The longest frame that opens a stream.
pub(crate) const OPEN_BYTES: usize = 1 << 20;
/// The longest name of a procedure or topic.
pub(crate) const NAME_BYTES: usize = 512;

/// A frame with the four bytes that tell its length.
#[derive(Debug, Clone)]
pub(crate) struct Frame(Bytes);

/// Why there is no further frame.
#[derive(Debug, Error)]
pub(crate) enum NoFrame {
    #[error("a frame of {0} bytes is longer than may be sent here")]
    TooLong(usize),
    #[error(transparent)]
    Ended(#[from] ReadExactError),
}

impl Frame {
    /// The next one, of at most `most` bytes.
    pub(crate) async fn read(stream: &mut RecvStream, most: usize) -> Result<Self, NoFrame> {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes(head) as usize;
        if length > most {
            return Err(NoFrame::TooLong(length));
        }
        let mut bytes = vec![0; 4 + length];
        bytes[..4].copy_from_slice(&head);
        stream.read_exact(&mut bytes[4..]).await?;
        Ok(Self(bytes.into()))
    }

    pub(crate) fn of(value: &Value) -> Result<Self, FrameError> {
        Ok(Self(frame::encode(value)?.into()))
    }

    /// A frame whose CBOR is there already.
    pub(crate) fn around(body: &[u8]) -> Self {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        Self([&length.to_be_bytes(), body].concat().into())
    }

    /// Its CBOR.
    pub(crate) fn body(&self) -> &[u8] {
        &self.0[4..]
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

pub(crate) fn entry(name: &str, value: Value) -> (Value, Value) {
    (Value::text(name), value)
}

pub(crate) fn id_value(id: &Id) -> Value {
    Value::Bytes(id.to_vec())
}

/// The bytes of a field, where they are as many as `N`.
pub(crate) fn fixed<const N: usize>(value: Option<&Value>) -> Option<[u8; N]> {
    match value {
        Some(Value::Bytes(bytes)) => bytes.as_slice().try_into().ok(),
        _ => None,
    }
}

/// Which frame a station answers, and what that frame's own key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    Advertise { version: [u8; 16] },
    Unadvertise { version: [u8; 16] },
    Subscribe { subscriber: Id },
    Unsubscribe { subscriber: Id },
}

/// The station's answer to a registration: accepted, or why not.
pub(crate) fn register_ack((realm, name): &Name, what: Registered, refused: Option<&str>) -> Value {
    let (kind, own) = match what {
        Registered::Advertise { version } => ("advertise", entry("record_version", Value::Bytes(version.to_vec()))),
        Registered::Unadvertise { version } => ("unadvertise", entry("record_version", Value::Bytes(version.to_vec()))),
        Registered::Subscribe { subscriber } => ("subscribe", entry("subscriber", id_value(&subscriber))),
        Registered::Unsubscribe { subscriber } => ("unsubscribe", entry("subscriber", id_value(&subscriber))),
    };
    let mut fields = head("register_ack");
    fields.extend([
        entry("kind", Value::text(kind)),
        entry("realm", id_value(realm)),
        entry("name", Value::text(name)),
        own,
        entry("accepted", Value::Int(refused.is_none().into())),
    ]);
    fields.extend(refused.map(|reason| entry("reason", Value::text(reason))));
    Value::Map(fields)
}

/// A publication on its way to who is subscribed to it.
pub(crate) fn event(publication: Value) -> Value {
    Value::Map(vec![
        entry("version", Value::Int(PROTOCOL_VERSION.into())),
        entry("frame_type", Value::text("event")),
        entry("publication", publication),
        entry("delivered_via", Value::text("direct")),
    ])
}

fn head(frame_type: &str) -> Vec<(Value, Value)> {
    let now = clock::now_ms();
    vec![
        entry("version", Value::Int(PROTOCOL_VERSION.into())),
        entry("frame_type", Value::text(frame_type)),
        entry("frame_id", Value::Bytes(clock::uuid_v7(now).to_vec())),
        entry("sent_at_ms", Value::Int(now.into())),
    ]
}

#[cfg(test)]
mod tests {
    use macula_rust::frame::{Answered, RegisterKind};

    use super::*;

    /// Acks are held against the SDK's own reader.
    #[test]
    fn an_ack_reads_as_what_it_answers() {
        let name = ([3; 32], "acme/echo.say_v1".to_owned());
        let (version, subscriber) = ([7; 16], [9; 32]);
        let (record, node) =
            (Answered::Advertisement { record_version: version }, Answered::Subscription { subscriber });
        for (what, kind, answered) in [
            (Registered::Advertise { version }, RegisterKind::Advertise, &record),
            (Registered::Unadvertise { version }, RegisterKind::Unadvertise, &record),
            (Registered::Subscribe { subscriber }, RegisterKind::Subscribe, &node),
            (Registered::Unsubscribe { subscriber }, RegisterKind::Unsubscribe, &node),
        ] {
            for refused in [None, Some("advertiser_quota")] {
                let ack = register_ack(&name, what, refused);
                let read = frame::read_envelope(&ack).unwrap().frame;
                let read = frame::read_register_ack(&read).unwrap().unwrap();
                assert_eq!((read.kind, read.realm, &read.name), (kind, name.0, &name.1));
                assert_eq!((&read.answered, read.refusal.as_deref()), (answered, refused));
            }
        }
    }
}
