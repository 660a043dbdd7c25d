use std::collections::BTreeMap;
use std::fmt::Debug;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;
use crate::capability::json;

/// Where the schemas of a type say that a boolean is lost, and why.
fn told<T: JsonSchema + 'static>() -> Vec<(String, Kept)> {
    let told: Vec<_> = lost(&MessageSchema::request(json::schema::<T>)).into_iter().collect();
    let reply: Vec<_> = lost(&MessageSchema::reply(json::schema::<T>)).into_iter().collect();
    assert_eq!(told, reply);
    told
}

/// Whether a message is read from the mesh as it is read from JSON: what the rule is about.
#[cfg(feature = "macula")]
fn is_lost<T: Serialize + DeserializeOwned + PartialEq>(message: &T) -> bool {
    use crate::mesh::value;
    use macula_rust::cbor;

    let from_json: T = serde_json::from_value(serde_json::to_value(message).unwrap()).unwrap();
    let carried = cbor::decode(&cbor::encode(&value::encode(message).unwrap()).unwrap()).unwrap();
    value::decode::<T>(carried).map_or(true, |from_mesh| from_mesh != from_json)
}

#[cfg(not(feature = "macula"))]
fn is_lost<T>(_: &T) -> bool {
    true
}

#[track_caller]
fn refuses<T>(message: &T, place: &str, kept: Kept)
where
    T: Serialize + DeserializeOwned + JsonSchema + PartialEq + Debug + 'static,
{
    assert!(is_lost(message), "{message:?} arrives as it was sent");
    let told = told::<T>();
    assert!(matches!(told.as_slice(), [(at, why)] if at == place && *why == kept), "{told:?}");
}

#[track_caller]
fn passes<T>(messages: &[T])
where
    T: Serialize + DeserializeOwned + JsonSchema + PartialEq + Debug + 'static,
{
    assert_eq!(told::<T>(), []);
    if cfg!(feature = "macula") {
        for message in messages {
            assert!(!is_lost(message), "{message:?} does not arrive as it was sent");
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Switch {
    on: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Outside {
    Unit,
    Flag(bool),
    Pair(bool, Option<bool>),
    Fields { kind: String, on: bool },
    Within(Vec<Switch>),
}

#[test]
fn booleans_that_are_read_directly_pass() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Plain {
        yes: bool,
        perhaps: Option<bool>,
        switch: Option<Switch>,
        list: Vec<bool>,
        pair: (bool, u8),
        map: BTreeMap<String, bool>,
        numbered: BTreeMap<u32, bool>,
        outside: Option<Outside>,
        all: Vec<Outside>,
        result: Result<bool, String>,
    }
    let all = vec![
        Outside::Unit,
        Outside::Flag(true),
        Outside::Pair(false, Some(true)),
        Outside::Fields { kind: "x".to_owned(), on: true },
        Outside::Within(vec![Switch { on: true }]),
    ];
    passes(&[Plain {
        yes: true,
        perhaps: Some(false),
        switch: Some(Switch { on: true }),
        list: vec![true, false],
        pair: (true, 1),
        map: BTreeMap::from([("x".to_owned(), true)]),
        numbered: BTreeMap::from([(7, true)]),
        outside: Some(Outside::Flag(true)),
        all,
        result: Ok(true),
    }]);
}

#[test]
fn what_has_no_booleans_passes_in_every_form() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Untagged {
        Named { name: String, share: f64 },
        Many { many: Vec<Option<i64>> },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    enum Inside {
        Unit,
        Untagged(Untagged),
        Fields { at: u64, letter: char },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Flattened {
        own: bool,
        #[serde(flatten)]
        inside: Inside,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Rest {
        own: bool,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    passes(&[Untagged::Named { name: "x".to_owned(), share: 1.0 }, Untagged::Many { many: vec![None, Some(-1)] }]);
    passes(&[Inside::Unit, Inside::Untagged(Untagged::Many { many: vec![] }), Inside::Fields { at: 1, letter: 'ß' }]);
    passes(&[Flattened { own: true, inside: Inside::Unit }]);
    passes(&[Rest { own: true, rest: BTreeMap::from([("x".to_owned(), 1)]) }]);
}

#[test]
fn an_untagged_enum_loses_booleans_however_deep() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Untagged {
        Deep { switches: Vec<Switch> },
        Other { name: String },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Message {
        #[serde(skip_serializing_if = "Option::is_none")]
        untagged: Option<Untagged>,
        direct: Switch,
    }
    let untagged = Some(Untagged::Deep { switches: vec![Switch { on: true }] });
    let message = Message { untagged, direct: Switch { on: true } };
    refuses(&message, "/$defs/Switch/properties/on", Kept::Untagged);
}

#[test]
fn a_boolean_that_becomes_another_variant_is_told() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Either {
        Flag(bool),
        Number(i64),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Message {
        either: Either,
    }
    refuses(&Message { either: Either::Flag(true) }, "/$defs/Either/anyOf/0", Kept::Untagged);
}

#[test]
fn a_tag_inside_loses_the_booleans_beside_it() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    enum Inside {
        Unit,
        Switch(Switch),
        Fields { at: u64, more: bool },
    }
    assert!(is_lost(&Inside::Fields { at: 1, more: true }) && is_lost(&Inside::Switch(Switch { on: true })));
    let told = told::<Inside>();
    assert_eq!(
        told,
        [
            ("/$defs/Inside/oneOf/2/properties/more".to_owned(), Kept::TaggedInside),
            ("/$defs/Switch/properties/on".to_owned(), Kept::TaggedInside),
        ]
    );
}

#[test]
fn a_content_that_comes_before_its_tag_loses_booleans() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "type", content = "of")]
    enum ContentFirst {
        Unit,
        Flag(bool),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", content = "value")]
    enum TagFirst {
        Unit,
        Flag(bool),
        Fields { on: bool },
    }
    refuses(&ContentFirst::Flag(true), "/$defs/ContentFirst/oneOf/1/properties/of", Kept::ContentFirst);
    passes(&[TagFirst::Unit, TagFirst::Flag(true), TagFirst::Fields { on: true }]);
}

#[test]
fn what_is_flattened_loses_booleans() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct WithMap {
        own: bool,
        #[serde(flatten)]
        rest: BTreeMap<String, bool>,
    }
    let rest = BTreeMap::from([("x".to_owned(), true)]);
    refuses(&WithMap { own: true, rest }, "/$defs/WithMap/additionalProperties", Kept::Flattened);

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    enum Choice {
        Flag(bool),
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct WithEnum {
        own: bool,
        #[serde(flatten)]
        choice: Choice,
    }
    let message = WithEnum { own: true, choice: Choice::Flag(true) };
    refuses(&message, "/$defs/WithEnum/oneOf/0/properties/Flag", Kept::Flattened);

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    enum Other {
        Plain(u8),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct WithTwo {
        #[serde(flatten)]
        choice: Choice,
        #[serde(flatten)]
        other: Other,
    }
    let message = WithTwo { choice: Choice::Flag(true), other: Other::Plain(1) };
    refuses(&message, "/$defs/WithTwo/allOf/0/oneOf/0/properties/Flag", Kept::Flattened);
}

/// The rule does not see it; it is told where such a message is sent in a test.
#[test]
#[cfg(feature = "macula")]
fn a_struct_that_is_flattened_does_not_tell() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct WithStruct {
        #[serde(flatten)]
        switch: Switch,
    }
    assert_eq!(told::<WithStruct>(), []);
    assert!(is_lost(&WithStruct { switch: Switch { on: true } }));
}

#[test]
fn types_that_contain_themselves_are_walked_once() {
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Tree {
        Leaf { on: bool },
        Node { nodes: Vec<Tree> },
    }
    let tree = Tree::Node { nodes: vec![Tree::Leaf { on: true }] };
    refuses(&tree, "/$defs/Tree/anyOf/0/properties/on", Kept::Untagged);
}
