//! A service with every bad habit, for tests that need one. What it does at start and when it is asked
//! how it feels, its environment tells; that is for processes only.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hecate_om::__private::serde;
use hecate_om::CapabilityError;
use hecate_om::prelude::*;
use hecate_om::testing::TestService;

use crate::gate;

/// Text that a caller must never see.
pub const INSIDE: &str = "the inside";

#[derive(Default)]
pub struct Lab {
    passed: AtomicU64,
    lock: Mutex<u64>,
}

impl Lab {
    /// A lab in this process.
    pub fn open() -> TestService<Self> {
        crate::block_on(hecate_om::testing::start()).unwrap()
    }
}

#[message]
#[derive(Debug)]
pub struct Text {
    pub text: String,
}

#[message]
pub struct Order {
    pub items: Vec<Item>,
    #[serde(default)]
    pub note: Option<String>,
}

#[message]
pub struct Item {
    pub price: f64,
    #[serde(default)]
    pub count: u8,
    #[serde(default)]
    pub tags: HashMap<String, bool>,
}

#[message]
pub struct At {
    pub gate: String,
}

#[message]
pub struct Size {
    pub bytes: usize,
}

#[message]
pub struct Count {
    pub passed: u64,
}

/// In which way a handler breaks.
#[message]
#[derive(Clone, Copy, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Break {
    /// Before its first await, with a `&str`.
    Early,
    /// After an await, with a `String`.
    Late,
    /// With a value that is no text.
    NoText,
    /// With a value that panics in its turn.
    Evil,
    /// When a local is dropped.
    Drop,
    /// While it holds a lock.
    Locked,
    /// After it caught a panic of its own.
    Twice,
}

#[message]
pub struct How {
    pub how: Break,
}

/// A reply that serde cannot write.
pub struct Unwritable;

impl serde::Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(INSIDE))
    }
}

impl hecate_om::__private::schemars::JsonSchema for Unwritable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Unwritable".into()
    }

    fn json_schema(_: &mut hecate_om::__private::schemars::SchemaGenerator) -> hecate_om::__private::schemars::Schema {
        hecate_om::__private::schemars::json_schema!({"type": "object"})
    }
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("{INSIDE}");
    }
}

/// An error with a cause.
#[derive(Debug)]
struct NoModel(std::io::Error);

impl std::fmt::Display for NoModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the model is not there")
    }
}

impl std::error::Error for NoModel {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Misbehaves on demand.
#[hecate_service(name = "hecate-lab")]
impl Lab {
    async fn start(_: Context<Self>) -> Result<Self, StartError> {
        journal("start");
        let how = variable("LAB_START");
        match how.split_once(':').unwrap_or((&how, "")) {
            ("slow", path) => gate::pass(path).await,
            ("block", path) => gate::block(path),
            ("error", _) => return Err(NoModel(std::io::Error::other("the disk is gone")).into()),
            ("retry", _) => return Err(StartError::retry("the database is not up yet")),
            ("config", _) => return Err(StartError::config("MODEL is not set")),
            ("panic", _) => panic!("cannot start"),
            _ => {}
        }
        journal("started");
        Ok(Self::default())
    }

    async fn stop(&self) {
        let how = variable("LAB_STOP");
        match how.split_once(':').unwrap_or((&how, "")) {
            ("slow", path) => gate::pass(path).await,
            ("panic", _) => panic!("cannot stop"),
            _ => {}
        }
        journal("stop");
    }

    async fn health(&self) -> Health {
        let how = variable("LAB_HEALTH");
        match how.split_once(':').unwrap_or((&how, "")) {
            ("degraded", _) => Health::degraded("the cache is cold"),
            ("down", _) => Health::down("the disk is full"),
            ("panic", _) => panic!("cannot tell"),
            ("hang", _) => std::future::pending().await,
            ("pass", path) => {
                gate::pass(path).await;
                Health::Ok
            }
            ("block", path) => {
                gate::block(path);
                Health::Ok
            }
            _ => Health::Ok,
        }
    }

    /// Says it back.
    #[capability(version = 1)]
    pub async fn say(&self, request: Text) -> Result<Text> {
        Ok(request)
    }

    /// Says it back twice.
    #[capability(name = "lab.say", version = 3)]
    pub async fn say_twice(&self, request: Text) -> Result<Text> {
        Ok(Text { text: request.text.repeat(2) })
    }

    /// Takes an order, and counts what is in it.
    #[capability(version = 1)]
    pub async fn take(&self, request: Order) -> Result<Size> {
        Ok(Size { bytes: request.items.len() })
    }

    /// Logs what it is told, before and after it waits for a moment.
    #[capability(version = 1)]
    pub async fn log(&self, request: Text) -> Result<()> {
        tracing::info!(text = request.text, "before");
        tokio::task::yield_now().await;
        tracing::info!(text = request.text, "after");
        Ok(())
    }

    /// Takes nothing.
    #[capability(version = 1)]
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }

    /// Waits at a gate, and counts who passed.
    #[capability(version = 1, timeout = "60s")]
    pub async fn hold(&self, request: At) -> Result<Count> {
        gate::pass(request.gate).await;
        Ok(Count { passed: self.passed.fetch_add(1, Ordering::SeqCst) + 1 })
    }

    /// Waits at a gate, and blocks its thread meanwhile.
    #[capability(version = 1, timeout = "60s")]
    pub async fn block(&self, request: At) -> Result<()> {
        gate::block(request.gate);
        Ok(())
    }

    /// Waits at a gate, and keeps its thread busy meanwhile.
    #[capability(version = 1, timeout = "60s")]
    pub async fn keep_busy(&self, request: At) -> Result<()> {
        gate::spin(request.gate);
        Ok(())
    }

    /// Waits at a gate for longer than it may.
    #[capability(version = 1, timeout = "200ms")]
    pub async fn hurry(&self, request: At) -> Result<()> {
        gate::pass(request.gate).await;
        Ok(())
    }

    /// Panics when it is dropped at its deadline.
    #[capability(version = 1, timeout = "200ms")]
    pub async fn hurry_badly(&self) -> Result<()> {
        let _local = PanicsWhenDropped;
        std::future::pending().await
    }

    /// Panics when it has passed a gate.
    #[capability(version = 1, timeout = "60s")]
    pub async fn hold_and_break(&self, request: At) -> Result<()> {
        gate::pass(request.gate).await;
        panic!("{INSIDE}");
    }

    /// How many passed.
    #[capability(version = 1)]
    pub async fn count(&self) -> Result<Count> {
        Ok(Count { passed: self.passed.load(Ordering::SeqCst) })
    }

    /// Answers with as much as is asked for.
    #[capability(version = 1)]
    pub async fn fill(&self, request: Size) -> Result<Text> {
        Ok(Text { text: "x".repeat(request.bytes) })
    }

    /// Waits at a gate, then answers with eight MiB.
    #[capability(version = 1, timeout = "60s")]
    pub async fn fill_late(&self, request: At) -> Result<Text> {
        gate::pass(request.gate).await;
        Ok(Text { text: "x".repeat(8 << 20) })
    }

    /// Answers with what cannot be written.
    #[capability(version = 1)]
    pub async fn garble(&self) -> Result<Unwritable> {
        Ok(Unwritable)
    }

    /// Fails inside.
    #[capability(version = 1)]
    pub async fn fail(&self) -> Result<()> {
        Err(CapabilityError::internal(INSIDE))
    }

    /// Fails inside, for the reason that its caller gives.
    #[capability(version = 1)]
    pub async fn fail_for(&self, request: Text) -> Result<()> {
        Err(CapabilityError::internal(request.text))
    }

    /// Panics.
    #[capability(version = 1)]
    pub async fn fall(&self, request: How) -> Result<()> {
        match request.how {
            Break::Early => panic!("{}", INSIDE),
            Break::Late => {
                tokio::task::yield_now().await;
                panic!("{}", INSIDE.to_owned());
            }
            Break::NoText => std::panic::panic_any(INSIDE.len()),
            Break::Evil => std::panic::panic_any(PanicsWhenDropped),
            Break::Drop => drop(PanicsWhenDropped),
            Break::Locked => {
                let mut held = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *held += 1;
                panic!("{INSIDE}");
            }
            Break::Twice => {
                let _ = std::panic::catch_unwind(|| panic!("an earlier one"));
                // Without the hook, as a panic that is passed on from another thread.
                std::panic::resume_unwind(Box::new(INSIDE));
            }
        }
        Ok(())
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Notes what happened, for a test to count.
fn journal(what: &str) {
    if let Some(path) = std::env::var_os("LAB_JOURNAL") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "{what}").unwrap();
    }
}
