//! What is known of each station that is dialed, and what that means for health.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::config::mesh::Station;
use crate::health::Health;
use crate::mesh::refusal::Trouble;
use crate::node_id::NodeId;

/// How long no link may be up before that is worth telling: a station that starts again takes a moment.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// How long a link must last before all is well: by one that comes and goes, hardly anybody is found.
const STEADY: Duration = Duration::from_secs(2);

/// The stations that are dialed.
pub(crate) struct Table {
    rows: Mutex<Rows>,
    /// What happens from now on is meant to.
    is_leaving: AtomicBool,
    /// The station is that of a developer's box: it goes with the service that runs it, and is back at once.
    is_development: bool,
    changes: watch::Sender<()>,
}

struct Rows {
    stations: Vec<Row>,
    /// Since when no link has been up that lasted.
    down_since: Option<Instant>,
    /// Since when a link is up.
    up_since: Option<Instant>,
    /// How often one came up since `down_since`.
    came: u32,
}

struct Row {
    node: NodeId,
    place: String,
    is_up: bool,
    trouble: Option<Trouble>,
}

impl Table {
    pub(crate) fn new(is_development: bool) -> Self {
        let rows = Rows { stations: Vec::new(), down_since: Some(Instant::now()), up_since: None, came: 0 };
        let (rows, is_leaving) = (Mutex::new(rows), AtomicBool::new(false));
        Self { rows, is_leaving, is_development, changes: watch::Sender::new(()) }
    }

    /// These stations are dialed from now on.
    pub(super) fn expect(&self, stations: &[Station]) {
        let mut rows = self.rows();
        let known = std::mem::take(&mut rows.stations);
        rows.stations = stations.iter().map(|station| Row::new(station, &known)).collect();
        rows.settle();
    }

    /// A link came up, or did not, or ended.
    pub(super) fn note(&self, node: NodeId, is_up: bool, trouble: Option<Trouble>) {
        let mut rows = self.rows();
        let Some(row) = rows.stations.iter_mut().find(|row| row.node == node) else { return };
        let news = row.is_up != is_up
            || row.trouble.as_ref().map(|trouble| &trouble.text) != trouble.as_ref().map(|trouble| &trouble.text);
        row.is_up = is_up;
        if is_up || trouble.is_some() {
            row.trouble = trouble;
        }
        if news && !self.is_leaving.load(Ordering::Relaxed) {
            row.tell(self.is_development);
        }
        rows.settle();
        drop(rows);
        self.changes.send_replace(());
    }

    /// The links are closed on purpose from now on.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Nothing could be dialed.
    pub(super) fn fail_all(&self, trouble: &Trouble) {
        let nodes: Vec<_> = self.rows().stations.iter().map(|row| row.node).collect();
        for node in nodes {
            self.note(node, false, Some(trouble.clone()));
        }
    }

    /// Why no link is up, for each station.
    pub(crate) fn causes(&self) -> Vec<String> {
        self.rows().causes()
    }

    /// Whether each station refuses for good.
    pub(super) fn is_refused(&self) -> bool {
        self.rows().is_refused()
    }

    /// Waits until each station refuses for good.
    pub(super) async fn refused(&self) {
        let mut changes = self.changes();
        while !self.is_refused() {
            // It is told by this very value.
            let _ = changes.changed().await;
        }
    }

    /// Tells of every change.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// How the links are; nothing while it is too early to say.
    pub(crate) fn health(&self, now: Instant) -> Option<Health> {
        let mut rows = self.rows();
        let Some(since) = rows.missed_since(now) else { return Some(Health::Ok) };
        if rows.up_since.is_some() {
            // What was told last holds until the link has lasted.
            return None;
        }
        let down = now.saturating_duration_since(since);
        let told = rows.stations.iter().any(|row| row.trouble.as_ref().is_some_and(|trouble| trouble.is_permanent));
        if !told && down < GRACE {
            return None;
        }
        let causes = rows.causes().join("; ");
        let causes = if causes.is_empty() { "no station is known yet".to_owned() } else { causes };
        let what = if rows.came == 0 { "no link to a station" } else { "links come and go" };
        Some(Health::degraded(format!("{what} for {} s: {causes}", down.as_secs())))
    }

    /// How many links are up, of how many.
    pub(crate) fn count(&self) -> (usize, usize) {
        let rows = self.rows();
        (rows.stations.iter().filter(|row| row.is_up).count(), rows.stations.len())
    }

    /// The rows; nothing that is done under the lock can leave them half-done.
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn settle(&mut self) {
        let (now, was_up) = (Instant::now(), self.up_since.is_some());
        let is_up = self.stations.iter().any(|row| row.is_up);
        if is_up && !was_up {
            self.up_since = Some(now);
            self.came = self.came.saturating_add(1);
        } else if !is_up {
            // Whether the one that ended had lasted, nobody may have asked yet.
            self.missed_since(now);
            self.up_since = None;
            self.down_since.get_or_insert(now);
        }
    }

    /// Since when no link has been up that lasted; nothing while one is.
    fn missed_since(&mut self, now: Instant) -> Option<Instant> {
        if self.up_since.is_some_and(|up| now.saturating_duration_since(up) >= STEADY) {
            (self.down_since, self.came) = (None, 0);
        }
        self.down_since
    }

    fn causes(&self) -> Vec<String> {
        let cause = |row: &Row| {
            let text = row.trouble.as_ref().map_or("it has not answered yet", |trouble| &trouble.text);
            format!("{}: {text}", row.place)
        };
        self.stations.iter().filter(|row| !row.is_up).map(cause).collect()
    }

    fn is_refused(&self) -> bool {
        let refuses = |row: &Row| row.trouble.as_ref().is_some_and(|trouble| trouble.is_permanent);
        !self.stations.is_empty() && self.stations.iter().all(refuses)
    }
}

impl Row {
    fn new(station: &Station, known: &[Self]) -> Self {
        let place = format!("station {}:{}", station.host, station.port);
        // Dialed anew, it is told only what has changed.
        let trouble = known.iter().find(|row| row.node == station.node && row.place == place);
        let trouble = trouble.and_then(|row| row.trouble.clone()).filter(|trouble| !trouble.is_permanent);
        Self { node: station.node, place, is_up: false, trouble }
    }

    fn tell(&self, is_development: bool) {
        match &self.trouble {
            None if self.is_up => tracing::info!(station = self.place, node = %self.node, "linked"),
            Some(trouble) if trouble.is_permanent => {
                tracing::error!(station = self.place, reason = trouble.text, "a station refuses this node");
            }
            // That it does not come back, health tells.
            Some(trouble) if is_development => {
                tracing::info!(station = self.place, reason = trouble.text, "no link; it is dialed again");
            }
            Some(trouble) => tracing::warn!(station = self.place, reason = trouble.text, "no link"),
            None => tracing::info!(station = self.place, "the link ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station() -> Station {
        Station { host: "::1".to_owned(), port: 9, node: NodeId::from_bytes([1; 32]) }
    }

    fn trouble(is_permanent: bool) -> Option<Trouble> {
        Some(Trouble { text: "no use".to_owned(), is_permanent })
    }

    #[test]
    fn what_cannot_pass_is_told_at_once_and_what_can_after_a_while() {
        let (table, now) = (Table::new(false), Instant::now());
        table.expect(&[station()]);
        table.note(station().node, false, trouble(false));
        assert_eq!(table.health(now), None, "a station that starts again");
        let later = table.health(now + GRACE + Duration::from_secs(1)).unwrap();
        assert_eq!(later, Health::degraded("no link to a station for 6 s: station ::1:9: no use"));
        table.note(station().node, false, trouble(true));
        assert!(table.is_refused());
        assert!(matches!(table.health(now), Some(Health::Degraded(_))));
        table.note(station().node, true, None);
        assert_eq!(table.health(Instant::now()), None, "it has not lasted yet");
        assert_eq!(table.health(Instant::now() + STEADY), Some(Health::Ok));
        assert_eq!(table.count(), (1, 1));
    }

    #[test]
    fn a_station_that_has_said_nothing_yet_is_named() {
        let table = Table::new(true);
        table.expect(&[station()]);
        let told = table.health(Instant::now() + GRACE + Duration::from_secs(1)).unwrap();
        assert_eq!(told, Health::degraded("no link to a station for 6 s: station ::1:9: it has not answered yet"));
    }

    #[test]
    fn links_that_do_not_last_are_missed_all_the_time() {
        let table = Table::new(true);
        table.expect(&[station()]);
        for _ in 0..3 {
            table.note(station().node, true, None);
            assert_eq!(table.health(Instant::now() + STEADY / 2), None);
            table.note(station().node, false, trouble(false));
        }
        let told = table.health(Instant::now() + GRACE + Duration::from_secs(1)).unwrap();
        assert_eq!(told, Health::degraded("links come and go for 6 s: station ::1:9: no use"));
    }

    #[test]
    fn a_link_that_was_up_is_missed_from_its_end_on() {
        let table = Table::new(true);
        table.expect(&[station()]);
        table.note(station().node, true, None);
        assert_eq!(table.health(Instant::now() + STEADY), Some(Health::Ok));
        table.note(station().node, false, trouble(false));
        let now = Instant::now();
        assert_eq!(table.health(now), None);
        let told = table.health(now + GRACE + Duration::from_secs(1)).unwrap();
        assert!(matches!(told, Health::Degraded(reason) if reason.starts_with("no link to a station for 6 s")));
    }
}
