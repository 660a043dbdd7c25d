//! Log lines on their way to standard output.
//!
//! A thread of their own writes them: a reader that stalls, as a journal can, must not hold up calls,
//! health or the drain. What it cannot take in time is dropped, counted, and told when it reads on.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes wait to be written, at most.
const MAX_WAITING: usize = 256 * 1024;

enum Item {
    Line(Vec<u8>),
    /// Tells when all that came before is written.
    Mark(SyncSender<()>),
}

/// Takes log lines, and never waits.
#[derive(Clone)]
pub(super) struct Lines {
    queue: Sender<Item>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn to_stdout() -> io::Result<Self> {
        let (queue, items) = channel();
        let lines = Self { queue, waiting: Arc::default(), dropped: Arc::default() };
        let (waiting, dropped) = (Arc::clone(&lines.waiting), Arc::clone(&lines.dropped));
        let write = move || write_all(&items, &waiting, &dropped);
        std::thread::Builder::new().name("hecate-log".to_owned()).spawn(write)?;
        Ok(lines)
    }

    /// Waits until what was taken is written, or `limit` has passed.
    pub(super) fn flush(&self, limit: Duration) {
        let (written, is_written) = sync_channel(1);
        if self.queue.send(Item::Mark(written)).is_ok() {
            let _ = is_written.recv_timeout(limit);
        }
    }
}

fn write_all(items: &Receiver<Item>, waiting: &AtomicUsize, dropped: &AtomicU64) {
    for item in items {
        match item {
            Item::Line(line) => {
                // Nobody may read any more; the service goes on.
                let mut stdout = io::stdout().lock();
                let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
                drop(stdout);
                waiting.fetch_sub(line.len(), Ordering::Relaxed);
                match dropped.swap(0, Ordering::Relaxed) {
                    0 => {}
                    lines => tracing::warn!(lines, "log lines were dropped: nobody read them in time"),
                }
            }
            Item::Mark(written) => {
                let _ = written.try_send(());
            }
        }
    }
}

impl Write for Lines {
    /// Takes one line: the formatter writes each in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = self.waiting.fetch_add(line.len(), Ordering::Relaxed);
        if waiting + line.len() > MAX_WAITING || self.queue.send(Item::Line(line.to_vec())).is_err() {
            self.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
