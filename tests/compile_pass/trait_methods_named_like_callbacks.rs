//! A callback that a service leaves out hides no method of a trait.

#![deny(warnings)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context as Task, Poll, Waker};

use hecate_om::prelude::*;

trait Engine {
    fn start(&self) -> u8;
    fn stop(&self) -> u8;
    fn health(&self) -> u8;
}

#[derive(Default)]
struct Mill;

impl Engine for Mill {
    fn start(&self) -> u8 {
        1
    }

    fn stop(&self) -> u8 {
        2
    }

    fn health(&self) -> u8 {
        3
    }
}

#[message]
struct Turned {
    calls: Vec<u8>,
}

/// Grinds.
#[hecate_service(name = "hecate-mill")]
impl Mill {
    /// Turns once.
    #[capability(version = 1)]
    async fn turn(&self) -> Result<Turned> {
        Ok(Turned { calls: vec![self.start(), self.stop(), self.health()] })
    }
}

fn main() {
    let mut task = Task::from_waker(Waker::noop());
    let Poll::Ready(Ok(turned)) = Future::poll(pin!(Mill.turn()), &mut task) else {
        panic!("nothing to wait for");
    };
    assert_eq!(turned.calls, [1, 2, 3]);
    let _ = hecate_om::run::<Mill>;
}
