//! Who runs the station of a box: whoever has the lock, for as long as it lives.
//!
//! Each process has one thread for it. While another has the seat, the thread tries the lock some seven
//! times a second: a try that never blocks can be given up at any time, and each of twenty followers pays
//! a handful of system calls for it, all out of step, so that a free seat meets one of them and no herd.

mod hold;

use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use macula_rust::profile::Profile;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time;

use crate::development::{JoinError, Running, SeatState};
use crate::folder::{self, FolderError, StationFolder};
use crate::info::{InfoFile, StationInfo};
use crate::keys::KeysError;
use crate::{Station, keys};

/// Between two tries of the lock, more or less.
const LOOK: Duration = Duration::from_millis(150);
/// After a station that did not start; doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// What the process wants of its seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Stay,
    /// What is in flight is relayed to its end.
    HandOver,
}

/// What the others are told.
pub(crate) struct Told {
    pub(crate) station: watch::Sender<Option<StationInfo>>,
    pub(crate) state: watch::Sender<SeatState>,
    pub(crate) running: Running,
    /// Once: whether there is any use in having joined.
    pub(crate) joined: Option<oneshot::Sender<Result<(), JoinError>>>,
}

/// One process's part in who runs the station.
pub(crate) struct Seat {
    root: PathBuf,
    profile: Profile,
    told: Told,
    leave: watch::Receiver<Leave>,
    info: InfoFile,
    /// Where the last station listened that this process knew.
    port: Option<u16>,
    retry: Retry,
}

/// What one look at the seat came to.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// It is not ours.
    Following,
    /// It was ours until the folder was removed under it.
    Lost,
    /// It was ours until the process left.
    Left,
}

impl Seat {
    pub(crate) fn new(root: PathBuf, profile: Profile, told: Told, leave: watch::Receiver<Leave>) -> Self {
        let info = InfoFile::new(root.join("station.json"));
        Self { root, profile, told, leave, info, port: None, retry: Retry::new() }
    }

    /// Takes the seat or follows, until the process leaves.
    pub(crate) fn run(mut self) {
        match catch_unwind(AssertUnwindSafe(|| self.run_until_left())) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.told.joined(Err(error)),
            Err(_) => {
                self.told.running().take();
                self.told.failing(JoinError::Ended);
                self.told.joined(Err(JoinError::Ended));
            }
        }
    }

    fn run_until_left(&mut self) -> Result<(), JoinError> {
        let clock = Builder::new_current_thread().enable_time().build().map_err(JoinError::Thread)?;
        loop {
            match self.look() {
                Ok(Look::Left) => return Ok(()),
                Ok(Look::Following) => self.told.joined(Ok(())),
                Ok(Look::Lost) => {
                    tracing::warn!(folder = %self.root.display(), "the folder of the development station was removed");
                }
                Err(error) if self.told.joined.is_some() && is_for_a_person(&error) => return Err(error),
                Err(error) => {
                    // What is wrong may be right again with the same file.
                    self.info.forget();
                    self.told.failing(error);
                    self.told.joined(Ok(()));
                }
            }
            let mut leave = self.leave.clone();
            let left = clock.block_on(async { time::timeout(about_a_third(LOOK), leave.changed()).await });
            if left.is_ok() {
                return Ok(());
            }
        }
    }

    /// Takes the seat if it is free, and is back when the station has ended.
    fn look(&mut self) -> Result<Look, JoinError> {
        let folder = StationFolder::open(&self.root)?;
        let Some(mut lock) = folder.take()? else {
            return self.follow().map(|()| Look::Following);
        };
        if self.retry.is_waiting() {
            return Ok(Look::Following);
        }
        // It tells of a station that is dead, to whoever finds the lock held from now on.
        folder::remove(&folder.info())?;
        let held = keys::load_or_make(&folder, self.profile)
            .map_err(JoinError::from)
            .and_then(|keys| self.hold(&folder, &mut lock, keys));
        if held.is_err() {
            self.retry.failed();
        }
        held
    }

    /// Looks at what the one who has the seat says. A file of a dead one is never looked at: it has no lock.
    fn follow(&mut self) -> Result<(), JoinError> {
        let Some(read) = self.info.news() else { return Ok(()) };
        let info = read?;
        if info.profile != self.profile {
            let (found, told) = (info.profile.name(), self.profile.name());
            return Err(JoinError::OtherProfile { pid: info.pid, found, told });
        }
        tracing::info!(pid = info.pid, port = info.port, "the development station of this box");
        self.port = Some(info.port);
        self.told.now(SeatState::Following, Some(info));
        Ok(())
    }
}

impl Told {
    fn joined(&mut self, outcome: Result<(), JoinError>) {
        if let Some(joined) = self.joined.take() {
            // Who joins may have given up.
            let _ = joined.send(outcome);
        }
    }

    fn failing(&mut self, error: JoinError) {
        let failing = SeatState::Failing(Arc::new(error));
        // The same again says nothing new.
        if self.state.borrow().to_string() == failing.to_string() {
            return;
        }
        tracing::warn!("this process {failing}");
        self.now(failing, None);
    }

    /// The station first: who hears of the state finds the station that goes with it.
    fn now(&self, state: SeatState, station: Option<StationInfo>) {
        self.station.send_replace(station);
        self.state.send_replace(state);
    }

    fn running(&self) -> MutexGuard<'_, Option<Station>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What does not pass by itself.
fn is_for_a_person(error: &JoinError) -> bool {
    match error {
        JoinError::Folder(error) => matches!(error, FolderError::Unsafe { .. }),
        JoinError::Keys(error) => !matches!(error, KeysError::Io { .. }),
        JoinError::OtherProfile { .. } => true,
        _ => false,
    }
}

/// When a station that did not start is tried again.
struct Retry {
    wait: Duration,
    not_before: Option<Instant>,
}

impl Retry {
    fn new() -> Self {
        Self { wait: FIRST_RETRY, not_before: None }
    }

    fn is_waiting(&self) -> bool {
        self.not_before.is_some_and(|time| Instant::now() < time)
    }

    fn failed(&mut self) {
        self.not_before = Some(Instant::now() + about_a_third(self.wait));
        self.wait = (self.wait * 2).min(LAST_RETRY);
    }
}

/// A time that is up to a third longer or shorter, so that no two processes stay in step.
fn about_a_third(time: Duration) -> Duration {
    // Its keys come from the system.
    let thousandths = RandomState::new().build_hasher().finish() % 667;
    time.mul_f64((667 + thousandths) as f64 / 1000.0)
}

/// An error with what caused it.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stay_near_and_differ() {
        let times: Vec<_> = (0..200).map(|_| about_a_third(Duration::from_millis(150))).collect();
        assert!(times.iter().all(|time| (100..=200).contains(&time.as_millis())), "{times:?}");
        for half in [100..150, 150..201] {
            assert!(times.iter().any(|time| half.contains(&time.as_millis())), "{times:?}");
        }
    }

    #[test]
    fn failures_are_retried_ever_later_and_at_most_half_a_minute_apart() {
        let mut retry = Retry::new();
        assert!(!retry.is_waiting());
        for _ in 0..20 {
            retry.failed();
            assert!(retry.is_waiting());
        }
        assert_eq!(retry.wait, LAST_RETRY);
        assert!(retry.not_before.unwrap() <= Instant::now() + Duration::from_secs(41));
    }
}
