//! Whether what a capability takes and answers with arrives as it was sent, whatever it holds.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::capability::{Capability, Reply, ReplyStream, Request, RequestStream, json};
use crate::client::{CallReply, CallRequest};
use crate::contract::{Chance, MessageSchema, schemas};

/// How many messages are made of a schema.
const MESSAGES: usize = 256;

/// What a capability takes: a message, or a stream of them.
#[doc(hidden)]
pub trait Taken {
    type Message: Request + CallRequest;
}

impl<R: Request + CallRequest> Taken for R {
    type Message = R;
}

impl<I: Request + CallRequest> Taken for RequestStream<I> {
    type Message = I;
}

/// What a capability answers with: a message, or a stream of them.
#[doc(hidden)]
pub trait Given {
    type Message: Reply + CallReply;
}

impl<T: Reply + CallReply> Given for T {
    type Message = T;
}

impl<O: Reply + CallReply> Given for ReplyStream<O> {
    type Message = O;
}

/// Checks that the messages of a capability arrive as they were sent, on this box and over the mesh.
///
/// Hundreds of requests and replies, or items of their streams, are made by chance of their schemas, with texts, numbers and lists that
/// nobody would think of. Each is read, written as JSON and as the mesh has it, and read again: what it is
/// then must be what it was. `HECATE_TEST_SEED=<seed>`, which is printed, makes the same ones again.
///
/// ```
/// use hecate_om::prelude::*;
///
/// # #[derive(Default)] struct Greeter;
/// #[message] struct Greet { name: String, #[serde(default)] times: Option<u8> }
/// #[message] struct Greeting { message: String }
///
/// #[hecate_service(name = "hecate-greeter")]
/// impl Greeter {
///     /// Greets one person.
///     #[capability(version = 1)]
///     async fn greet(&self, request: Greet) -> Result<Greeting> {
///         Ok(Greeting { message: format!("Hello, {}!", request.name) })
///     }
/// }
///
/// hecate_om::testing::messages_arrive(Greeter::GREET);
/// ```
///
/// # Panics
/// When one arrives as something else or not at all; and when none can be made, because a type asks for more
/// than its schema tells.
#[track_caller]
pub fn messages_arrive<S, R, T>(capability: Capability<S, R, T>)
where
    R: Taken,
    T: Given,
{
    let mut chance = Chance::of_test();
    let [request, reply] = schemas::<R::Message, T::Message>();
    let wrong = [
        all_arrive::<R::Message>(&request, &mut chance).map_err(|why| format!("the request of `{capability}` {why}")),
        all_arrive::<T::Message>(&reply, &mut chance).map_err(|why| format!("the reply of `{capability}` {why}")),
    ];
    let wrong: Vec<_> = wrong.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn all_arrive<M>(schema: &MessageSchema, chance: &mut Chance) -> Result<(), String>
where
    M: Serialize + DeserializeOwned + 'static,
{
    let (mut read, mut unread) = (0, "there is no value that its schema allows".to_owned());
    for _ in 0..MESSAGES {
        let Some(made) = schema.made(chance) else { continue };
        match json::decode::<M>(made.to_string().as_bytes()) {
            Ok(message) => {
                arrives(&message, schema.has_sets()).map_err(|why| format!("{why}; it was made of {made}"))?;
                read += 1;
            }
            Err(error) => unread = format!("{}, which was made of its schema, as {made}", error.message()),
        }
    }
    if read == 0 { Err(format!("cannot be made: {unread}")) } else { Ok(()) }
}

fn arrives<M: Serialize + DeserializeOwned + 'static>(message: &M, has_sets: bool) -> Result<(), String> {
    let sent = form(message, has_sets)?;
    let written = json::encode(message, json::UNKNOWN_SIZE).map_err(|error| error.to_string())?;
    let again = json::decode::<M>(&written).map_err(|error| format!("is not read from its own JSON: {error}"))?;
    is_same(&sent, &form(&again, has_sets)?, "through JSON")?;
    #[cfg(feature = "macula")]
    {
        let again = super::carried::carried(message).map_err(|why| why.of("message").message().to_owned())?;
        is_same(&sent, &form(&again, has_sets)?, "over the mesh")?;
    }
    Ok(())
}

fn is_same(sent: &Value, arrived: &Value, way: &str) -> Result<(), String> {
    if sent == arrived { Ok(()) } else { Err(format!("is sent {way} as {sent} and arrives as {arrived}")) }
}

/// What a message is, as far as anybody but its author can see.
fn form<M: Serialize>(message: &M, has_sets: bool) -> Result<Value, String> {
    let mut form = serde_json::to_value(message).map_err(|error| format!("has no JSON form: {error}"))?;
    if has_sets {
        in_order(&mut form);
    }
    Ok(form)
}

/// Of lists that may be sets the order is no part of them.
fn in_order(form: &mut Value) {
    match form {
        Value::Array(items) => {
            items.iter_mut().for_each(in_order);
            items.sort_by_cached_key(Value::to_string);
        }
        Value::Object(fields) => fields.values_mut().for_each(in_order),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, HashSet};

    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Whole {
        text: String,
        share: f64,
        narrow: f32,
        perhaps: Option<i64>,
        words: HashSet<String>,
        by_name: HashMap<String, Vec<u8>>,
        by_number: BTreeMap<u16, bool>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Forgetful {
        #[serde(skip_deserializing)]
        #[allow(dead_code)]
        text: String,
        #[serde(serialize_with = "cut")]
        name: String,
    }

    fn cut<S: serde::Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&name.chars().skip(1).collect::<String>())
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(try_from = "String")]
    struct Choosy {}

    impl TryFrom<String> for Choosy {
        type Error = &'static str;

        fn try_from(_: String) -> Result<Self, Self::Error> {
            Err("none is good enough")
        }
    }

    fn check<M: Serialize + DeserializeOwned + JsonSchema + 'static>() -> Result<(), String> {
        all_arrive::<M>(&schemas::<M, ()>()[0], &mut Chance::of(7))
    }

    #[test]
    fn messages_of_any_content_arrive() {
        check::<Whole>().unwrap();
        check::<()>().unwrap();
        messages_arrive(Capability::<(), Whole, ()>::new("hecate-lab", "lab.take", 1));
    }

    #[test]
    fn what_arrives_as_something_else_is_told() {
        let why = check::<Forgetful>().unwrap_err();
        assert!(why.starts_with("is sent through JSON as {") && why.contains("and arrives as {"), "{why}");
        let why = check::<Choosy>().unwrap_err();
        assert!(why.starts_with("cannot be made: "), "{why}");
    }
}
