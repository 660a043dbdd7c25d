//! The runtime itself: what was built, what panicked, what was logged, and how late tasks are.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::super::counts;
use super::fold::{Folded, OTHER, fold};
use super::health::label;
use super::{Family, Spread};

/// What was built.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) service: &'static str,
    pub(super) version: &'static str,
}

impl Collector for Build {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "What was built, and with which runtime.";
        let mut build = encoder.encode_descriptor("hecate_build", help, None, MetricType::Info)?;
        let Self { service, version } = *self;
        build.encode_info(&[("service", service), ("version", version), ("hecate_version", env!("CARGO_PKG_VERSION"))])
    }
}

/// The runtime's own numbers.
#[derive(Debug)]
pub(super) struct Runtime {
    handler_panics: u64,
    restarts: Folded<String, u64>,
    lag: Option<Spread>,
}

impl Runtime {
    /// `handler_panics` that callers were told of, `restarts` of each supervised task, `lag` of the event
    /// loop.
    pub(super) fn of(
        handler_panics: u64,
        restarts: impl IntoIterator<Item = (String, u64)>,
        lag: Option<Spread>,
    ) -> Self {
        let restarts = restarts.into_iter().map(|(task, restarts)| (label(&task), restarts));
        let restarts = fold(restarts, OTHER.to_owned(), |all, one| *all += one, |_, _| true);
        Self { handler_panics, restarts, lag }
    }
}

impl Collector for Runtime {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Panics of handlers, and of everything else.";
        let mut panics = Family::counter(&mut encoder, "hecate_panics", help)?;
        panics.counted(&[("scope", "handler")], self.handler_panics)?;
        panics.counted(&[("scope", "task")], counts::TASK_PANICS.get())?;

        let help = "How often a supervised task was started again.";
        let mut restarts = Family::counter(&mut encoder, "hecate_task_restarts", help)?;
        for (task, times) in &self.restarts.sets {
            restarts.counted(&[("task", task)], *times)?;
        }

        let mut lines = Family::counter(&mut encoder, "hecate_log_lines", "Log lines that went out.")?;
        for (level, name) in counts::LEVELS {
            lines.counted(&[("level", name)], counts::lines(level).get())?;
        }
        let help = "Log lines kept back because their place in the code wrote too many.";
        Family::counter(&mut encoder, "hecate_log_suppressed", help)?.counted(&[], counts::SUPPRESSED.get())?;
        let help = "Log lines dropped because nobody read them in time.";
        Family::counter(&mut encoder, "hecate_log_dropped", help)?.counted(&[], counts::DROPPED.get())?;

        if let Some(lag) = &self.lag {
            let (help, unit) = ("How late the workers get to a task that is due.", Some(&Unit::Seconds));
            let mut family = Family::of(&mut encoder, "hecate_event_loop_lag", help, unit, MetricType::Histogram)?;
            family.spread(&[], lag)?;
        }
        Ok(())
    }
}
