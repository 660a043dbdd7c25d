//! Limits are written in whatever unit fits, in any order, up to their bounds; and none is a limit, too.

#![deny(warnings)]

use std::time::Duration;

use hecate_om::prelude::*;
use hecate_om::{Confidential, Limits};

#[derive(Default)]
struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Says nothing of limits.
    #[capability(version = 1)]
    async fn nothing(&self) -> Result<()> {
        Ok(())
    }

    /// Says nothing in them.
    #[capability(version = 1, limits(), confidential = preferred)]
    async fn none(&self) -> Result<()> {
        Ok(())
    }

    /// Says what holds anyway.
    #[capability(
        version = 1,
        limits(
            total = "6000/10s",
            per_caller = "600/10000ms",
            concurrency = 1_024,
            reply = "16384KiB",
            payload = "1MiB",
        )
    )]
    async fn usual(&self) -> Result<()> {
        Ok(())
    }

    /// Is as narrow as can be.
    #[capability(
        version = 1,
        limits(payload = "1B", reply = "1B", concurrency = 1, per_caller = "1/1h", total = "1/60m"),
        confidential = required,
        cancel_on_disconnect,
    )]
    async fn narrow(&self) -> Result<()> {
        Ok(())
    }

    /// Is as wide as can be.
    #[capability(
        version = 1,
        confidential = off,
        limits(payload = "16MiB", concurrency = 65536, per_caller = "1000000/1s", total = "1000000/1000ms"),
    )]
    async fn wide(&self) -> Result<()> {
        Ok(())
    }
}

fn main() {
    let [nothing, none, usual, narrow, wide] = Greeter::capabilities() else { unreachable!() };
    for capability in [nothing, none, usual] {
        assert_eq!((capability.limits, capability.confidential), (Limits::DEFAULT, Confidential::Preferred));
        assert!(!capability.is_cancelled_on_disconnect);
    }
    assert_eq!((narrow.limits.payload, narrow.limits.reply, narrow.limits.concurrency), (1, 1, 1));
    assert_eq!((narrow.limits.total.calls, narrow.limits.total.period), (1, Duration::from_secs(3600)));
    assert_eq!(narrow.limits.per_caller, narrow.limits.total);
    assert!(narrow.confidential == Confidential::Required && narrow.is_cancelled_on_disconnect);
    assert_eq!((wide.limits.payload, wide.limits.concurrency), (16 << 20, 65_536));
    assert_eq!((wide.limits.total.calls, wide.limits.total.period), (1_000_000, Duration::from_secs(1)));
    assert_eq!(wide.confidential, Confidential::Off);
    let told = hecate_om::manifest::Manifest::parse_strict(Greeter::MANIFEST).unwrap();
    let told = told.capabilities.iter().map(|capability| capability.limits.concurrency).collect::<Vec<_>>();
    assert_eq!(told, [1024, 1024, 1024, 1, 65_536]);
    assert_eq!(Greeter::MANIFEST.matches("\"limits\"").count(), 2);
    let _ = hecate_om::run::<Greeter>;
}
