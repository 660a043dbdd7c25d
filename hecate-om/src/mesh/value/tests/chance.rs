//! Messages and values by chance; `HECATE_TEST_SEED=<seed>` repeats those of a run.

use std::collections::BTreeMap;

use super::super::Value;
use super::messages::{Everything, Inner, Shape};

pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new() -> Self {
        let given = std::env::var("HECATE_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(crate::random::number);
        println!("HECATE_TEST_SEED={seed}");
        Self(seed)
    }

    /// Any number (SplitMix64).
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).unwrap()
    }

    fn any_bool(&mut self) -> bool {
        self.below(2) == 1
    }

    fn many<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.any_bool().then(|| make(self))
    }

    /// Numbers of every length, with those beside each border.
    fn integer(&mut self) -> i64 {
        let bits = self.below(64);
        let border = 1i64.checked_shl(u32::try_from(bits).unwrap()).unwrap_or(0);
        match self.below(4) {
            0 => [i64::MIN, i64::MAX, 0, -1, 23, 24, -24, -25, 255, 256, 65_535, 65_536][self.below(12)],
            1 => border.wrapping_sub(1),
            2 => border.wrapping_neg().wrapping_sub(1),
            _ => i64::from_le_bytes(self.number().to_le_bytes()) >> bits,
        }
    }

    /// Numbers that the JSON of everybody reads exactly, or any that are finite.
    fn fraction(&mut self, tame: bool) -> f64 {
        if tame {
            return f64::from(i32::try_from(self.below(2_000_000)).unwrap() - 1_000_000) / 64.0;
        }
        let special = [0.0, -0.0, 1.0, f64::MIN_POSITIVE, 5e-324, -5e-324, f64::MAX, f64::MIN, f64::EPSILON, 65504.0];
        match self.below(3) {
            0 => special[self.below(special.len())],
            _ => Some(f64::from_bits(self.number())).filter(|number| number.is_finite()).unwrap_or(0.5),
        }
    }

    pub(super) fn text(&mut self) -> String {
        let letters = ['a', 'Z', '_', '\0', '"', '\\', '\n', 'ß', 'é', '\u{301}', '水', '\u{feff}', '🦜', '\u{10ffff}'];
        let length = [0, 1, 5, 23, 24, 30, 300][self.below(7)];
        (0..length).map(|_| letters[self.below(letters.len())]).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        self.many(40, |seed| u8::try_from(seed.below(256)).unwrap())
    }

    fn shape(&mut self, depth: usize) -> Shape {
        match self.below(if depth == 0 { 3 } else { 5 }) {
            0 => Shape::Nothing,
            1 => Shape::Flag(self.any_bool()),
            2 => Shape::Pair(self.integer(), self.text()),
            3 => Shape::Nested(Box::new(self.shape(depth - 1))),
            _ => Shape::Fields { open: self.maybe(Seed::any_bool), shapes: self.many(3, |seed| seed.shape(depth - 1)) },
        }
    }

    fn inner(&mut self, tame: bool) -> Inner {
        Inner {
            born: self.maybe(Seed::integer),
            share: self.fraction(tame),
            small: if tame { 0.25 } else { [f32::MAX, -0.0, 0.1, f32::MIN_POSITIVE][self.below(4)] },
        }
    }

    pub(super) fn message(&mut self, tame: bool) -> Everything {
        Everything {
            yes: self.any_bool(),
            signed: self.integer(),
            unsigned: self.number() >> 1,
            byte: u8::try_from(self.below(256)).unwrap(),
            wide: self.integer().into(),
            letter: char::from_u32(u32::try_from(self.below(0xd800)).unwrap()).unwrap(),
            text: self.text(),
            raw: self.bytes(),
            listed: self.bytes(),
            unit: (),
            perhaps: self.maybe(Seed::text),
            twice: Some(self.maybe(Seed::any_bool)).filter(Option::is_some),
            pair: (self.integer(), self.any_bool()),
            inners: self.many(4, |seed| seed.inner(tame)),
            shapes: self.many(4, |seed| seed.shape(5)),
            by_name: self.many(3, |seed| (seed.text(), seed.inner(tame))).into_iter().collect(),
            by_number: self.many(3, |seed| (seed.integer(), seed.any_bool())).into_iter().collect(),
            by_letter: BTreeMap::from([('ü', self.any_bool())]),
            by_flag: self.many(3, |seed| (seed.any_bool(), ())).into_iter().collect(),
        }
    }

    /// Any value that the wire can carry, and integer keys, which it can, too.
    pub(super) fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 7 }) {
            0 => Value::Int(self.integer().into()),
            1 => Value::Bytes(self.bytes()),
            2 => Value::Text(self.text()),
            3 => Value::Null,
            4 => Value::Float(self.fraction(false)),
            5 => Value::List(self.many(6, |seed| seed.value(depth - 1))),
            _ => {
                let entries = self.many(6, |seed| (seed.key(), seed.value(depth - 1)));
                let mut unique: Vec<(Value, Value)> = Vec::new();
                for entry in entries {
                    if unique.iter().all(|(key, _)| *key != entry.0) {
                        unique.push(entry);
                    }
                }
                Value::Map(unique)
            }
        }
    }

    fn key(&mut self) -> Value {
        let names = ["yes", "signed", "shapes", "inners", "by_number", "Fields", "Pair", "1"];
        match self.below(4) {
            0 => Value::Text(self.text()),
            1 => Value::Int(self.integer().into()),
            _ => Value::text(names[self.below(names.len())]),
        }
    }
}
