//! Services may use each other, those of other modules and programs, and capabilities by reference.

#![deny(warnings)]

use hecate_om::{Provider, Use, Uses, prelude::*};

mod games {
    use hecate_om::prelude::*;

    #[derive(Default)]
    pub struct Pong;

    /// Says pong.
    #[hecate_service(name = "hecate-pong", uses(super::Ping))]
    impl Pong {}
}

remote_service!(Rag in "hecate-rag" {});

#[derive(Default)]
struct Ping;

/// Says ping.
#[hecate_service(
    name = "hecate-ping",
    access = open,
    uses(games::Pong, Rag, "rag.query" = 1, "acme/rag.query" = 1, "acme/rag.query" = 2),
    identity(
        actions = [
            "answer:ping.say@1",
            "answer:ping.tell@1",
            "call:rag.query@1",
            "call:acme/rag.query@1",
            "call:acme/rag.query@2",
            "call:hecate-pong/pong.say@1",
            "publish:pings",
        ],
        resources = ["ping/*"],
        ttl_days = 365,
    ),
)]
impl Ping {
    /// Says ping.
    #[capability(version = 1, idempotent)]
    async fn say(&self) -> Result<()> {
        Ok(())
    }

    /// Tells somebody.
    #[capability(
        version = 1,
        access = issuer("0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0f")
    )]
    async fn tell(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Nobody;

/// Uses nobody, and says so.
#[hecate_service(name = "hecate-nobody", access = realm, uses(), identity())]
impl Nobody {}

const fn uses<S: Uses<P>, P>() {}

fn main() {
    uses::<Ping, games::Pong>();
    uses::<Ping, Rag>();
    uses::<Ping, Ping>();
    uses::<games::Pong, Ping>();
    assert_eq!(games::Pong::info().uses, [Use::Service { name: "hecate-ping", closed: &[] }]);
    let reference = |reference, version| Use::Capability { reference, version };
    assert_eq!(
        Ping::info().uses,
        [
            Use::Service { name: games::Pong::NAME, closed: &[] },
            Use::Service { name: Rag::NAME, closed: &[] },
            reference("rag.query", 1),
            reference("acme/rag.query", 1),
            reference("acme/rag.query", 2),
        ]
    );
    let access: Vec<_> = Ping::capabilities().iter().map(|capability| capability.access.to_string()).collect();
    assert_eq!(access, ["open".to_owned(), format!("issuer:{}", "0f".repeat(32))]);
    assert!(Ping::SAY.is_open() && Ping::SAY.is_idempotent() && Ping::capabilities()[0].is_idempotent);
    assert!(!Ping::TELL.is_open() && !Ping::TELL.is_idempotent());
    assert_eq!((Ping::identity_spec().actions.len(), Ping::identity_spec().ttl_days), (7, 365));
    let manifest = hecate_om::manifest::Manifest::parse_strict(Ping::MANIFEST).unwrap();
    assert_eq!((manifest.uses.len(), &*manifest.capabilities[0].access), (5, "open"));
    assert!(Nobody::info().uses.is_empty());
    let _ = hecate_om::run::<Ping>;
}
