//! The limits that a capability declares stand three times: in the manifest, in what is known of it at run
//! time, and as the defaults of both, which the macros and the runtime each have for themselves.

use hecate_om::manifest::{self, Manifest};
use hecate_om::prelude::*;
use hecate_om::{CapabilityInfo, Limits};

#[derive(Default)]
struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Says nothing of limits.
    #[capability(version = 1)]
    async fn silent(&self) -> Result<()> {
        Ok(())
    }

    /// Says one, so that the macro writes all others.
    #[capability(version = 1, limits(payload = "2MiB"))]
    async fn payload(&self) -> Result<()> {
        Ok(())
    }

    /// Says another.
    #[capability(version = 1, limits(reply = "2MiB"))]
    async fn reply(&self) -> Result<()> {
        Ok(())
    }
}

fn told() -> Vec<manifest::Limits> {
    let manifest = Manifest::parse_strict(Greeter::MANIFEST).unwrap();
    manifest.capabilities.iter().map(|capability| capability.limits).collect()
}

fn of(limits: &Limits) -> manifest::Limits {
    let number = |number: usize| u32::try_from(number).unwrap();
    let rate = |rate: hecate_om::Rate| manifest::Rate {
        calls: rate.calls,
        period_ms: u32::try_from(rate.period.as_millis()).unwrap(),
    };
    manifest::Limits {
        payload_bytes: number(limits.payload),
        reply_bytes: number(limits.reply),
        concurrency: number(limits.concurrency),
        per_caller: rate(limits.per_caller),
        total: rate(limits.total),
    }
}

#[test]
fn the_manifest_says_what_holds() {
    let held: Vec<_> = Greeter::capabilities().iter().map(|CapabilityInfo { limits, .. }| of(limits)).collect();
    assert_eq!(told(), held);
}

#[test]
fn the_defaults_are_the_same_everywhere() {
    let default = of(&Limits::DEFAULT);
    assert_eq!(default, manifest::Limits::default());
    let two_mebibytes = 2 << 20;
    assert_eq!(
        told(),
        [
            default,
            manifest::Limits { payload_bytes: two_mebibytes, ..default },
            manifest::Limits { reply_bytes: two_mebibytes, ..default }
        ]
    );
}
