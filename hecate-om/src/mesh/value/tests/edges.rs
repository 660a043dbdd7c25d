//! What cannot be carried is told before it is sent, with its path.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::contract::RESERVED;

use super::super::{MAX_BYTES, MAX_DEPTH, MAX_ITEMS};
use super::*;

#[derive(Debug, Serialize)]
struct Titles<T> {
    titles: Vec<Title<T>>,
}

#[derive(Debug, Serialize)]
struct Title<T> {
    born: T,
}

fn titles<T>(borns: Vec<T>) -> Titles<T> {
    Titles { titles: borns.into_iter().map(|born| Title { born }).collect() }
}

#[test]
fn an_integer_beyond_the_mesh_is_named_with_its_path() {
    let max = i64::MAX.unsigned_abs();
    let value = carried(&titles(vec![0, 1, max]));
    assert_eq!(decode::<BTreeMap<String, Vec<BTreeMap<String, u64>>>>(value).unwrap()["titles"][2]["born"], max);
    assert_eq!(
        refused(&titles(vec![0, 1, max, max + 1])),
        ("titles[3].born".to_owned(), Reason::IntegerOutOfRange("9223372036854775808".to_owned()))
    );
    assert_eq!(
        encode(&titles(vec![u64::MAX])).unwrap_err().to_string(),
        "`titles[0].born`: 18446744073709551615 is outside of -2^63 to 2^63-1, the integers of the mesh"
    );
    let below = i128::from(i64::MIN) - 1;
    assert_eq!(refused(&titles(vec![below])).1, Reason::IntegerOutOfRange(below.to_string()));
    carried(&titles(vec![i128::from(i64::MIN), i128::from(i64::MAX)]));
    assert!(matches!(refused(&titles(vec![u128::MAX])).1, Reason::IntegerOutOfRange(_)));
}

#[test]
fn a_number_that_is_not_finite_is_named_with_its_path() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let (path, reason) = refused(&titles(vec![0.0, number]));
        assert_eq!(path, "titles[1].born");
        assert!(matches!(reason, Reason::NotFinite(_)), "{reason}");
    }
    assert!(matches!(refused(&titles(vec![f32::NAN])).1, Reason::NotFinite(_)));
    carried(&titles(vec![-0.0, 5e-324, f64::MAX, f64::MIN]));
}

#[test]
fn a_path_leads_through_variants_and_maps() {
    #[derive(Serialize)]
    enum Step {
        Newtype(u64),
        Tuple(u8, u64),
        Fields { deep: BTreeMap<u8, u64> },
    }
    let of = |step| refused(&BTreeMap::from([("step", step)])).0;
    assert_eq!(of(Step::Newtype(u64::MAX)), "step.Newtype");
    assert_eq!(of(Step::Tuple(0, u64::MAX)), "step.Tuple[1]");
    assert_eq!(of(Step::Fields { deep: BTreeMap::from([(7, u64::MAX)]) }), "step.Fields.deep.7");
    let long = "k".repeat(100_000);
    assert!(refused(&BTreeMap::from([(&long, u64::MAX)])).0.len() < 200);
}

#[derive(Debug, Serialize, Deserialize)]
struct Nest {
    nest: Vec<Nest>,
}

/// A message of that many lists and maps, one in the other: the last, a list, is empty.
fn nested(levels: usize) -> Nest {
    let mut nest = Nest { nest: Vec::new() };
    for _ in 1..levels / 2 {
        nest = Nest { nest: vec![nest] };
    }
    nest
}

#[test]
fn as_deep_as_a_frame_carries_and_no_deeper() {
    there_and_back(&nested(62));
    #[derive(Debug, Serialize, Deserialize)]
    struct Outer {
        outer: Nest,
    }
    let most = Outer { outer: nested(62) };
    assert_eq!(MAX_DEPTH, 63);
    there_and_back(&most);
    assert_eq!(refused(&nested(64)).1, Reason::TooDeep);
    let (path, reason) = refused(&nested(1_000));
    assert_eq!(reason, Reason::TooDeep);
    assert!(path.starts_with("nest[0].nest[0]"), "{path}");
    // The SDK draws the line at the same place.
    let mut value = encode(&most).unwrap();
    frame::check_payload(&value).unwrap();
    value = map([("more", value)]);
    assert!(frame::check_payload(&value).is_err());
    let error = unreadable::<BTreeMap<String, Outer>>(value);
    assert!(error.ends_with("nested in more than 63 levels"), "{error}");
}

#[test]
fn a_value_of_any_depth_is_measured_and_refused() {
    let mut value = map([]);
    for _ in 0..500 {
        value = Value::Map(vec![(Value::text("nest"), Value::List(vec![value]))]);
    }
    assert_eq!(size(&value), 1 + 500 * 7);
    assert!(unreadable::<Nest>(value.clone()).ends_with("nested in more than 63 levels"));
    let error = unreadable::<serde_json::Value>(value);
    assert!(error.ends_with("nested in more than 63 levels"), "{error}");
}

#[test]
fn as_many_values_as_a_frame_carries_and_no_more() {
    // The map, the key and the list are three.
    let most = BTreeMap::from([("all", vec![0u8; MAX_ITEMS - 3])]);
    let value = carried(&most);
    assert_eq!(decode::<BTreeMap<String, Vec<u8>>>(value).unwrap()["all"].len(), MAX_ITEMS - 3);
    let (path, reason) = refused(&BTreeMap::from([("all", vec![0u8; MAX_ITEMS - 2])]));
    assert_eq!((path, reason), (format!("all[{}]", MAX_ITEMS - 3), Reason::TooManyItems));
    // Keys count, and variants are a map, a key and what they hold.
    let half = (MAX_ITEMS - 1) / 2;
    let keys = |count: usize| (0..count).map(|n| (n, true)).collect::<BTreeMap<_, _>>();
    carried(&keys(half));
    assert_eq!(refused(&keys(half + 1)).1, Reason::TooManyItems);
}

#[test]
fn what_fills_a_frame_is_told_before_it_is_sent() {
    #[derive(Serialize)]
    struct Large {
        text: String,
    }
    let overhead = size(&encode(&Large { text: "x".repeat(70_000) }).unwrap()) - 70_000;
    encode(&Large { text: "x".repeat(MAX_BYTES - overhead) }).unwrap();
    let (path, reason) = refused(&Large { text: "x".repeat(MAX_BYTES - overhead + 1) });
    assert_eq!((path.as_str(), reason), ("", Reason::TooLarge(MAX_BYTES + 1)));
}

#[test]
fn reserved_fields_are_refused_at_the_top_and_nowhere_else() {
    #[derive(Serialize)]
    struct Flattened {
        #[serde(flatten)]
        rest: BTreeMap<&'static str, u8>,
    }
    for field in RESERVED {
        let expected = (field.to_owned(), Reason::Reserved(field));
        assert_eq!(refused(&BTreeMap::from([(field, 1)])), expected);
        assert_eq!(refused(&Flattened { rest: BTreeMap::from([(field, 1)]) }), expected);
        carried(&BTreeMap::from([("below", BTreeMap::from([(field, 1)]))]));
    }
    #[derive(Serialize)]
    #[allow(non_camel_case_types)]
    enum Odd {
        caller(u8),
    }
    assert_eq!(refused(&Odd::caller(1)).1, Reason::Reserved("caller"));
}

#[test]
fn a_key_that_is_written_twice_is_refused() {
    struct Twice(usize);

    impl Serialize for Twice {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            for number in 0..self.0 {
                map.serialize_entry(&number, &0)?;
            }
            map.serialize_entry("1", &0)?;
            map.end()
        }
    }
    carried(&Twice(1));
    for count in [2, 12, 100] {
        assert_eq!(
            refused(&BTreeMap::from([("in", Twice(count))])),
            ("in".to_owned(), Reason::DuplicateKey("1".into()))
        );
    }
}

#[test]
fn a_type_that_refuses_itself_is_told_with_its_path() {
    struct Never;

    impl Serialize for Never {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    assert_eq!(encode(&titles(vec![Never])).unwrap_err().to_string(), "`titles[0].born`: not today");
}
