//! The table of limits in SECURITY.md, held against the constants.

use std::time::Duration;

use crate::capability::MAX_HOPS;
use crate::capability::trace::{MAX_STATE, MAX_STATE_MEMBERS};
use crate::config::{LONGEST, setting};
use crate::dispatch::{MAX_REPLY, MAX_REQUEST};
use crate::guard::{Limits, Rate, rate};
use crate::health::check::{LIMIT, MAX_CHECKS};
use crate::health::{MAX_BODY, endpoint};
use crate::listener::{HEAD_TIMEOUT, MAX_HEAD, READ_TIMEOUT};
use crate::local::{self, DISCARD_TIME, MAX_DISCARDED, MOST_CHANGES};
use crate::mesh::link::{MOST_REMEMBERED, MOST_SESSIONS, MOST_SESSIONS_OF_ONE, admission};
use crate::mesh::{announce, outbound, stream, value};
use crate::secret::{MAX_BYTES, MAX_SECRETS};
use crate::tasks::MAX_TASKS;
use crate::telemetry::metrics::{MAX_EXPOSITION, MAX_LABEL_SETS};
use crate::telemetry::{LINES, MAX_LINE, MAX_VALUE, MAX_WAITING, WINDOW};

const SECURITY: &str = include_str!("../../SECURITY.md");

/// 1,048,576.
fn number(value: impl TryInto<u64>) -> String {
    let digits = value.try_into().map_err(drop).unwrap().to_string();
    let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    let groups = rest.as_bytes().chunks(3).map(|group| str::from_utf8(group).unwrap());
    std::iter::once(first).chain(groups).collect::<Vec<_>>().join(",")
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

/// What is bounded, and how.
fn rows() -> Vec<(&'static str, String)> {
    let bytes = |value| format!("{} bytes", number(value));
    let at_once = |rate: Rate| format!("{} in {}", number(rate.calls), seconds(rate.period));
    let files = |most: usize, share: &str| format!("{}, and {share} of the process's files", number(most));
    let station = hecate_om_station::Limits::default();
    let stop_timeout = setting::STOP_TIMEOUT.default.trim_matches('`').replace('s', " s");
    vec![
        ("request", bytes(MAX_REQUEST)),
        (
            "what is still read of a request that is refused",
            format!("{}, {}", bytes(MAX_DISCARDED), seconds(DISCARD_TIME)),
        ),
        ("reply", bytes(MAX_REPLY)),
        ("calls of one capability at once", number(Limits::DEFAULT.concurrency)),
        ("calls of one capability by one node of the mesh", at_once(Limits::DEFAULT.per_caller)),
        ("calls of one capability by all nodes of the mesh", at_once(Limits::DEFAULT.total)),
        (
            "what is kept of the nodes that call a capability",
            format!(
                "{}; with other rates {}",
                bytes(rate::memory(Limits::DEFAULT).next_power_of_two()),
                bytes(rate::MOST_MEMORY)
            ),
        ),
        (
            "changes of limits of a running service",
            format!("{} in {}, no limit above what is declared, nor at nothing", number(MOST_CHANGES), seconds(WINDOW)),
        ),
        ("calls that led to a call", number(MAX_HOPS)),
        ("providers that one call is brought to", number(outbound::MOST_ATTEMPTS)),
        (
            "a message on the mesh",
            format!(
                "{}, {} values and keys, {} levels",
                bytes(value::MAX_BYTES),
                number(value::MAX_ITEMS),
                value::MAX_DEPTH
            ),
        ),
        (
            "calls of one node, and of all, that are remembered so that none runs twice",
            format!("{}, {}", number(admission(&[]).caller_quota), number(MOST_REMEMBERED)),
        ),
        (
            "streams of one node over the mesh at once, and of all",
            format!("{}, {}", number(MOST_SESSIONS_OF_ONE), number(MOST_SESSIONS)),
        ),
        (
            "what of a stream over the mesh was sent and not taken",
            format!("{} bytes, and one item", number(stream::WINDOW)),
        ),
        (
            "what waits unread of the streams that one node opened, and all",
            format!("{}, {}", bytes(admission(&[]).inbox_bytes_per_caller), bytes(admission(&[]).inbox_bytes)),
        ),
        (
            "nodes whose announcements are remembered, and their filters",
            format!("{}, {}", number(announce::MAX_ORIGINS), bytes(announce::MAX_BYTES)),
        ),
        ("connections of the development station", number(station.connections)),
        (
            "calls that wait at the development station, and those of one caller",
            format!("{}, {}", number(station.pending_calls), number(station.pending_calls_of_one)),
        ),
        ("records of the development station", format!("{}, {}", number(station.records), bytes(station.record_bytes))),
        ("time of one call, its body included", "the capability's `timeout`".to_owned()),
        ("`tracestate` of a call", format!("{}, {MAX_STATE_MEMBERS} members", bytes(MAX_STATE))),
        ("head of a request", format!("{}, {}", bytes(MAX_HEAD), seconds(HEAD_TIMEOUT))),
        ("pause of a caller that reads its reply", seconds(READ_TIMEOUT)),
        ("connections of the local API", files(local::LIMITS.connections, "half")),
        ("connections of the health listener", files(endpoint::LIMITS.connections, "a quarter")),
        ("body of `/health`", bytes(MAX_BODY)),
        ("body of `/metrics`", bytes(MAX_EXPOSITION)),
        ("label sets of a metric", number(MAX_LABEL_SETS)),
        ("checks, those of tasks and of the runtime among them", number(MAX_CHECKS)),
        ("time of one check", seconds(LIMIT)),
        ("tasks of a service", number(MAX_TASKS)),
        ("secrets of a service", number(MAX_SECRETS)),
        ("a secret", bytes(MAX_BYTES)),
        ("a configuration file", bytes(usize::try_from(LONGEST).unwrap())),
        ("a log line, and one value in it", format!("{}, {}", bytes(MAX_LINE), bytes(MAX_VALUE))),
        ("log lines from one place in the code", format!("{LINES} in {}", seconds(WINDOW))),
        ("log lines that wait for a reader", bytes(MAX_WAITING)),
        ("drain", format!("`HECATE_STOP_TIMEOUT`, {stop_timeout}")),
    ]
}

#[test]
fn the_table_of_limits_is_that_of_the_code() {
    let table = SECURITY.split("| what | limit | beyond it |\n|---|---|---|\n").nth(1).unwrap();
    let told = table.lines().take_while(|line| line.starts_with('|'));
    let told: Vec<_> = told.map(|line| line.split('|').map(str::trim).skip(1).take(2).collect::<Vec<_>>()).collect();
    let held: Vec<_> = rows().into_iter().map(|(what, limit)| vec![what.to_owned(), limit]).collect();
    assert_eq!(told, held);
}

#[test]
fn numbers_are_written_in_groups_of_three() {
    for (value, text) in [(5, "5"), (256, "256"), (1024, "1,024"), (1_048_576, "1,048,576")] {
        assert_eq!(number(value), text);
    }
}
