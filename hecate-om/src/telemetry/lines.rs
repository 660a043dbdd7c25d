//! Log lines on their way to standard output.
//!
//! A thread of their own writes them: a reader that stalls, as a journal can, must not hold up calls,
//! health or the drain. What it cannot take in time is dropped, counted, and told when it reads on.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use super::counts::DROPPED;

/// How many bytes wait to be written, at most.
pub(crate) const MAX_WAITING: usize = 256 * 1024;

enum Item {
    Line(Vec<u8>),
    /// Tells when all that came before is written.
    Mark(SyncSender<()>),
    /// Something will become due that was not.
    Look,
}

/// Takes log lines, and never waits.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    queue: Sender<Item>,
    waiting: Arc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// Since this was last told.
    dropped: AtomicU64,
    /// Whether it is asked already to look at what is due.
    looks: AtomicBool,
}

/// What is to be written by now, and when to ask again.
pub(super) type Due = (Vec<Vec<u8>>, Option<Instant>);

/// Lines that were dropped are told so often, at most.
const TELL: Duration = Duration::from_secs(1);

impl Lines {
    /// Writes to `out` what it takes, and what is `due` at a time when so many lines were dropped: asked
    /// when it wanted to be, on every [`look`](Self::look) and when lines were dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn to(
        out: impl Write + Send + 'static,
        due: impl Fn(Instant, u64) -> Due + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, items) = channel();
        let lines = Self { queue, waiting: Arc::default() };
        let waiting = Arc::clone(&lines.waiting);
        let mut writer = Writer { out, waiting, due, ask: None, told: None };
        std::thread::Builder::new().name("hecate-log".to_owned()).spawn(move || writer.write_all(&items))?;
        Ok(lines)
    }

    /// Takes a line; says whether there was room for it.
    pub(super) fn take(&self, line: Vec<u8>) -> bool {
        let bytes = line.len();
        let waiting = self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        if waiting + bytes <= MAX_WAITING && self.queue.send(Item::Line(line)).is_ok() {
            return true;
        }
        self.waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.waiting.dropped.fetch_add(1, Ordering::Relaxed);
        DROPPED.add(1);
        false
    }

    /// Has the writer ask what is due.
    pub(super) fn look(&self) {
        // Once is enough: a reader that stalls must not make the queue grow.
        if !self.waiting.looks.swap(true, Ordering::AcqRel) {
            let _ = self.queue.send(Item::Look);
        }
    }

    /// Waits until what was taken is written, or `limit` has passed.
    pub(super) fn flush(&self, limit: Duration) {
        let (written, is_written) = sync_channel(1);
        if self.queue.send(Item::Mark(written)).is_ok() {
            let _ = is_written.recv_timeout(limit);
        }
    }
}

struct Writer<W, D> {
    out: W,
    waiting: Arc<Waiting>,
    due: D,
    ask: Option<Instant>,
    /// When lines that were dropped were told last.
    told: Option<Instant>,
}

impl<W: Write, D: Fn(Instant, u64) -> Due> Writer<W, D> {
    fn write_all(&mut self, items: &Receiver<Item>) {
        loop {
            let item = match self.ask {
                None => items.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => items.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match item {
                Ok(Item::Line(line)) => {
                    self.write(&line);
                    self.waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
                    if self.waiting.dropped.load(Ordering::Relaxed) > 0 {
                        let at = self.told.map_or_else(Instant::now, |told| told + TELL);
                        self.ask = Some(self.ask.map_or(at, |ask| ask.min(at)));
                    }
                }
                Ok(Item::Mark(written)) => {
                    self.write_due();
                    let _ = written.try_send(());
                }
                Ok(Item::Look) => {
                    self.waiting.looks.store(false, Ordering::Release);
                    self.ask = Some(Instant::now());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Not only when it is quiet: lines may come without end.
            if self.ask.is_some_and(|at| at <= Instant::now()) {
                self.write_due();
            }
        }
    }

    fn write_due(&mut self) {
        let now = Instant::now();
        let dropped = self.waiting.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.told = Some(now);
        }
        let (lines, ask) = (self.due)(now, dropped);
        lines.iter().for_each(|line| self.write(line));
        self.ask = ask;
    }

    /// Nobody may read any more; the service goes on.
    fn write(&mut self, line: &[u8]) {
        let _ = self.out.write_all(line).and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// A reader that stalls until it is let go.
    struct Stalled(Receiver<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_piles_up_behind_a_reader_that_stalls() {
        let (release, released) = sync_channel(1);
        let asked = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&asked);
        let due = move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            (Vec::new(), None)
        };
        let lines = Lines::to(Stalled(released), due).unwrap();
        assert!(lines.take(b"x\n".to_vec()));
        (0..1000).for_each(|_| lines.look());
        drop(release);
        lines.flush(Duration::from_secs(20));
        // One that was seen before the reader stalled, one after that, and the flush.
        assert!(asked.load(Ordering::SeqCst) <= 3, "{asked:?}");
        lines.look();
        lines.flush(Duration::from_secs(20));
        assert!(asked.load(Ordering::SeqCst) >= 2, "{asked:?}");
    }
}
