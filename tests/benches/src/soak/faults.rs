//! What is broken meanwhile, when, and in which order: a seed decides, so that a run can be had again.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::Outcome;
use crate::fleet::Member;

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ProviderKilled,
    ProviderDrained,
    StationKilled,
    StationDrained,
    /// The station's process stands still for so many seconds: links to it are as good as cut, and come back.
    StationStopped(u64),
}

/// What calls over the mesh may come to while somebody is gone.
pub(super) fn explains(what: &str) -> bool {
    const GONE: [&str; 9] = [
        "no provider",
        "not on the mesh",
        "not reached",
        "timed out",
        "broken",
        "timeout",
        "draining",
        "unavailable",
        "overloaded",
    ];
    GONE.contains(&what)
}

/// One fault after another, and how long it is quiet before each.
pub(super) struct Schedule {
    state: u64,
    pauses: (u64, u64),
    /// What is left of this round: each comes once.
    left: Vec<Fault>,
}

impl Schedule {
    pub(super) fn of(seed: u64, length: Duration) -> Self {
        // Long enough, in a long run, to see that all is well in between.
        let pauses = if length < Duration::from_secs(1200) { (8, 15) } else { (90, 150) };
        Self { state: seed, pauses, left: Vec::new() }
    }

    fn next(&mut self) -> (Duration, Fault) {
        let pause = self.pauses.0 + self.below(self.pauses.1 - self.pauses.0);
        if self.left.is_empty() {
            let stopped = Fault::StationStopped(3 + self.below(25));
            self.left = vec![
                Fault::ProviderKilled,
                Fault::ProviderDrained,
                Fault::StationKilled,
                Fault::StationDrained,
                stopped,
            ];
        }
        let drawn = self.below(self.left.len() as u64);
        (Duration::from_secs(pause), self.left.swap_remove(usize::try_from(drawn).unwrap_or(0)))
    }

    /// SplitMix64.
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

/// What was done, and what of it did not go as it should.
#[derive(Default, Clone)]
pub(super) struct Told {
    pub(super) lines: Vec<String>,
    pub(super) complaints: Vec<String>,
    is_broken: bool,
    last: Option<Instant>,
}

/// Breaks things on a thread of its own.
pub(super) struct Faults {
    told: Arc<Mutex<Told>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

struct Breaking {
    keepers: [Member; 2],
    victim: Member,
    told: Arc<Mutex<Told>>,
    over: Arc<AtomicBool>,
    begun: Instant,
}

impl Faults {
    /// Goes on until `length` is over; the processes live until the [end](Self::end).
    pub(super) fn begin(mut schedule: Schedule, keepers: [Member; 2], victim: Member, length: Duration) -> Self {
        let (told, over) = (Arc::<Mutex<Told>>::default(), Arc::<AtomicBool>::default());
        let (begun, kept) = (Instant::now(), (Arc::clone(&told), Arc::clone(&over)));
        let mut breaking = Breaking { keepers, victim, told: kept.0, over: kept.1, begun };
        let thread = std::thread::spawn(move || {
            loop {
                let (pause, fault) = schedule.next();
                if begun.elapsed() + pause >= length || !breaking.pause(pause) {
                    break;
                }
                breaking.inject(fault);
            }
            while breaking.pause(Duration::from_secs(1)) {}
        });
        Self { told, over, thread }
    }

    /// Whether something was broken within the last so many seconds.
    pub(super) fn was_within(&self, time: Duration) -> bool {
        let told = locked(&self.told);
        told.is_broken || told.last.is_some_and(|last| last.elapsed() < time)
    }

    pub(super) fn end(self) -> Outcome<Told> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "what breaks things panicked")?;
        let told = locked(&self.told).clone();
        Ok(told)
    }
}

fn locked(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Breaking {
    /// Waits; says whether it goes on.
    fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        !self.over.load(Ordering::Relaxed)
    }

    fn inject(&mut self, fault: Fault) {
        locked(&self.told).is_broken = true;
        let at = self.begun.elapsed().as_secs();
        let done = self.breaking(fault);
        let took = self.begun.elapsed().as_secs() - at;
        let mut told = locked(&self.told);
        told.is_broken = false;
        told.last = Some(Instant::now());
        told.lines.push(format!("{at} s: {fault:?}, over after {took} s"));
        if let Err(error) = done {
            told.complaints.push(format!("{at} s: {fault:?}: {error}"));
        }
    }

    fn breaking(&mut self, fault: Fault) -> Outcome<()> {
        let away = Duration::from_secs(2);
        match fault {
            Fault::ProviderKilled => {
                self.victim.kill()?;
                self.pause(away);
                self.victim.start()?;
                self.victim.wait_until_advertised()
            }
            Fault::ProviderDrained => {
                let drained = self.victim.drain();
                self.pause(away);
                self.victim.start()?;
                self.victim.wait_until_advertised()?;
                drained
            }
            Fault::StationKilled => {
                let owner = self.owner()?;
                self.keepers[owner].kill()?;
                self.pause(away);
                self.keepers[owner].start()?;
                self.keepers[owner].wait_until_advertised()
            }
            Fault::StationDrained => {
                let owner = self.owner()?;
                let drained = self.keepers[owner].drain();
                self.pause(away);
                self.keepers[owner].start()?;
                self.keepers[owner].wait_until_advertised()?;
                drained
            }
            Fault::StationStopped(seconds) => {
                let owner = self.owner()?;
                self.keepers[owner].signal(Signal::STOP)?;
                self.pause(Duration::from_secs(seconds));
                self.keepers[owner].signal(Signal::CONT)
            }
        }
    }

    /// Which of the keepers has the station.
    fn owner(&self) -> Outcome<usize> {
        let file = self.keepers[0].runtime().join("station/station.json");
        let station: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
        let pid = station["pid"].as_u64();
        let owner = self.keepers.iter().position(|keeper| pid == Some(keeper.pid().into()));
        owner.ok_or_else(|| format!("no keeper has the station, which runs in process {pid:?}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_again_and_each_of_them_in_every_round() {
        let drawn = |seed| {
            let mut schedule = Schedule::of(seed, Duration::from_secs(3600));
            (0..20).map(|_| schedule.next()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        for round in drawn(7).chunks(5) {
            for kind in [Fault::ProviderKilled, Fault::ProviderDrained, Fault::StationKilled, Fault::StationDrained] {
                assert_eq!(round.iter().filter(|(_, fault)| *fault == kind).count(), 1, "{round:?}");
            }
            assert!(round.iter().all(|(pause, _)| (90..150).contains(&pause.as_secs())), "{round:?}");
        }
    }
}
