//! The last that is known of a service's health: written by whoever finds something out and by boot
//! and drain, read by every request in no time.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::Impact;
use super::check::{Change, Check, CheckError, Level, MAX_CHECKS, NewCheck, bounded, is_name};
use super::report::{CheckReport, Report, timestamp};
use crate::dispatch::Dispatch;
use crate::service::ServiceInfo;
use crate::telemetry;

pub(crate) use super::check::Finding;

/// The longest reason of a service, in bytes.
const MAX_REASON: usize = 1024;

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Running,
    Draining,
}

impl Phase {
    pub(crate) fn word(self) -> &'static str {
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

impl CheckId {
    /// No check: what is noted of it is forgotten.
    const NONE: Self = Self(usize::MAX);
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// What boot is at, and since when.
    step: (&'static str, Instant),
    drain_until: Option<Instant>,
    /// The word for it all, and since when it is that.
    status: &'static str,
    since: SystemTime,
    checks: Vec<Check>,
}

/// What is known, for all who ask.
pub(crate) struct Board {
    info: &'static ServiceInfo,
    dispatch: Arc<Dispatch>,
    instance: &'static str,
    started: (SystemTime, Instant),
    state: Mutex<State>,
    changes: watch::Sender<&'static str>,
    mesh: OnceLock<ShowMesh>,
}

/// Tells how the service is on the mesh, with or without what is only for callers on this box.
type ShowMesh = Box<dyn Fn(bool) -> OnTheMesh + Send + Sync>;

/// How the service is on the mesh.
#[derive(Debug)]
pub(crate) struct OnTheMesh {
    /// How many links are up.
    pub(crate) links: usize,
    /// How many procedures are offered, and how many of them are found.
    pub(crate) offered: usize,
    pub(crate) advertised: usize,
    /// How many calls the station of this process has passed on, if there is one.
    pub(crate) relayed: Option<u64>,
    /// All of it, for `/info`.
    pub(crate) told: serde_json::Value,
}

impl Board {
    pub(crate) fn new(info: &'static ServiceInfo, dispatch: Arc<Dispatch>) -> Arc<Self> {
        let (time, now) = (SystemTime::now(), Instant::now());
        let phase = Phase::Starting;
        let state = State {
            phase,
            step: ("boot", now),
            drain_until: None,
            status: phase.word(),
            since: time,
            checks: Vec::new(),
        };
        Arc::new(Self {
            info,
            dispatch,
            instance: telemetry::instance(),
            started: (time, now),
            state: Mutex::new(state),
            changes: watch::Sender::new(phase.word()),
            mesh: OnceLock::new(),
        })
    }

    /// The next phase has begun.
    pub(crate) fn enter(&self, phase: Phase) {
        self.change(|state, _| state.phase = phase);
    }

    /// What boot is at from now on, for those who wait for its end.
    pub(crate) fn boot_step(&self, step: &'static str) {
        self.change(|state, now| state.step = (step, now));
    }

    /// When the drain will be over at the latest.
    pub(crate) fn drain_until(&self, end: Instant) {
        self.change(|state, _| state.drain_until = Some(end));
    }

    /// From now on `shown` tells how the service is on the mesh.
    #[cfg(feature = "macula")]
    pub(crate) fn show_mesh(&self, show: ShowMesh) {
        let _ = self.mesh.set(show);
    }

    /// How the service is on the mesh, if it is.
    pub(crate) fn mesh(&self, with_details: bool) -> Option<OnTheMesh> {
        Some(self.mesh.get()?(with_details))
    }

    /// One line for whoever asks the supervisor.
    pub(crate) fn status_line(&self) -> String {
        let (summary, offers) = (self.summary(), self.info.capabilities.len());
        let reason = summary.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{} · {offers} capabilities · {} calls in flight{reason}", summary.status, self.in_flight())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// What boot is at, and for how long.
    pub(crate) fn step(&self) -> (&'static str, Duration) {
        let (step, begun) = self.state().step;
        (step, begun.elapsed())
    }

    /// How long the drain may still take.
    pub(crate) fn drain_left(&self) -> Option<Duration> {
        self.state().drain_until.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Adds a check that has found nothing yet; one that cannot be had is told in the log and shows
    /// nowhere.
    pub(crate) fn add(&self, name: impl Into<Cow<'static, str>>, impact: Impact) -> CheckId {
        self.declare(NewCheck::new(name, impact)).unwrap_or_else(|error| {
            tracing::warn!(%error, "a check is not shown");
            CheckId::NONE
        })
    }

    /// Adds a check that is noted so often.
    ///
    /// # Errors
    /// As [`declare`](Self::declare).
    pub(crate) fn add_periodic(
        &self,
        name: impl Into<Cow<'static, str>>,
        impact: Impact,
        every: Duration,
    ) -> Result<CheckId, CheckError> {
        self.declare(NewCheck::new(name, impact).every(every))
    }

    /// Adds a check that has found nothing yet.
    ///
    /// # Errors
    /// When its name is none, or taken, or when there are enough.
    pub(crate) fn declare(&self, check: NewCheck) -> Result<CheckId, CheckError> {
        if !is_name(&check.name) {
            return Err(CheckError::Name(check.name.into_owned()));
        }
        self.change(|state, now| {
            if state.checks.iter().any(|known| known.name == check.name) {
                return Err(CheckError::Duplicate(check.name.into_owned()));
            }
            if state.checks.len() == MAX_CHECKS {
                return Err(CheckError::TooMany);
            }
            state.checks.push(Check::new(check, now));
            Ok(CheckId(state.checks.len() - 1))
        })
    }

    /// Notes what a check found; says whether that is news. The log is told when it matters.
    pub(crate) fn note(&self, id: CheckId, finding: Finding) -> bool {
        let (news, line) = self.change(|state, now| {
            let running = state.phase == Phase::Running;
            let Some(check) = state.checks.get_mut(id.0) else { return (false, None) };
            let news = check.note(finding);
            let Some(level) = check.verdict(now, running).level else { return (news, None) };
            let Some(change) = check.is_to_be_told(level, now) else { return (news, None) };
            let verdict = check.verdict(now, running);
            let reason = verdict.reason.unwrap_or_default().into_owned();
            (news, Some((change, check.name.clone(), level.word(), verdict.code, reason)))
        });
        match line {
            Some((Change::Worse, check, status, code, reason)) => {
                tracing::warn!(%check, status, code, reason, "health changed");
            }
            Some((Change::Better, check, status, code, reason)) => {
                tracing::info!(%check, status, code, reason, "health changed");
            }
            None => {}
        }
        news
    }

    /// Notes what a check measured, with its unit.
    pub(crate) fn observe(&self, id: CheckId, value: f64, unit: &'static str) {
        if let Some(check) = self.state().checks.get_mut(id.0) {
            check.observed = Some((value, unit));
        }
    }

    /// Looks at the clock: what was not renewed for too long counts no more. Readers do so themselves;
    /// this is for those who wait for [`changes`](Self::changes).
    pub(crate) fn look(&self) {
        self.change(|_, _| ());
    }

    /// The status of the service, and each change of it.
    pub(crate) fn changes(&self) -> watch::Receiver<&'static str> {
        self.changes.subscribe()
    }

    /// Whether the service takes calls; degraded is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.change(|state, now| state.phase == Phase::Running && state.level(now) < Level::Down)
    }

    /// Where calls are counted.
    pub(crate) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    /// How many calls run.
    pub(crate) fn in_flight(&self) -> usize {
        self.dispatch.in_flight()
    }

    /// The whole picture; without `details`, only what anybody may know.
    pub(crate) fn report(&self, details: bool) -> Report {
        self.report_at(Instant::now(), details)
    }

    fn report_at(&self, now: Instant, details: bool) -> Report {
        let (status, phase, since, reason, checks) = self.change_at(now, |state, now| {
            let running = state.phase == Phase::Running;
            let (mut reason, mut checks) = (None, Vec::new());
            if details {
                reason = state.reason(now);
                checks = state.checks.iter().map(|check| CheckReport::of(check, now, running)).collect();
            }
            (state.status, state.phase, state.since, reason, checks)
        });
        Report {
            status,
            reason,
            name: self.info.name,
            version: self.info.version,
            description: self.info.description,
            instance: self.instance.to_owned(),
            phase: phase.word(),
            since: timestamp(since),
            uptime_s: self.started.1.elapsed().as_secs(),
            checks,
            left_out: 0,
        }
    }

    /// What metrics and supervisors are told.
    pub(crate) fn summary(&self) -> Summary {
        self.change(|state, now| Summary {
            status: state.status,
            reason: state.reason(now),
            checks: state.checks.iter().map(|check| CheckSummary::of(check, now, state.phase)).collect(),
        })
    }

    pub(crate) fn info(&self) -> &'static ServiceInfo {
        self.info
    }

    /// Another one for each start of a process: 128 bits in hexadecimal.
    pub(crate) fn instance(&self) -> &'static str {
        self.instance
    }

    /// When the process started.
    pub(crate) fn started_at(&self) -> String {
        timestamp(self.started.0)
    }

    fn change<T>(&self, action: impl FnOnce(&mut State, Instant) -> T) -> T {
        self.change_at(Instant::now(), action)
    }

    /// Acts on the state, before and after which its status is what the clock and the checks say.
    fn change_at<T>(&self, now: Instant, action: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state();
        self.settle(&mut state, now);
        let result = action(&mut state, now);
        self.settle(&mut state, now);
        result
    }

    fn settle(&self, state: &mut State, now: Instant) {
        let status = match state.phase {
            Phase::Running => state.level(now).word(),
            phase => phase.word(),
        };
        if status != state.status {
            (state.status, state.since) = (status, SystemTime::now());
            self.changes.send_replace(status);
        }
    }

    /// The state; nothing that is done under its lock can leave it half-done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What counts against the service: the checks that are not well, and how bad each is.
    fn causes(&self, now: Instant) -> impl Iterator<Item = (&Check, Level)> {
        let running = self.phase == Phase::Running;
        let counts = self.checks.iter().filter(|check| check.impact != Impact::Info);
        counts.filter_map(move |check| {
            let level = check.verdict(now, running).level?;
            (level != Level::Ok).then_some((check, level))
        })
    }

    fn level(&self, now: Instant) -> Level {
        self.causes(now).map(|(_, level)| level).max().unwrap_or(Level::Ok)
    }

    /// All causes, the worst first. The service's own word needs no name before it.
    fn reason(&self, now: Instant) -> Option<String> {
        let running = self.phase == Phase::Running;
        let mut causes: Vec<_> = self.causes(now).collect();
        causes.sort_by_key(|(_, level)| std::cmp::Reverse(*level));
        let told = causes.into_iter().map(|(check, _)| {
            let reason = check.verdict(now, running).reason.unwrap_or_default().into_owned();
            if check.name == SERVICE { reason } else { format!("{}: {reason}", check.name) }
        });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| bounded(&told.join("; "), MAX_REASON))
    }
}

/// The check that is the service's own word.
pub(super) const SERVICE: &str = "service";

/// What metrics and supervisors are told of a service.
#[derive(Debug)]
pub(crate) struct Summary {
    /// `starting`, `ok`, `degraded`, `down` or `draining`.
    pub(crate) status: &'static str,
    /// All causes, on one line.
    pub(crate) reason: Option<String>,
    pub(crate) checks: Vec<CheckSummary>,
}

/// What metrics are told of one check.
#[derive(Debug)]
pub(crate) struct CheckSummary {
    pub(crate) name: Cow<'static, str>,
    /// Whether it found nothing wrong.
    pub(crate) up: bool,
    pub(crate) took: Option<Duration>,
    pub(crate) age: Option<Duration>,
}

impl CheckSummary {
    fn of(check: &Check, now: Instant, phase: Phase) -> Self {
        let verdict = check.verdict(now, phase == Phase::Running);
        let last = check.last.as_ref();
        Self {
            name: check.name.clone(),
            up: verdict.level == Some(Level::Ok),
            took: last.map(|last| last.took),
            age: last.map(|last| now.saturating_duration_since(last.at)),
        }
    }
}

#[cfg(test)]
mod tests;
