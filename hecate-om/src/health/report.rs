//! What is known of a service's health, in the three forms that it is told in: JSON, lines for people,
//! and the `application/health+json` of an IETF draft (draft-inadarei-api-health-check).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};

use super::Impact;
use super::check::Check;

const INFO: &str = "info";
/// The largest body, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// The body of `/health`; members are added, never taken away.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) description: &'static str,
    pub(super) instance: String,
    pub(super) phase: &'static str,
    pub(super) since: String,
    pub(super) uptime_s: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checks: Vec<CheckReport>,
    /// How many checks found no place in the body.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) left_out: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One check of a report, and the body of `/health/{check}`.
#[derive(Debug, Serialize)]
pub(crate) struct CheckReport {
    pub(crate) name: String,
    pub(crate) status: &'static str,
    impact: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
    /// In a row.
    failures: u32,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    every_ms: Option<u64>,
}

impl CheckReport {
    pub(super) fn of(check: &Check, now: Instant, running: bool) -> Self {
        let verdict = check.verdict(now, running);
        Self {
            name: check.name.to_string(),
            status: verdict.word(),
            impact: match check.impact {
                Impact::Critical => "critical",
                Impact::Degrading => "degrading",
                Impact::Info => INFO,
            },
            code: verdict.code,
            reason: verdict.reason.map(std::borrow::Cow::into_owned),
            observed: check.observed.map(|(value, _)| value),
            unit: check.observed.map(|(_, unit)| unit),
            age_ms: check.last.as_ref().map(|last| millis(now.saturating_duration_since(last.at))),
            took_ms: check.last.as_ref().map(|last| millis(last.took)),
            failures: check.failures,
            since: timestamp(check.since),
            every_ms: check.every.map(millis),
        }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Text and numbers have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `[+]disk ok`, or `[-]disk degraded: nearly full`.
    fn to_line(&self) -> String {
        let mark = if self.status == "ok" { '+' } else { '-' };
        let reason = self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("[{mark}]{} {}{reason}\n", self.name, self.status)
    }

    /// Its key, `<component>:<measurement>`, and what it found.
    fn to_draft(&self) -> (String, Value) {
        let (component, measurement) = self.name.split_once('.').unwrap_or((&self.name, "health"));
        let time = self.age_ms.and_then(|age| SystemTime::now().checked_sub(Duration::from_millis(age)));
        let mut found = json!({
            "componentType": if component == "runtime" { "system" } else { "component" },
            "status": draft_word(self.status),
        });
        let members = [
            ("observedValue", json!(self.observed)),
            ("observedUnit", json!(self.unit)),
            ("time", json!(time.map(timestamp))),
            ("output", json!(self.reason)),
        ];
        for (name, value) in members.into_iter().filter(|(_, value)| !value.is_null()) {
            found[name] = value;
        }
        (format!("{component}:{measurement}"), found)
    }
}

impl Report {
    /// This report of one check only.
    ///
    /// # Errors
    /// The names of those that there are.
    pub(crate) fn only(mut self, name: &str) -> Result<Self, Vec<String>> {
        let Some(at) = self.checks.iter().position(|check| check.name == name) else {
            return Err(self.checks.into_iter().map(|check| check.name).collect());
        };
        let check = self.checks.swap_remove(at);
        self.status = check.status;
        self.reason.clone_from(&check.reason);
        self.checks = vec![check];
        Ok(self)
    }

    /// This report as anybody may see it.
    pub(crate) fn without_details(self) -> Self {
        Self { reason: None, checks: Vec::new(), ..self }
    }

    pub(crate) fn checks(&self) -> &[CheckReport] {
        &self.checks
    }

    /// What counts against the service, each with the name of its check.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let counts = |check: &&CheckReport| check.impact != INFO && matches!(check.status, "degraded" | "down");
        let told = |check: &CheckReport| format!("{}: {}", check.name, check.reason.as_deref().unwrap_or_default());
        self.checks.iter().filter(counts).map(told).collect()
    }

    /// As JSON; checks that would make it too large are left out and counted.
    pub(crate) fn into_json(self) -> Vec<u8> {
        // Text and numbers have a JSON form.
        self.fitted(|report| serde_json::to_vec(report).unwrap_or_default())
    }

    /// As the draft has it; checks that would make it too large are left out.
    pub(crate) fn into_draft(self) -> Vec<u8> {
        self.fitted(Self::draft)
    }

    fn fitted(mut self, write: impl Fn(&Self) -> Vec<u8>) -> Vec<u8> {
        loop {
            let body = write(&self);
            if body.len() <= MAX_BODY || self.checks.is_empty() {
                return body;
            }
            let kept = self.checks.len() / 2;
            self.left_out += self.checks.len() - kept;
            self.checks.truncate(kept);
        }
    }

    /// A line for each check and one for it all.
    pub(crate) fn to_text(&self) -> String {
        let mut text: String = self.checks.iter().map(CheckReport::to_line).collect();
        let _ = writeln!(text, "health: {}", self.status);
        text
    }

    fn draft(&self) -> Vec<u8> {
        let mut checks: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (key, found) in self.checks.iter().map(CheckReport::to_draft) {
            checks.entry(key).or_default().push(found);
        }
        let mut body = json!({
            "status": draft_word(self.status),
            "version": self.version.split('.').next().unwrap_or(self.version),
            "releaseId": self.version,
            "serviceId": self.name,
            "description": self.description,
            "notes": [format!("phase: {}", self.phase), format!("since: {}", self.since)],
        });
        if let Some(reason) = &self.reason {
            body["output"] = json!(reason);
        }
        if !checks.is_empty() {
            body["checks"] = json!(checks);
        }
        body.to_string().into_bytes()
    }
}

/// `pass`, `warn` or `fail`. What is starting or draining takes no calls.
fn draft_word(status: &str) -> &'static str {
    match status {
        "ok" => "pass",
        "degraded" | "unknown" => "warn",
        _ => "fail",
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// In whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
