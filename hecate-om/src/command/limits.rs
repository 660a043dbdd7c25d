//! `limits`: shows what each capability of the running service takes, and changes it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::client::{ask, capability_of};
use super::{complain, print};
use crate::config::Config;
use crate::exit;
use crate::guard::Rate;
use crate::guard::change::{CONCURRENCY, PAYLOAD, PER_CALLER, REPLY, TOTAL};
use crate::service::ServiceInfo;

/// The options that change a limit, with what each is called on the wire.
pub(super) const OPTIONS: [(&str, &str); 5] = [
    ("payload", PAYLOAD),
    ("reply", REPLY),
    ("concurrency", CONCURRENCY),
    ("per-caller", PER_CALLER),
    ("total", TOTAL),
];

/// What an option of that name asks for.
///
/// # Errors
/// What it takes.
pub(super) fn read(option: &str, text: &str) -> Result<Value, String> {
    let value = match option {
        "payload" | "reply" => size(text).map(Value::from).ok_or("a size, such as 64KiB or 1MiB"),
        "concurrency" => text.parse::<u64>().ok().map(Value::from).ok_or("a number"),
        _ => rate(text).ok_or("a rate, such as 100/10s"),
    };
    value.map_err(|wanted| format!("`--{option}` takes {wanted}, found `{}`", text.escape_debug()))
}

/// Bytes of `512`, `512B`, `64KiB` or `1MiB`.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text);
    let unit = match unit {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// `100/10s`.
fn rate(text: &str) -> Option<Value> {
    let (calls, period) = text.split_once('/')?;
    let (number, unit) = split(period);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let period = number.parse::<u64>().ok()?.checked_mul(unit)?;
    Some(json!({"calls": calls.parse::<u64>().ok()?, "period_ms": period}))
}

fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Shows the limits of all capabilities or of one; changes those of one that `change` names, first.
pub(super) async fn limits(
    info: &ServiceInfo,
    config: &Config,
    capability: Option<&str>,
    change: Map<String, Value>,
    is_json: bool,
) -> u8 {
    let wanted = match capability.map(|capability| capability_of(info, capability)).transpose() {
        Ok(wanted) => wanted,
        Err(code) => return code,
    };
    let of_scope = |name: &str| format!("{}.{name}", info.identity.scope);
    let told = match wanted {
        Some((name, version)) if !change.is_empty() => {
            let mut request = change;
            request.insert("name".to_owned(), name.into());
            request.insert("version".to_owned(), version.into());
            let body = Value::Object(request).to_string();
            ask(info, config, &of_scope("set_limits"), 1, body).await.map(|told| vec![document(&told)])
        }
        _ => ask(info, config, &of_scope("get_limits"), 1, "{}".to_owned()).await.map(|told| {
            let mut told = document(&told);
            let all = told["capabilities"].as_array_mut().map(std::mem::take).unwrap_or_default();
            let is_wanted = |told: &Value| wanted.is_none_or(|(name, version)| is(told, name, version));
            all.into_iter().filter(is_wanted).collect()
        }),
    };
    match (told, wanted) {
        (Err(code), _) => code,
        (Ok(told), Some((name, version))) if told.is_empty() => {
            complain(&format!("no capability `{name}@{version}` is here; help: `{} limits` lists all", info.name));
            exit::USAGE
        }
        (Ok(told), _) if is_json => print(&format!("{}\n", json!({"capabilities": told}))),
        (Ok(told), _) => print(&table(&told)),
    }
}

/// What the service says is JSON.
fn document(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn is(told: &Value, name: &str, version: u16) -> bool {
    told["name"] == name && told["version"] == version
}

/// A line for each limit, in the words that change it.
fn table(capabilities: &[Value]) -> String {
    let mut lines = vec![["CAPABILITY", "LIMIT", "DECLARED", "NOW", "RUNNING", "REFUSED"].map(str::to_owned)];
    for told in capabilities {
        let mut name = format!("{}@{}", told["name"].as_str().unwrap_or_default(), told["version"]);
        for (option, field) in &OPTIONS {
            let value = |which: &str| shown(field, &told[which][*field]);
            let running = if *field == CONCURRENCY { told["running"].to_string() } else { String::new() };
            let refused = told["refused"][*field].to_string();
            let option = (*option).to_owned();
            lines.push([std::mem::take(&mut name), option, value("declared"), value("current"), running, refused]);
        }
        let refused = told["refused"]["access"].to_string();
        let none = String::new;
        lines.push([none(), "access".to_owned(), none(), none(), none(), refused]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<_> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A limit as it is typed.
fn shown(field: &str, value: &Value) -> String {
    match field {
        PAYLOAD | REPLY => match value.as_u64().unwrap_or(0) {
            bytes if bytes > 0 && bytes % (1024 * 1024) == 0 => format!("{}MiB", bytes / (1024 * 1024)),
            bytes if bytes > 0 && bytes % 1024 == 0 => format!("{}KiB", bytes / 1024),
            bytes => format!("{bytes}B"),
        },
        PER_CALLER | TOTAL => {
            let calls = value["calls"].as_u64().and_then(|calls| u32::try_from(calls).ok()).unwrap_or(0);
            let period = Duration::from_millis(value["period_ms"].as_u64().unwrap_or(0));
            short(Rate { calls, period })
        }
        _ => value.to_string(),
    }
}

fn short(rate: Rate) -> String {
    match rate.period.as_millis() {
        hours if hours > 0 && hours % 3_600_000 == 0 => format!("{}/{}h", rate.calls, hours / 3_600_000),
        minutes if minutes > 0 && minutes % 60_000 == 0 => format!("{}/{}m", rate.calls, minutes / 60_000),
        seconds if seconds % 1000 == 0 => format!("{}/{}s", rate.calls, seconds / 1000),
        milliseconds => format!("{}/{milliseconds}ms", rate.calls),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_shown_as_it_is_typed() {
        for (option, texts) in [
            ("payload", ["1B", "64KiB", "16MiB"].as_slice()),
            ("concurrency", &["1", "65536"]),
            ("per-caller", &["1/1s", "600/10s", "5/1500ms", "7/5m", "1/1h"]),
        ] {
            let field = OPTIONS.iter().find(|(name, _)| *name == option).unwrap().1;
            for text in texts {
                assert_eq!(shown(field, &read(option, text).unwrap()), **text);
            }
        }
        assert_eq!(read("reply", "512"), Ok(json!(512)));
    }

    #[test]
    fn what_is_no_limit_is_told_with_what_is_one() {
        for (option, texts, wanted) in [
            ("payload", ["", "1MB", "-1", "KiB", "1.5MiB", "99999999999999999999"].as_slice(), "64KiB"),
            ("concurrency", &["", "many", "-1", "1.0"], "a number"),
            ("total", &["", "100", "100/", "/10s", "100/10", "x/10s", "100/10d"], "100/10s"),
        ] {
            for text in texts {
                let told = read(option, text).unwrap_err();
                assert!(told.starts_with(&format!("`--{option}` takes ")) && told.contains(wanted), "{told}");
            }
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_limit_in_columns() {
        let limits = json!({PAYLOAD: 1024, REPLY: 1_048_576, CONCURRENCY: 8, PER_CALLER: {"calls": 6, "period_ms": 10_000}, TOTAL: {"calls": 60, "period_ms": 60_000}});
        let refused = json!({PAYLOAD: 1, REPLY: 0, CONCURRENCY: 2, PER_CALLER: 3, TOTAL: 0, "access": 4});
        let told = json!({"name": "lab.say", "version": 1, "declared": limits, "current": limits, "running": 5, "refused": refused});
        let expected = "\
CAPABILITY  LIMIT        DECLARED  NOW    RUNNING  REFUSED
lab.say@1   payload      1KiB      1KiB            1
            reply        1MiB      1MiB            0
            concurrency  8         8      5        2
            per-caller   6/10s     6/10s           3
            total        60/1m     60/1m           0
            access                                 4
";
        assert_eq!(table(&[told]), expected);
    }
}
