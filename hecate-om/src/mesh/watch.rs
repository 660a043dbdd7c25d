//! How this node is on the mesh, for health.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::advertise::Shown;
use super::presence::View;
use crate::health::board::{Board, CheckId, Finding};
use crate::health::{Health, Impact};

/// How often the checks are noted.
const EVERY: Duration = Duration::from_secs(1);

/// How long an advertisement may fail before that counts: from its first failure, however often it is
/// tried again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How many advertisements one reason names.
const NAMED: usize = 5;

/// Notes how links and advertisements are, for ever.
pub(crate) async fn watch(board: Arc<Board>, view: Arc<View>) {
    let (table, advertisements) = (view.table(), view.advertisements());
    let link = board.add("mesh.link", Impact::Degrading);
    let offers = board.add("mesh.advertisements", Impact::Degrading);
    let development = view.development().map(|development| (board.add("mesh.development", Impact::Info), development));
    loop {
        if let Some((check, development)) = &development {
            let health = development.trouble().map_or(Health::Ok, Health::degraded);
            note(&board, *check, health);
        }
        let now = Instant::now();
        if let Some(health) = table.health(now) {
            let (up, _) = table.count();
            board.observe(link, up as f64, "links");
            note(&board, link, health);
        }
        let shown = advertisements.shown(now);
        if let Some(health) = health_of(&shown, table.count().0 > 0) {
            board.observe(offers, advertisements.advertised() as f64, "advertised");
            note(&board, offers, health);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn note(board: &Board, check: CheckId, health: Health) {
    board.note(check, Finding { health, code: None, at: Instant::now(), took: Duration::ZERO });
}

/// Nothing while it is too early to say. Without a link it is that which is missing.
fn health_of(shown: &[Shown], is_linked: bool) -> Option<Health> {
    let limit = PATIENCE.as_millis();
    let failing: Vec<_> =
        shown.iter().filter(|shown| shown.failing_ms.is_some_and(|failing| u128::from(failing) >= limit)).collect();
    if failing.is_empty() || !is_linked {
        let all = !shown.is_empty() && shown.iter().all(|shown| shown.is_advertised);
        return all.then_some(Health::Ok);
    }
    let named = failing.iter().take(NAMED).map(|shown| {
        let (error, failing) =
            (shown.error.as_deref().unwrap_or_default(), shown.failing_ms.unwrap_or_default() / 1000);
        format!("`{}` for {failing} s: {error}", shown.procedure)
    });
    let named = named.collect::<Vec<_>>().join("; ");
    let more = failing.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!("; and {more} more"));
    let reason =
        format!("{} of {} are not advertised: {named}{}", failing.len(), shown.len(), more.unwrap_or_default());
    Some(Health::degraded(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(failing_s: Option<u64>) -> Shown {
        Shown {
            procedure: "acme/x_v1".to_owned(),
            is_advertised: failing_s.is_none(),
            age_ms: None,
            error: failing_s.map(|_| "no".to_owned()),
            failing_ms: failing_s.map(|seconds| seconds * 1000),
        }
    }

    #[test]
    fn what_never_succeeds_degrades_a_minute_after_its_first_failure() {
        assert_eq!(health_of(&[shown(None)], true), Some(Health::Ok));
        assert_eq!(health_of(&[shown(Some(59))], true), None);
        let told = health_of(&[shown(None), shown(Some(60))], true).unwrap();
        assert_eq!(told, Health::degraded("1 of 2 are not advertised: `acme/x_v1` for 60 s: no"));
        assert_eq!(health_of(&[shown(Some(600))], false), None, "the link is what is missing");
    }

    #[test]
    fn a_reason_stays_short() {
        let Some(Health::Degraded(reason)) = health_of(&vec![shown(Some(61)); 100], true) else { panic!() };
        assert!(reason.ends_with("; and 95 more"), "{reason}");
    }
}
