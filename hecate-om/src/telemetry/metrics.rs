//! What a service counts, as OpenMetrics text.
//!
//! Nothing is counted for metrics alone: whoever does a thing keeps its numbers, and a scrape reads
//! them. Labels come from what a service declares, never from a caller, and there is a bound for those
//! too.

mod calls;
mod fold;
mod health;
mod mesh;
mod process;
mod runtime;
mod sources;

#[cfg(test)]
pub(crate) use self::fold::MAX_LABEL_SETS;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::histogram::Snapshot;
use crate::health::board::Board;
use crate::health::pulse::Pulse;

/// The most that a scrape gets, in bytes.
pub(crate) const MAX_EXPOSITION: usize = 1024 * 1024;

/// Everything that is counted; `restarts` are those of tasks.
pub(crate) fn exposition(board: &Board, pulse: &Pulse, restarts: Vec<(String, u64)>) -> String {
    let mut groups: Vec<Box<dyn Collector>> = vec![
        Box::new(sources::build(board)),
        Box::new(sources::health(board)),
        Box::new(sources::calls(board)),
        Box::new(sources::runtime(board, pulse, restarts)),
        Box::new(process::Process::now()),
    ];
    groups.extend(sources::mesh(board).map(|mesh| Box::new(mesh) as Box<dyn Collector>));
    written(groups)
}

/// The groups that can be written and have room; never half of one.
fn written(groups: Vec<Box<dyn Collector>>) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for group in groups {
        let before = text.len();
        let mut registry = Registry::default();
        registry.register_collector(group);
        let is_whole = encode_registry(&mut text, &registry).is_ok();
        if !is_whole || text.len() > MAX_EXPOSITION - END.len() {
            text.truncate(before);
        }
    }
    // Writing to a string cannot fail.
    let _ = encode_eof(&mut text);
    text
}

/// How OpenMetrics text ends.
const END: &str = "# EOF\n";

/// The labels of one sample.
type Labels<'a> = [(&'a str, &'a str)];

/// A metric, and its samples as they come.
struct Family<'a>(MetricEncoder<'a>);

impl<'a> Family<'a> {
    fn gauge(encoder: &'a mut DescriptorEncoder<'_>, name: &'a str, help: &str) -> Result<Self, fmt::Error> {
        Self::of(encoder, name, help, None, MetricType::Gauge)
    }

    /// `_total` is added to its name.
    fn counter(encoder: &'a mut DescriptorEncoder<'_>, name: &'a str, help: &str) -> Result<Self, fmt::Error> {
        Self::of(encoder, name, help, None, MetricType::Counter)
    }

    /// `unit` is added to its name.
    fn of(
        encoder: &'a mut DescriptorEncoder<'_>,
        name: &'a str,
        help: &str,
        unit: Option<&'a Unit>,
        kind: MetricType,
    ) -> Result<Self, fmt::Error> {
        encoder.encode_descriptor(name, help, unit, kind).map(Self)
    }

    fn is(&mut self, labels: &Labels<'_>, value: impl EncodeGaugeValue) -> fmt::Result {
        if labels.is_empty() {
            self.0.encode_gauge(&value)
        } else {
            self.0.encode_family(&labels)?.encode_gauge(&value)
        }
    }

    fn counted(&mut self, labels: &Labels<'_>, value: impl EncodeCounterValue) -> fmt::Result {
        if labels.is_empty() {
            return self.0.encode_counter::<NoLabelSet, _, f64>(&value, None);
        }
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
    }

    fn spread(&mut self, labels: &Labels<'_>, seen: &Spread) -> fmt::Result {
        let count = seen.buckets.iter().map(|(_, count)| count).sum();
        if labels.is_empty() {
            return self.0.encode_histogram::<NoLabelSet>(seen.sum, count, &seen.buckets, None);
        }
        self.0.encode_family(&labels)?.encode_histogram::<NoLabelSet>(seen.sum, count, &seen.buckets, None)
    }
}

/// How often values of which size were seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spread {
    /// Upper bounds, ascending to infinity, each with the values above the one before.
    pub(crate) buckets: Vec<(f64, u64)>,
    pub(crate) sum: f64,
}

impl Spread {
    /// What was counted in units of which so many are one of the metric's.
    fn of(seen: &Snapshot, units: f64) -> Self {
        let mut before = 0;
        let mut own = |up_to: u64| up_to.saturating_sub(std::mem::replace(&mut before, up_to));
        let mut buckets: Vec<_> =
            seen.up_to.iter().map(|(bound, up_to)| (*bound as f64 / units, own(*up_to))).collect();
        buckets.push((f64::INFINITY, own(seen.count)));
        Self { buckets, sum: seen.sum as f64 / units }
    }

    fn is_empty(&self) -> bool {
        self.buckets.iter().all(|(_, count)| *count == 0)
    }

    /// Adds what was seen elsewhere, in the same bounds.
    fn add(&mut self, other: &Spread) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|((_, count), (_, more))| *count += more);
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests;
