//! One check: what it is, what it found, and what that means for the service.

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime};

use thiserror::Error;

use super::{Health, Impact};

/// How long a check may think.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);
/// How often in a row a critical check finds the service down before it counts as down.
pub(super) const PATIENCE: u32 = 3;
/// How many checks a service has, those of the runtime among them.
pub(crate) const MAX_CHECKS: usize = 64;
/// The longest name of a check, in bytes.
const MAX_NAME: usize = 64;
/// The longest reason of one check, in bytes.
const MAX_REASON: usize = 512;
/// How often a change of one check is written to the log, at most.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// Why a check cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// Its name would not fit a path or a metric.
    #[error(
        "a check cannot be named `{}`; help: begin with a lower-case letter, go on with those, digits, `_`, `.` or `-`, at most {MAX_NAME} bytes",
        bounded(.0, MAX_NAME)
    )]
    Name(String),
    /// Another one has this name.
    #[error("there is a check `{0}` already; help: give each check a name of its own")]
    Duplicate(String),
    /// The runtime has, or will have, a check of that name.
    #[error("the check name `{0}` is the runtime's; help: take another, such as `{own}`", own = own_name(.0))]
    Reserved(String),
    /// It would be asked too often or too seldom.
    #[error("the check `{0}` cannot be asked every {1:?}; help: give it a time from 1s to 1h")]
    Interval(String, Duration),
    /// There are as many as there can be.
    #[error("there are {MAX_CHECKS} checks already; help: let one check look at several things")]
    TooMany,
}

/// The first parts of the names that the runtime keeps for its own checks.
const RESERVED: [&str; 8] = ["service", "runtime", "secrets", "task", "mesh", "identity", "advertisement", "station"];

/// Whether a name is one that the runtime keeps for itself: one of these, alone or before a dot.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name.split('.').next().unwrap_or(name))
}

fn own_name(reserved: &str) -> String {
    format!("own-{}", reserved.replace('.', "-"))
}

/// How well something is, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Ok,
    Degraded,
    Down,
}

impl Level {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Degraded => "degraded",
            Level::Down => "down",
        }
    }

    fn of(health: &Health) -> Self {
        match health {
            Health::Ok => Level::Ok,
            Health::Degraded(_) => Level::Degraded,
            Health::Down(_) => Level::Down,
        }
    }
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

/// A check that is to go on the board.
#[derive(Debug, Clone)]
pub(crate) struct NewCheck {
    pub(super) name: Cow<'static, str>,
    pub(super) impact: Impact,
    pub(super) every: Option<Duration>,
    pub(super) patience: u32,
}

impl NewCheck {
    /// One that is noted whenever there is something to note.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, impact: Impact) -> Self {
        Self { name: name.into(), impact, every: None, patience: PATIENCE }
    }

    /// One that is noted so often: when that stops, what it found last counts no more.
    pub(crate) fn every(mut self, time: Duration) -> Self {
        self.every = Some(time);
        self
    }

    /// One that is believed at once when it finds the service down.
    pub(crate) fn believed(mut self) -> Self {
        self.patience = 1;
        self
    }
}

/// A check on the board.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: Cow<'static, str>,
    pub(super) impact: Impact,
    pub(super) every: Option<Duration>,
    pub(super) last: Option<Finding>,
    pub(super) observed: Option<(f64, &'static str)>,
    /// How often in a row it was not well.
    pub(super) failures: u32,
    /// Since when it is well, or is not.
    pub(super) since: SystemTime,
    patience: u32,
    /// How often in a row it found the service down.
    downs: u32,
    added: Instant,
    told: (Level, Option<Instant>),
}

/// What a check means for the service by now.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict<'a> {
    /// Nothing while it has found nothing.
    pub(super) level: Option<Level>,
    pub(super) code: Option<&'static str>,
    pub(super) reason: Option<Cow<'a, str>>,
}

impl Verdict<'_> {
    pub(super) fn word(&self) -> &'static str {
        self.level.map_or("unknown", Level::word)
    }
}

impl Check {
    pub(super) fn new(new: NewCheck, now: Instant) -> Self {
        let NewCheck { name, impact, every, patience } = new;
        Self {
            name,
            impact,
            every,
            last: None,
            observed: None,
            failures: 0,
            since: SystemTime::now(),
            patience,
            downs: 0,
            added: now,
            told: (Level::Ok, None),
        }
    }

    /// Takes what it found; says whether that is news.
    pub(super) fn note(&mut self, mut finding: Finding) -> bool {
        if let Health::Degraded(reason) | Health::Down(reason) = &mut finding.health {
            *reason = Cow::Owned(bounded(reason, MAX_REASON));
        }
        let before = self.last.as_ref().map(|last| &last.health);
        let news = before != Some(&finding.health);
        let level = Level::of(&finding.health);
        if before.is_some_and(|before| (Level::of(before) == Level::Ok) != (level == Level::Ok)) {
            self.since = SystemTime::now();
        }
        let in_a_row = |count: u32, more: bool| if more { count.saturating_add(1) } else { 0 };
        self.failures = in_a_row(self.failures, level != Level::Ok);
        self.downs = in_a_row(self.downs, level == Level::Down);
        self.last = Some(finding);
        news
    }

    /// What it means; `running` when whoever asks it should be doing so.
    pub(super) fn verdict(&self, now: Instant, running: bool) -> Verdict<'_> {
        let level = self.last.as_ref().map(|last| self.weighed(&last.health));
        if running && let Some(age) = self.stale(now) {
            let reason = match &self.last {
                Some(last) => match last.health.reason() {
                    Some(reason) => format!("nothing was found out for {}s, before that: {reason}", age.as_secs()),
                    None => format!("nothing was found out for {}s", age.as_secs()),
                },
                None => format!("nothing was found out in {}s", age.as_secs()),
            };
            let level = level.map_or(Level::Degraded, |level| level.max(Level::Degraded));
            return Verdict { level: Some(level), code: Some("stale"), reason: Some(reason.into()) };
        }
        Verdict {
            level,
            code: self.last.as_ref().and_then(|last| last.code),
            reason: self.last.as_ref().and_then(|last| last.health.reason()).map(Cow::Borrowed),
        }
    }

    /// A single failure of what the service depends on may be a hiccup; what only degrades is never
    /// a reason to be down.
    fn weighed(&self, health: &Health) -> Level {
        match (self.impact, Level::of(health)) {
            (Impact::Degrading, Level::Down) => Level::Degraded,
            (Impact::Critical, Level::Down) if self.downs < self.patience => Level::Degraded,
            (_, level) => level,
        }
    }

    /// The age of what it found, when that is too old to count.
    fn stale(&self, now: Instant) -> Option<Duration> {
        let allowed = self.every? * 3 + LIMIT;
        let age = now.saturating_duration_since(self.last.as_ref().map_or(self.added, |last| last.at));
        (age > allowed).then_some(age)
    }

    /// Whether a line of the log is due; it is taken for written.
    pub(super) fn is_to_be_told(&mut self, level: Level, now: Instant) -> Option<Change> {
        let (told, at) = self.told;
        if told == level || at.is_some_and(|at| now.saturating_duration_since(at) < LOG_PAUSE) {
            return None;
        }
        self.told = (level, Some(now));
        Some(if level > told { Change::Worse } else { Change::Better })
    }
}

/// Which way a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Worse,
    Better,
}

/// Whether a check may be called that: it is part of a path and of a metric.
pub(super) fn is_name(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    // A task may be called as long as any check.
    let own = name.strip_prefix("task.").unwrap_or(name);
    own.len() <= MAX_NAME && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(rest)
}

/// A text on one line, of at most so many bytes.
pub(super) fn bounded(text: &str, most: usize) -> String {
    const CUT: &str = "...";
    let whole = text.len() <= most;
    let mut short = String::with_capacity(text.len().min(most));
    for character in text.chars().map(|character| if character.is_control() { ' ' } else { character }) {
        if !whole && short.len() + character.len_utf8() + CUT.len() > most {
            short.push_str(CUT);
            break;
        }
        short.push(character);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_told_of_changes_and_not_too_often() {
        let begun = Instant::now();
        let mut check = Check::new(NewCheck::new("disk", Impact::Degrading), begun);
        let mut told = |second, level| check.is_to_be_told(level, begun + Duration::from_secs(second));
        assert_eq!(told(0, Level::Ok), None, "it was never unwell");
        assert_eq!(told(1, Level::Degraded), Some(Change::Worse));
        assert_eq!(told(2, Level::Degraded), None);
        assert_eq!(told(3, Level::Ok), None, "so soon after the other line");
        assert_eq!(told(4, Level::Degraded), None);
        assert_eq!(told(12, Level::Degraded), None, "as it was told last");
        assert_eq!(told(13, Level::Down), Some(Change::Worse));
        assert_eq!(told(14, Level::Ok), None);
        assert_eq!(told(23, Level::Ok), Some(Change::Better), "as soon as it may");
        assert_eq!(told(40, Level::Ok), None);
        assert_eq!(told(50, Level::Down), Some(Change::Worse));
        assert_eq!(told(60, Level::Degraded), Some(Change::Better));
    }
}
