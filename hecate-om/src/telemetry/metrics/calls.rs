//! Calls: how many, how long, how large, and how they ended.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::fold::{Folded, OTHER, fold};
use super::{Family, Spread};

/// What all samples of calls may take together, in bytes.
const MAX_CALLS: usize = 768 * 1024;

/// What a sample takes besides the name of its capability, at most.
const SAMPLE: usize = 112;

/// What was counted of one capability.
#[derive(Debug, Clone)]
pub(crate) struct CallCounts {
    pub(crate) capability: &'static str,
    pub(crate) version: u16,
    pub(crate) in_flight: u64,
    /// How calls ended; every way is there, though none ended so.
    pub(crate) outcomes: Vec<(&'static str, u64)>,
    /// In seconds.
    pub(crate) duration: Spread,
    pub(crate) request_bytes: Spread,
    pub(crate) reply_bytes: Spread,
}

impl CallCounts {
    fn add(&mut self, other: CallCounts) {
        self.in_flight += other.in_flight;
        for (mine, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            debug_assert_eq!(mine.0, more.0);
            mine.1 += more.1;
        }
        self.duration.add(&other.duration);
        self.request_bytes.add(&other.request_bytes);
        self.reply_bytes.add(&other.reply_bytes);
    }

    fn spreads(&self) -> [&Spread; 3] {
        [&self.duration, &self.request_bytes, &self.reply_bytes]
    }

    /// What its samples take.
    fn size(&self) -> usize {
        let spreads = self.spreads().into_iter().filter(|spread| !spread.is_empty());
        let samples = 1 + self.outcomes.len() + spreads.map(|spread| spread.buckets.len() + 2).sum::<usize>();
        samples * (SAMPLE + self.capability.len())
    }
}

/// The calls of a service.
#[derive(Debug)]
pub(super) struct Calls {
    /// By name and version.
    versions: Folded<(&'static str, String), CallCounts>,
    /// By name alone.
    names: Folded<&'static str, CallCounts>,
    unknown: u64,
}

impl Calls {
    /// `all` in the order of declaration; `unknown` calls were for what is not here.
    pub(super) fn of(all: Vec<CallCounts>, unknown: u64) -> Self {
        let mut size = 0;
        let mut fits = move |counts: &CallCounts| {
            size += counts.size();
            size <= MAX_CALLS
        };
        let by_version = all.iter().map(|counts| ((counts.capability, counts.version.to_string()), counts.clone()));
        let versions = fold(by_version, (OTHER, OTHER.to_owned()), CallCounts::add, |_, counts| fits(counts));
        // What the versions of a name take has been counted; a name takes no more than its first version.
        let kept: std::collections::HashSet<_> = versions.sets.iter().map(|((name, _), _)| *name).collect();
        let by_name = all.into_iter().map(|counts| (counts.capability, counts));
        let names = fold(by_name, OTHER, CallCounts::add, |name, _| kept.contains(name));
        Self { versions, names, unknown }
    }
}

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut calls = Family::counter(&mut encoder, "hecate_calls", "Calls that have ended, by how they ended.")?;
        for ((name, version), counts) in &self.versions.sets {
            for (outcome, count) in &counts.outcomes {
                let labels = [("capability", *name), ("version", version), ("outcome", outcome)];
                calls.counted(&labels, *count)?;
            }
        }
        let help = "Calls for capabilities that are not here.";
        Family::counter(&mut encoder, "hecate_unknown_calls", help)?.counted(&[], self.unknown)?;
        let seconds = Some(&Unit::Seconds);
        let help = "How long calls took; of a capability that was called.";
        let mut durations = Family::of(&mut encoder, "hecate_call_duration", help, seconds, MetricType::Histogram)?;
        for ((name, version), counts) in &self.versions.sets {
            if !counts.duration.is_empty() {
                durations.spread(&[("capability", *name), ("version", version)], &counts.duration)?;
            }
        }
        let mut running = Family::gauge(&mut encoder, "hecate_calls_in_flight", "Calls that run now.")?;
        for (name, counts) in &self.names.sets {
            running.is(&[("capability", name)], counts.in_flight)?;
        }
        type Which = fn(&CallCounts) -> &Spread;
        let sizes: [(&str, &str, Which); 2] = [
            ("hecate_call_request", "The sizes of requests.", |counts| &counts.request_bytes),
            ("hecate_call_response", "The sizes of replies.", |counts| &counts.reply_bytes),
        ];
        for (name, help, which) in sizes {
            let bytes = Some(&Unit::Bytes);
            let mut family = Family::of(&mut encoder, name, help, bytes, MetricType::Histogram)?;
            for (name, counts) in &self.names.sets {
                if !which(counts).is_empty() {
                    family.spread(&[("capability", name)], which(counts))?;
                }
            }
        }
        let help = "Capabilities whose numbers are under `_other`, because there are so many.";
        Family::gauge(&mut encoder, "hecate_metrics_folded", help)?.is(&[], self.versions.folded as u64)
    }
}
