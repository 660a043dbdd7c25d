//! The last that is known of a service's health: written by the monitor and by boot and drain, read
//! by every request in no time.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use tokio::sync::watch;

use super::{Health, Impact};
use crate::dispatch::Dispatch;
use crate::service::ServiceInfo;

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Running,
    Draining,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Draining => "draining",
        }
    }
}

/// One check on the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckId(usize);

#[derive(Debug, Clone)]
struct Check {
    name: Cow<'static, str>,
    impact: Impact,
    last: Option<Finding>,
}

/// What one check found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) health: Health,
    /// A stable word for a check that failed rather than answered: `timeout` or `panic`.
    pub(crate) code: Option<&'static str>,
    pub(crate) at: Instant,
    pub(crate) took: Duration,
}

#[derive(Debug, Clone)]
struct State {
    phase: Phase,
    since: SystemTime,
    checks: Vec<Check>,
}

/// What is known, for all who ask.
pub(crate) struct Board {
    info: &'static ServiceInfo,
    dispatch: Arc<Dispatch>,
    started: (SystemTime, Instant),
    state: watch::Sender<State>,
}

impl Board {
    pub(crate) fn new(info: &'static ServiceInfo, dispatch: Arc<Dispatch>) -> Arc<Self> {
        let now = SystemTime::now();
        let state = watch::Sender::new(State { phase: Phase::Starting, since: now, checks: Vec::new() });
        Arc::new(Self { info, dispatch, started: (now, Instant::now()), state })
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.state.send_modify(|state| (state.phase, state.since) = (phase, SystemTime::now()));
    }

    /// MERGE: health's.
    pub(crate) fn boot_step(&self, _step: &'static str) {}

    /// MERGE: health's.
    pub(crate) fn is_alive(&self) -> bool {
        true
    }

    /// One line for whoever asks the supervisor.
    pub(crate) fn status_line(&self) -> String {
        let offers = self.info.capabilities.len();
        format!("{} · {offers} capabilities · {} calls in flight", self.report(false).status, self.in_flight())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state.borrow().phase
    }

    /// Adds a check that has found nothing yet.
    pub(crate) fn add(&self, name: impl Into<Cow<'static, str>>, impact: Impact) -> CheckId {
        let mut id = CheckId(0);
        self.state.send_modify(|state| {
            id = CheckId(state.checks.len());
            state.checks.push(Check { name: name.into(), impact, last: None });
        });
        id
    }

    /// Notes what a check found; says whether that is news.
    pub(crate) fn note(&self, id: CheckId, finding: Finding) -> bool {
        let mut news = false;
        self.state.send_modify(|state| {
            let Some(check) = state.checks.get_mut(id.0) else { return };
            news = check.last.as_ref().is_none_or(|before| before.health != finding.health);
            check.last = Some(finding);
            if news {
                state.since = SystemTime::now();
            }
        });
        news
    }

    /// Whether the service takes calls; degraded is ready.
    pub(crate) fn is_ready(&self) -> bool {
        let state = self.state.borrow();
        state.phase == Phase::Running && !matches!(state.health(), Health::Down(_))
    }

    /// How many calls run.
    pub(crate) fn in_flight(&self) -> usize {
        self.dispatch.in_flight()
    }

    /// The whole picture; without `details`, only what anybody may know.
    pub(crate) fn report(&self, details: bool) -> Report {
        let state = self.state.borrow().clone();
        let health = state.health();
        let status = match state.phase {
            Phase::Running => health.word(),
            phase => phase.word(),
        };
        let reason = health.reason().filter(|_| details).map(str::to_owned);
        let checks = if details { state.checks.iter().filter_map(CheckReport::of).collect() } else { Vec::new() };
        Report {
            status,
            reason,
            name: self.info.name,
            version: self.info.version,
            description: self.info.description,
            phase: state.phase.word(),
            since: timestamp(state.since),
            uptime_s: self.started.1.elapsed().as_secs(),
            checks,
        }
    }

    pub(crate) fn info(&self) -> &'static ServiceInfo {
        self.info
    }

    /// When the process started.
    pub(crate) fn started_at(&self) -> String {
        timestamp(self.started.0)
    }
}

impl State {
    fn health(&self) -> Health {
        let found = |check: &Check| {
            let health = check.last.as_ref()?.health.clone();
            match (check.impact, health) {
                (Impact::Info, _) => None,
                (Impact::Degrading, Health::Down(reason)) => Some(Health::Degraded(reason)),
                (_, health) => Some(health),
            }
        };
        let rank = |health: &Health| match health {
            Health::Ok => 0,
            Health::Degraded(_) => 1,
            Health::Down(_) => 2,
        };
        let worst = self.checks.iter().filter_map(found).reduce(|a, b| if rank(&b) > rank(&a) { b } else { a });
        worst.unwrap_or(Health::Ok)
    }
}

/// RFC 3339 in UTC, to the millisecond.
fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// The body of `/health`; members are added, never taken away.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    name: &'static str,
    version: &'static str,
    description: &'static str,
    phase: &'static str,
    since: String,
    uptime_s: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckReport>,
}

impl Report {
    pub(crate) fn phase(&self) -> &'static str {
        self.phase
    }
}

#[derive(Debug, Serialize)]
struct CheckReport {
    name: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    age_ms: u64,
    took_ms: u64,
}

impl CheckReport {
    fn of(check: &Check) -> Option<Self> {
        let found = check.last.as_ref()?;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Some(Self {
            name: check.name.to_string(),
            status: found.health.word(),
            code: found.code,
            reason: found.health.reason().map(str::to_owned),
            age_ms: millis(found.at.elapsed()),
            took_ms: millis(found.took),
        })
    }
}
