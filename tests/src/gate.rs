//! A gate holds handlers until the test lets them go on, in this process or in another.
//!
//! It is a Unix socket: a handler that comes to it connects and waits for the end of the stream.

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::eventually;

/// Where handlers wait. Opens when it is dropped.
pub struct Gate {
    path: String,
    state: Arc<Mutex<State>>,
    _folder: TempDir,
}

#[derive(Default)]
struct State {
    /// How many ever came.
    came: usize,
    waiting: Vec<UnixStream>,
    open: bool,
}

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate").to_str().unwrap().to_owned();
        let listener = UnixListener::bind(&path).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let keeper = Arc::clone(&state);
        // Ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut state = keeper.lock().unwrap();
                state.came += 1;
                if !state.open {
                    state.waiting.push(stream.unwrap());
                }
            }
        });
        Self { path, state, _folder: folder }
    }

    /// What a handler has to be told.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The request that holds a handler of the lab here.
    pub fn request(&self) -> String {
        format!(r#"{{"gate":"{}"}}"#, self.path)
    }

    /// How many ever came.
    pub fn came(&self) -> usize {
        self.state.lock().unwrap().came
    }

    /// Waits until `count` have come.
    pub fn wait_for(&self, count: usize) {
        eventually(&format!("{count} at the gate"), || (self.came() >= count).then_some(()));
    }

    /// Lets all go on who wait, and who will come.
    pub fn open(&self) {
        let mut state = self.state.lock().unwrap();
        state.open = true;
        state.waiting.clear();
    }

    /// Lets one go on, the one that came first.
    pub fn let_one_through(&self) {
        self.state.lock().unwrap().waiting.remove(0);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// Waits at a gate as a handler should.
pub async fn pass(path: impl AsRef<Path>) {
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    let _ = stream.read(&mut [0]).await;
}

/// Waits at a gate as a handler should not: its thread is blocked.
pub fn block(path: impl AsRef<Path>) {
    let mut stream = UnixStream::connect(path).unwrap();
    let _ = stream.read(&mut [0]);
}

/// Waits at a gate in the worst way: its thread is busy.
pub fn spin(path: impl AsRef<Path>) {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_nonblocking(true).unwrap();
    while stream.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
        std::hint::spin_loop();
    }
}
