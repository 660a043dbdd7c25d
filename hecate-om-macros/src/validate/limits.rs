//! How much of a capability callers may take: `limits(payload = "1MiB", per_caller = "600/10s", ..)`.

use super::types::spelled;
use crate::arguments::{self, Integer, LIMIT_KEYS, LimitArguments, Nested, Read, Text};
use crate::diagnostics::{Diagnostics, Rule};
use crate::model::{LIMITS, Limits, MAX_BYTES, MAX_CALLS, MAX_CONCURRENCY, MAX_PERIOD_MS, MIN_PERIOD_MS, Rate};

/// Reads `limits(...)`; what is not in it is the default.
pub(super) fn read(nested: Option<&Nested>, diagnostics: &mut Diagnostics) -> Option<Limits> {
    let Some(Nested(tokens)) = nested else { return Some(LIMITS) };
    let arguments: Read<LimitArguments> = arguments::read(tokens.clone(), &LIMIT_KEYS, diagnostics);
    let mut bytes = |key: &str, written: &Option<Text>, default| match written {
        Some(written) => bytes(key, written, default, diagnostics),
        None => Some(default),
    };
    let payload = bytes("payload", &arguments.payload, LIMITS.payload);
    let reply = bytes("reply", &arguments.reply, LIMITS.reply);
    let concurrency = match &arguments.concurrency {
        Some(written) => concurrency(written, diagnostics),
        None => Some(LIMITS.concurrency),
    };
    let before = diagnostics.len();
    let per_caller = rate_or("per_caller", arguments.per_caller.as_ref(), LIMITS.per_caller, diagnostics);
    let total = rate_or("total", arguments.total.as_ref(), LIMITS.total, diagnostics);
    let (per_caller, total) = (per_caller?, total?);
    let is_told = |key| arguments.attempted(key);
    // One that could not be read is not the default.
    let is_whole = [("per_caller", arguments.per_caller.is_some()), ("total", arguments.total.is_some())]
        .into_iter()
        .all(|(key, is_read)| is_read || !is_told(key));
    if diagnostics.len() == before && is_whole {
        check_order(&arguments, per_caller, total, diagnostics);
    }
    Some(Limits { payload: payload?, reply: reply?, concurrency: concurrency?, per_caller, total })
}

/// What a size is counted in. More than the last is never allowed, but is understood.
const BYTE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A number of bytes, `64KiB`.
fn bytes(key: &str, written: &Text, default: u32, diagnostics: &mut Diagnostics) -> Option<u32> {
    let text = written.value.trim();
    let (number, unit) = parted(text);
    let factor = BYTE_UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
    let (Some(count), Some(factor)) = (whole(number), factor) else {
        let what = format!("`{key}` is a whole number with a unit, `B`, `KiB` or `MiB`, found `{text}`");
        let like = bytes_like(number, unit).unwrap_or(default);
        diagnostics.error(Rule::SizeForm, &written.place, what, format!("write `{key} = \"{}\"`", size(like)));
        return None;
    };
    let bytes = u32::try_from(count.saturating_mul(factor)).ok().filter(|bytes| (1..=MAX_BYTES).contains(bytes));
    if bytes.is_none() {
        let what = format!("`{key}` is out of range: 1B to {}, found `{text}`", size(MAX_BYTES));
        let help = match (count, key) {
            (0, _) => format!("write `{key} = \"{0}\"`, or leave it out for {0}", size(default)),
            (_, "payload") => format!("write `payload = \"{}\"`, and take more in a `RequestStream`", size(MAX_BYTES)),
            _ => format!("write `{key} = \"{}\"`, and answer with more in a `ReplyStream`", size(MAX_BYTES)),
        };
        diagnostics.error(Rule::SizeRange, &written.place, what, help);
    }
    bytes
}

/// The number of bytes that was probably meant.
fn bytes_like(number: &str, unit: &str) -> Option<u32> {
    let factor = match unit.trim().chars().next().map(|first| first.to_ascii_lowercase()) {
        None | Some('b') => 1.0,
        Some('k') => 1024.0,
        Some('m') => 1_048_576.0,
        _ => return None,
    };
    let bytes = number.replace('_', "").parse::<f64>().ok()? * factor;
    (1.0..=f64::from(MAX_BYTES)).contains(&bytes).then(|| rounded(bytes))
}

/// A number of bytes as an author would write it.
fn size(bytes: u32) -> String {
    match bytes {
        bytes if bytes % (1 << 20) == 0 => format!("{}MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}KiB", bytes >> 10),
        bytes => format!("{bytes}B"),
    }
}

fn concurrency(written: &Integer, diagnostics: &mut Diagnostics) -> Option<u32> {
    let number = written.value.and_then(|number| u32::try_from(number).ok());
    let checked = number.filter(|number| (1..=MAX_CONCURRENCY).contains(number));
    if checked.is_none() {
        let what =
            format!("`concurrency` is a whole number from 1 to {MAX_CONCURRENCY}, found `{}`", spelled(&written.place));
        let help = match written.value {
            Some(large) if large > 0 => format!("write `concurrency = {MAX_CONCURRENCY}`"),
            _ => format!("write `concurrency = {0}`, or leave it out for {0}", LIMITS.concurrency),
        };
        diagnostics.error(Rule::ConcurrencyRange, &written.place, what, help);
    }
    checked
}

/// What a period is counted in, in milliseconds. A day is never allowed, but is understood.
const PERIOD_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

fn rate_or(key: &str, written: Option<&Text>, default: Rate, diagnostics: &mut Diagnostics) -> Option<Rate> {
    written.map_or(Some(default), |written| rate(key, written, default, diagnostics))
}

/// A number of calls in a period, `600/10s`.
fn rate(key: &str, written: &Text, default: Rate, diagnostics: &mut Diagnostics) -> Option<Rate> {
    let text = written.value.trim();
    let (calls, period) = text.split_once('/').unwrap_or((text, ""));
    let (number, unit) = parted(period);
    let factor = PERIOD_UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
    let (Some(calls), Some(count), Some(factor)) = (whole(calls), whole(number), factor) else {
        let what = format!("`{key}` is a number of calls and a period, `<calls>/<period>`, found `{text}`");
        let like = rate_like(text).unwrap_or(default);
        diagnostics.error(Rule::RateForm, &written.place, what, format!("write `{key} = \"{like}\"`"));
        return None;
    };
    let period_ms = count.saturating_mul(factor);
    let in_range = |value: u64, least, most| u32::try_from(value).ok().filter(|value| (least..=most).contains(value));
    let (good_calls, good_period) = (in_range(calls, 1, MAX_CALLS), in_range(period_ms, MIN_PERIOD_MS, MAX_PERIOD_MS));
    if let (Some(calls), Some(period_ms)) = (good_calls, good_period) {
        return Some(Rate { calls, period_ms });
    }
    let what = if good_calls.is_none() {
        format!("`{key}` is out of range: 1 to {MAX_CALLS} calls, found `{text}`")
    } else {
        format!("`{key}` is out of range: a period of 1s to 1h, found `{text}`")
    };
    let like = nearest_rate(calls, period_ms).unwrap_or(default);
    diagnostics.error(Rule::RateRange, &written.place, what, format!("write `{key} = \"{like}\"`"));
    None
}

/// The rate of the same speed that may be written.
fn nearest_rate(calls: u64, period_ms: u64) -> Option<Rate> {
    if calls == 0 || period_ms == 0 {
        return None;
    }
    let period = period_ms.clamp(u64::from(MIN_PERIOD_MS), u64::from(MAX_PERIOD_MS));
    let calls = u128::from(calls) * u128::from(period) / u128::from(period_ms);
    let calls = calls.clamp(1, u128::from(MAX_CALLS));
    Some(Rate { calls: u32::try_from(calls).ok()?, period_ms: u32::try_from(period).ok()? })
}

/// The rate that was probably meant: `600 / 10 sec`, `600 per minute`, `600`.
fn rate_like(text: &str) -> Option<Rate> {
    let spaced = text.replace("per", "/").replace([' ', '_'], "");
    let (calls, period) = spaced.split_once('/').unwrap_or((&spaced, "10s"));
    let (number, unit) = parted(period);
    let number = if number.is_empty() { 1 } else { whole(number)? };
    let factor = match unit.to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" => 1,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hour" | "hours" => 3_600_000,
        _ => return None,
    };
    nearest_rate(whole(calls)?, number.checked_mul(factor)?)
}

/// All callers together are at least one.
fn check_order(arguments: &LimitArguments, per_caller: Rate, total: Rate, diagnostics: &mut Diagnostics) {
    if total.covers(per_caller) {
        return;
    }
    let (place, what, other) = match (&arguments.per_caller, &arguments.total) {
        (written, Some(place)) => {
            let one = match written {
                Some(_) => format!("`per_caller`, `{per_caller}`"),
                None => format!("the default `per_caller`, `{per_caller}`"),
            };
            let what = format!("`total`, `{total}`, is below {one}: one caller could never use what it may");
            (place, what, format!("`per_caller = \"{}\"`", slowest(per_caller, total)))
        }
        (Some(place), None) => {
            let what = format!(
                "`per_caller`, `{per_caller}`, is above the default `total`, `{total}`: one caller could never use what it may"
            );
            (place, what, format!("`per_caller = \"{}\"`", slowest(per_caller, total)))
        }
        // The defaults are in order, which a test holds.
        (None, None) => return,
    };
    let raised = Rate { calls: total.calls.max(per_caller.calls), ..total };
    let raised = if raised.covers(per_caller) { raised } else { per_caller };
    diagnostics.error(Rule::RateOrder, &place.place, what, format!("write `total = \"{raised}\"`, or {other}"));
}

/// The larger of what both allow: `wanted` as far as `most` covers it.
fn slowest(wanted: Rate, most: Rate) -> Rate {
    let lowered = Rate { calls: wanted.calls.min(most.calls), ..wanted };
    if most.covers(lowered) { lowered } else { most }
}

/// A number in front, and the rest.
fn parted(text: &str) -> (&str, &str) {
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '_';
    text.split_at(text.len() - text.trim_start_matches(is_number).len())
}

/// A whole number, whatever its size.
fn whole(text: &str) -> Option<u64> {
    let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_whole.then(|| text.parse().unwrap_or(u64::MAX))
}

/// A number of bytes out of a fraction that is known to be small.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the caller looked that it is in range")]
fn rounded(bytes: f64) -> u32 {
    bytes.round() as u32
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn found(tokens: proc_macro2::TokenStream) -> (Option<Limits>, Vec<Rule>, Vec<String>) {
        let mut diagnostics = Diagnostics::default();
        let limits = read(Some(&Nested(tokens)), &mut diagnostics);
        (limits, diagnostics.rules(), diagnostics.messages())
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        assert_eq!(read(None, &mut Diagnostics::default()), Some(LIMITS));
        assert_eq!(found(quote!()).0, Some(LIMITS));
        let (limits, ..) = found(quote!(concurrency = 8, payload = "64KiB", per_caller = "5/1m"));
        let per_caller = Rate { calls: 5, period_ms: 60_000 };
        assert_eq!(limits, Some(Limits { payload: 65_536, concurrency: 8, per_caller, ..LIMITS }));
    }

    #[test]
    fn the_defaults_are_as_they_are_told() {
        assert!(LIMITS.total.covers(LIMITS.per_caller));
        let written =
            quote!(payload = "1MiB", reply = "16MiB", concurrency = 1024, per_caller = "600/10s", total = "6000/10s");
        assert_eq!(found(written).0, Some(LIMITS));
    }

    #[test]
    fn a_bound_may_be_written_and_nothing_beyond_it() {
        let least = quote!(payload = "1B", reply = "1B", concurrency = 1, per_caller = "1/1s", total = "1/1s");
        let most = quote!(
            payload = "16MiB",
            reply = "16384KiB",
            concurrency = 65_536,
            per_caller = "1000000/1h",
            total = "1000000/60m"
        );
        for limits in [least, most] {
            assert!(found(limits).0.is_some());
        }
        for (tokens, rule) in [
            (quote!(payload = "0B"), Rule::SizeRange),
            (quote!(payload = "16777217B"), Rule::SizeRange),
            (quote!(reply = "1GiB"), Rule::SizeRange),
            (quote!(reply = "99999999999999999999999MiB"), Rule::SizeRange),
            (quote!(concurrency = 0), Rule::ConcurrencyRange),
            (quote!(concurrency = -1), Rule::ConcurrencyRange),
            (quote!(concurrency = 65_537), Rule::ConcurrencyRange),
            (quote!(per_caller = "0/1s"), Rule::RateRange),
            (quote!(per_caller = "1000001/1s"), Rule::RateRange),
            (quote!(total = "600/999ms"), Rule::RateRange),
            (quote!(total = "600/3601s"), Rule::RateRange),
            (quote!(total = "600/1d"), Rule::RateRange),
            (quote!(total = "600/0s"), Rule::RateRange),
        ] {
            let (limits, rules, messages) = found(tokens.clone());
            assert_eq!((limits, rules), (None, vec![rule]), "{tokens}: {messages:?}");
        }
    }

    /// What a help says to write.
    fn suggested(message: &str) -> proc_macro2::TokenStream {
        let help = message.split("help: write `").nth(1).unwrap();
        help.split('`').next().unwrap().parse().unwrap()
    }

    #[test]
    fn whatever_is_suggested_may_be_written() {
        let sizes =
            ["", "1", "1MB", "1mb", "1 MiB", "1.5MiB", "0.1B", "1_000B", "99999999MB", "1TiB", "-1B", "lots", "1024"];
        let rates = [
            "",
            "600",
            "600/",
            "/10s",
            "600/s",
            "600/10",
            "600/min",
            "600/10 s",
            "600 / 10s",
            "600 per 10s",
            "1.5/1s",
            "0/1s",
            "0",
            "9999999/1s",
            "9999999999/1ms",
            "600/1d",
            "1/1d",
            "600/0s",
            "a/b",
            "600/10s/2",
            "1/100ms",
            "99999999999999999999",
        ];
        for (keys, texts, rules) in [
            (["payload", "reply"], &sizes[..], [Rule::SizeForm, Rule::SizeRange]),
            (["per_caller", "total"], &rates[..], [Rule::RateForm, Rule::RateRange]),
        ] {
            for (key, text) in keys.iter().flat_map(|key| texts.iter().map(move |text| (key, text))) {
                let (limits, found_rules, messages) = found(format!("{key} = {text:?}").parse().unwrap());
                assert!(limits.is_none() && found_rules.len() == 1, "{key} = {text:?}: {messages:?}");
                assert!(rules.contains(&found_rules[0]), "{key} = {text:?}: {messages:?}");
                // What is above the default of the other is another matter.
                let again = found(suggested(&messages[0]));
                assert!(again.1.iter().all(|rule| *rule == Rule::RateOrder), "{messages:?}, then {:?}", again.2);
            }
        }
        for (written, meant) in [
            ("payload = \"1MB\"", "payload = \"1MiB\""),
            ("payload = \"1.5MiB\"", "payload = \"1536KiB\""),
            ("payload = \"1024\"", "payload = \"1KiB\""),
            ("per_caller = \"600\"", "per_caller = \"600/10s\""),
            ("per_caller = \"600/s\"", "per_caller = \"600/1s\""),
            ("per_caller = \"600/10 sec\"", "per_caller = \"600/10s\""),
            ("total = \"10 per minute\"", "total = \"10/1m\""),
            ("total = \"240/1d\"", "total = \"10/1h\""),
            ("total = \"10/100ms\"", "total = \"100/1s\""),
        ] {
            let (_, _, messages) = found(written.parse().unwrap());
            assert_eq!(suggested(&messages[0]).to_string(), meant, "{messages:?}");
        }
    }

    #[test]
    fn all_callers_together_are_at_least_one() {
        for good in [
            quote!(per_caller = "600/10s", total = "600/10s"),
            quote!(per_caller = "600/1m", total = "600/1s"),
            quote!(per_caller = "6000/10s"),
            quote!(total = "600/10s"),
        ] {
            let (limits, _, messages) = found(good);
            assert!(limits.is_some(), "{messages:?}");
        }
        for bad in [
            quote!(per_caller = "10/1s", total = "9/1s"),
            quote!(per_caller = "10/1s", total = "10/2s"),
            quote!(per_caller = "10/10s", total = "9/1s"),
            quote!(per_caller = "601/1s"),
            quote!(per_caller = "6001/1h"),
            quote!(total = "599/10s"),
            quote!(total = "100/1m"),
            quote!(total = "1000000/1h", per_caller = "1000000/1s"),
        ] {
            let (_, rules, messages) = found(bad.clone());
            assert_eq!(rules, [Rule::RateOrder], "{bad}");
            // Each of the two ways out leads out.
            let help = messages[0].split("help: write ").nth(1).unwrap();
            for way in help.split(", or ").map(|way| way.trim_matches('`')) {
                let key = way.split(' ').next().unwrap();
                let bad = bad.to_string();
                let kept = bad.split(',').map(str::trim).filter(|part| !part.starts_with(key));
                let mended = kept.chain([way]).collect::<Vec<_>>().join(", ");
                let (limits, _, messages) = found(mended.parse().unwrap());
                assert!(limits.is_some(), "{bad}: {mended}: {messages:?}");
            }
        }
    }

    #[test]
    fn a_rate_that_cannot_be_read_is_told_alone() {
        let (_, rules, messages) = found(quote!(per_caller = 5, total = "1/1s"));
        assert_eq!(rules, [Rule::ArgumentValue], "{messages:?}");
        let (_, rules, messages) = found(quote!(per_caler = "1/1s", total = "1/1s"));
        assert_eq!(rules, [Rule::KnownArgument], "{messages:?}");
        let (_, rules, messages) = found(quote!(payload = "1", reply = "0B", concurrency = 0, per_caller = "x"));
        let all = [Rule::SizeForm, Rule::SizeRange, Rule::ConcurrencyRange, Rule::RateForm];
        assert_eq!(rules, all, "{messages:?}");
    }
}
