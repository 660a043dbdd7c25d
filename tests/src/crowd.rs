//! A gate for thousands: the handlers of a process wait at it through one connection.
//!
//! A [`Gate`](crate::Gate) costs both processes a file for each who waits; ten thousand would be more
//! than a process may have.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use tempfile::TempDir;
use tokio::sync::watch;

use crate::eventually;

/// Where handlers of one process wait. Opens when it is dropped.
pub struct Crowd {
    path: String,
    came: Arc<AtomicUsize>,
    stream: Arc<Mutex<Option<UnixStream>>>,
    _folder: TempDir,
}

impl Crowd {
    /// A closed gate.
    pub fn closed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crowd").to_str().unwrap().to_owned();
        let listener = UnixListener::bind(&path).unwrap();
        let (came, stream) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Option<UnixStream>>>::default());
        let (count, kept) = (Arc::clone(&came), Arc::clone(&stream));
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            *kept.lock().unwrap() = Some(stream.try_clone().unwrap());
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                count.fetch_add(read, Ordering::SeqCst);
            }
        });
        Self { path, came, stream, _folder: folder }
    }

    /// The request that holds a handler here.
    pub fn request(&self) -> String {
        format!(r#"{{"gate":"{}"}}"#, self.path)
    }

    /// How many ever came.
    pub fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    /// Waits until `count` have come.
    pub fn wait_for(&self, count: usize) {
        eventually(&format!("{count} in the crowd"), || (self.came() >= count).then_some(()));
    }

    /// Lets all go on who wait, and who will come.
    pub fn open(&self) {
        if let Some(stream) = self.stream.lock().unwrap().as_ref() {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.open();
    }
}

/// The connection of this process to a crowd's gate, and when it opens.
struct Joined {
    stream: UnixStream,
    open: watch::Receiver<()>,
}

/// Waits with the crowd.
pub async fn join(path: String) {
    static JOINED: LazyLock<Mutex<HashMap<String, Joined>>> = LazyLock::new(Mutex::default);
    let mut open = {
        let mut joined = JOINED.lock().unwrap();
        let joined = joined.entry(path).or_insert_with_key(|path| {
            let stream = UnixStream::connect(path).unwrap();
            let mut ends = stream.try_clone().unwrap();
            let (sender, open) = watch::channel(());
            std::thread::spawn(move || {
                let _ = ends.read(&mut [0]);
                drop(sender);
            });
            Joined { stream, open }
        });
        joined.stream.write_all(b"x").unwrap();
        joined.open.clone()
    };
    // Never changes; ends when the gate opens.
    let _ = open.changed().await;
}
