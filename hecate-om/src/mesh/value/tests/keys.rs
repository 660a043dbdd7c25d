//! Keys are the text that they are in JSON.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Colour {
    Red,
    #[serde(rename = "dark blue")]
    DarkBlue,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Article(u32);

fn keyed<K: Ord + Clone + Debug + Serialize + DeserializeOwned>(keys: &[K]) {
    let message: BTreeMap<K, usize> = keys.iter().cloned().zip(0..).collect();
    let value = carried(&message);
    let json = serde_json::to_value(&message).unwrap();
    for name in json.as_object().unwrap().keys() {
        assert!(value.get(name).is_some(), "{name} of {json} is not in {value:?}");
    }
    assert_eq!(decode::<BTreeMap<K, usize>>(value).unwrap(), message);
    assert_eq!(through_json(&message), message);
}

#[test]
fn what_is_text_in_json_is_the_same_text() {
    keyed(&["".to_owned(), "ß 🦜".to_owned(), "1".to_owned()]);
    keyed(&[u8::MIN, u8::MAX]);
    keyed(&[i8::MIN, 0, i8::MAX]);
    keyed(&[u64::MIN, u64::MAX]);
    keyed(&[i64::MIN, -1, i64::MAX]);
    keyed(&[i128::MIN, i128::MAX]);
    keyed(&[u128::MIN, u128::MAX]);
    keyed(&[false, true]);
    keyed(&['a', '水']);
    keyed(&[Colour::Red, Colour::DarkBlue]);
    keyed(&[Article(7), Article(70)]);
}

#[test]
fn other_keys_are_refused() {
    let tuple = refused(&BTreeMap::from([("in", BTreeMap::from([((1, 2), 3)]))]));
    assert_eq!(tuple, ("in".to_owned(), Reason::Key("a list")));
    assert_eq!(refused(&BTreeMap::from([((), 1)])).1, Reason::Key("`()`"));
    assert_eq!(refused(&BTreeMap::from([(vec![1], 1)])).1, Reason::Key("a list"));
    assert_eq!(refused(&BTreeMap::from([(None::<u8>, 1)])).1, Reason::Key("`None`"));
}

#[test]
fn only_the_written_form_of_a_number_is_that_number() {
    for key in ["01", "+1", " 1", "1 ", "0x1", "1.0", "", "-0", "340282366920938463463374607431768211456"] {
        assert!(decode::<BTreeMap<i64, u8>>(map([(key, int(1))])).is_err(), "{key:?}");
    }
    assert!(decode::<BTreeMap<u8, u8>>(map([("256", int(1))])).is_err());
    assert!(decode::<BTreeMap<bool, u8>>(map([("1", int(1))])).is_err());
}
