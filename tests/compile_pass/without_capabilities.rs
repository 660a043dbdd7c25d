//! A service may have no capability, and many services may share a crate.

#![deny(warnings)]

use hecate_om::prelude::*;

#[derive(Default)]
struct Silent;

/// Says nothing.
#[hecate_service(
    name = "hecate-silent",
    display_name = "The Silent One",
    version = "2.0.0-rc.1+build",
    scope = "quiet",
    depends_on = ["macula-station", "hecate-rag",],
    image = "localhost:5000/acme/hecate-silent",
    license = "MIT",
    repository = "https://example.com/silent",
    tenancy = "node",
    runs_on = "edge_node",
    ports(health = 1),
    volumes(state = "/srv/silent", secrets = "/run/secrets/silent",),
    crate = ::hecate_om,
)]
impl Silent {}

mod other {
    use super::*;

    #[derive(Default)]
    pub struct Silent;

    /// Says nothing, elsewhere.
    #[hecate_service(name = "hecate-other")]
    impl Silent {
        /// Of any depth.
        #[capability(name = "other.a.b_2.c", version = 65535, timeout = "10m")]
        pub async fn deep(&self) -> Result<()> {
            Ok(())
        }

        /// Of one name and two versions.
        #[capability(name = "other.a.b_2.c", version = 1, timeout = "1ms")]
        pub async fn shallow(&self) -> Result<()> {
            Ok(())
        }
    }
}

fn main() {
    assert!(Silent::capabilities().is_empty());
    assert_eq!(Silent::identity_spec().scope, "quiet");
    assert_eq!(Silent::info().health_port, 1);
    assert_eq!((Silent::info().secrets, Silent::info().state), ("/run/secrets/silent", "/srv/silent"));
    assert_eq!(other::Silent::info().state, "/var/lib/hecate-other");
    assert!(Silent::MANIFEST.contains("The Silent One"));
    assert_eq!(other::Silent::DEEP.version(), u16::MAX);
    let _ = (hecate_om::run::<Silent>, hecate_om::run::<other::Silent>);
}
