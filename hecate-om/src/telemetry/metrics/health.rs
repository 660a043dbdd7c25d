//! How the service is, and its checks.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::super::text::push_visible;
use super::Family;
use super::fold::{Folded, OTHER, fold};

const STATES: [&str; 5] = ["ok", "degraded", "down", "draining", "starting"];

/// The longest label that an author's name becomes, in bytes.
pub(super) const MAX_LABEL: usize = 128;

/// What a check found last.
#[derive(Debug, Clone)]
pub(crate) struct CheckFound {
    pub(crate) name: String,
    pub(crate) is_ok: bool,
    pub(crate) took: Option<Duration>,
    pub(crate) age: Option<Duration>,
}

/// The health of a service.
#[derive(Debug)]
pub(super) struct HealthState {
    state: &'static str,
    checks: Folded<String, CheckFound>,
}

impl HealthState {
    pub(super) fn of(state: &'static str, checks: Vec<CheckFound>) -> Self {
        let checks = checks.into_iter().map(|check| (label(&check.name), check));
        // Of several, the worst.
        let worst = |all: &mut CheckFound, one: CheckFound| {
            all.is_ok &= one.is_ok;
            all.took = all.took.max(one.took);
            all.age = all.age.max(one.age);
        };
        Self { state, checks: fold(checks, OTHER.to_owned(), worst, |_, _| true) }
    }
}

/// A label of a name that an author chose.
pub(super) fn label(name: &str) -> String {
    let mut label = String::new();
    push_visible(&mut label, name);
    label.truncate(label.floor_char_boundary(MAX_LABEL));
    label
}

impl Collector for HealthState {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut status = Family::gauge(&mut encoder, "hecate_health_status", "1 for the state that it is in.")?;
        for state in STATES {
            status.is(&[("state", state)], u64::from(state == self.state))?;
        }
        let mut up = Family::gauge(&mut encoder, "hecate_check_up", "1 when the check found all well.")?;
        for (name, found) in &self.checks.sets {
            up.is(&[("check", name)], u64::from(found.is_ok))?;
        }
        type Which = fn(&CheckFound) -> Option<Duration>;
        let times: [(&str, &str, Which); 2] = [
            ("hecate_check_duration", "How long the check took.", |found| found.took),
            ("hecate_check_age", "How long ago the check ended.", |found| found.age),
        ];
        for (name, help, which) in times {
            let mut family = Family::of(&mut encoder, name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
            for (name, found) in &self.checks.sets {
                if let Some(time) = which(found) {
                    family.is(&[("check", name)], time.as_secs_f64())?;
                }
            }
        }
        Ok(())
    }
}
