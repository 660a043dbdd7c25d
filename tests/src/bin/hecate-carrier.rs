//! A service that carries whatever a message can hold, and asks a desk that is not written in Rust.

use std::collections::BTreeMap;

use hecate_om::__private::serde;
use hecate_om::Reference;
use hecate_om::prelude::*;

#[derive(Default)]
struct Carrier;

/// A field of every kind.
#[message]
#[derive(Clone, Debug)]
struct Cargo {
    fragile: bool,
    sealed: Option<bool>,
    weight: f64,
    items: i64,
    serial: u64,
    #[serde(with = "raw")]
    #[schemars(with = "Vec<u8>")]
    stamp: Vec<u8>,
    /// Numbers in Rust; others may send bytes.
    digits: Vec<u8>,
    shape: Shape,
    note: Option<String>,
    checks: BTreeMap<String, bool>,
}

#[message]
#[derive(Clone, Debug)]
enum Shape {
    Flat,
    Round(f64),
    Boxed { closed: bool, inner: Vec<Shape> },
}

#[message]
struct Carried {
    cargo: Cargo,
    /// How it looks in Rust.
    seen: String,
}

#[message]
#[derive(Clone, Debug)]
struct Weigh {
    item: i64,
}

#[message]
#[derive(Clone, Debug)]
struct Weighed {
    item: i64,
    weight: f64,
    fragile: bool,
    note: Option<String>,
    #[serde(with = "raw")]
    #[schemars(with = "Vec<u8>")]
    stamp: Vec<u8>,
    /// The fields that came to the desk.
    fields: Vec<String>,
}

remote_service!(Desk in "py-desk" {
    WEIGH: "desk.weigh" = 1, Weigh -> Weighed, access = open;
    UNPACK: "desk.unpack" = 1, Weigh -> ReplyStream<Piece>, access = open;
    PACK: "desk.pack" = 1, RequestStream<Piece> -> Packed, access = open;
});

/// A piece of what the desk packs and unpacks.
#[message]
struct Piece {
    number: i64,
}

#[message]
struct Packed {
    pieces: i64,
    /// What their numbers add up to.
    sum: i64,
}

/// What came of a stream.
#[message]
struct Unpacked {
    /// The numbers of the pieces.
    pieces: Vec<i64>,
    packed: Option<Packed>,
    failure: Option<Failure>,
}

/// What to ask the desk.
#[message]
struct Ask {
    /// Without its org and version.
    name: String,
    item: i64,
    /// By a typed constant; else by reference.
    by_type: bool,
}

/// What came of it.
#[message]
struct Asked {
    weighed: Option<Weighed>,
    failure: Option<Failure>,
}

#[message]
struct Failure {
    code: Option<String>,
    message: String,
    /// What was wrong underneath.
    cause: Option<String>,
    is_retryable: bool,
}

#[derive(Refusal)]
enum PassRefusal {
    #[refusal(transparent)]
    Call(CallError),
}

/// Carries cargo of every kind.
#[hecate_service(
    name = "hecate-carrier",
    access = open,
    uses(
        Desk,
        "py-desk/desk.weigh" = 1,
        "py-desk/desk.vault" = 1,
        "py-desk/desk.locked" = 1,
        "py-desk/desk.nowhere" = 1,
    )
)]
impl Carrier {
    /// Brings it back as it came, and says how it looked.
    #[capability(version = 1)]
    async fn carry(&self, request: Cargo) -> Result<Carried> {
        let seen = format!("{request:?}");
        Ok(Carried { cargo: request, seen })
    }

    /// Brings it back with the next serial number, which the mesh may not be able to carry.
    #[capability(version = 1)]
    async fn count_on(&self, mut request: Cargo) -> Result<Carried> {
        request.serial += 1;
        Ok(Carried { seen: request.serial.to_string(), cargo: request })
    }

    /// Asks the desk, and tells what came of it.
    #[capability(version = 1)]
    async fn ask(&self, request: Ask, call: &Call<Self>) -> Result<Asked> {
        Ok(match weigh(&request, call).await {
            Ok(weighed) => Asked { weighed: Some(weighed), failure: None },
            Err(error) => Asked { weighed: None, failure: Some(Failure::of(&error)) },
        })
    }

    /// Asks the desk, and passes on what it says.
    #[capability(version = 1)]
    async fn pass(&self, request: Ask, call: &Call<Self>) -> Result<Weighed, PassRefusal> {
        Ok(weigh(&request, call).await?)
    }

    /// Has the desk unpack, and tells what came of it.
    #[capability(version = 1)]
    async fn unpack(&self, request: Weigh, call: &Call<Self>) -> Result<Unpacked> {
        let mut unpacked = Unpacked { pieces: Vec::new(), packed: None, failure: None };
        let mut pieces = match Desk::UNPACK.stream(call, request).await {
            Ok(pieces) => pieces,
            Err(error) => return Ok(Unpacked { failure: Some(Failure::of(&error)), ..unpacked }),
        };
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => unpacked.pieces.push(piece.number),
                Err(error) => unpacked.failure = Some(Failure::of(&error)),
            }
        }
        Ok(unpacked)
    }

    /// Has the desk pack so many pieces.
    #[capability(version = 1)]
    async fn pack(&self, request: Weigh, call: &Call<Self>) -> Result<Unpacked> {
        let pieces = hecate_om::items((1..=request.item).map(|number| Piece { number }));
        let (packed, failure) = match Desk::PACK.send_all(call, pieces).await {
            Ok(packed) => (Some(packed), None),
            Err(error) => (None, Some(Failure::of(&error))),
        };
        Ok(Unpacked { pieces: Vec::new(), packed, failure })
    }
}

impl Failure {
    fn of(error: &CallError) -> Self {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let code = error.code().map(str::to_owned);
        Self { code, message: error.to_string(), cause, is_retryable: error.is_retryable() }
    }
}

async fn weigh(ask: &Ask, call: &Call<Carrier>) -> Result<Weighed, CallError> {
    let request = Weigh { item: ask.item };
    if ask.by_type {
        return Desk::WEIGH.call(call, request).await;
    }
    Reference::new(&format!("py-desk/{}", ask.name), 1).unwrap().call(call, request).await
}

/// A field that is bytes, and not a list of numbers.
mod raw {
    use std::fmt;

    use super::serde::de::{Deserializer, Error, SeqAccess, Visitor};
    use super::serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_owned())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = items.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}

fn main() -> ExitCode {
    hecate_om::run::<Carrier>()
}
