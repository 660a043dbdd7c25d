//! What every service answers over the mesh, whatever else it offers.

use hecate_om::prelude::*;
use hecate_om::testing::{Mesh, Setup, block_on};
use hecate_om::{Reference, testing};

#[derive(Default)]
pub struct Mute;

/// Offers nothing of its own.
#[hecate_service(name = "hecate-mute")]
impl Mute {}

#[derive(Default)]
pub struct Curious;

#[message]
#[derive(Debug)]
pub struct Info {
    name: String,
    version: String,
    org: String,
    node: String,
    status: String,
    capabilities: Vec<String>,
}

#[message]
pub struct Description {
    openapi: serde_json::Value,
}

/// Asks others what they are.
#[hecate_service(name = "hecate-curious", uses("hecate-mute/mute.info" = 1, "hecate-mute/mute.describe" = 1))]
impl Curious {
    /// Asks who it is.
    #[capability(version = 1)]
    pub async fn who(&self, call: &Call<Self>) -> Result<Info, CallError> {
        Reference::new("hecate-mute/mute.info", 1).unwrap().call(call, ()).await
    }

    /// Asks what it can do.
    #[capability(version = 1)]
    pub async fn what(&self, call: &Call<Self>) -> Result<Description, CallError> {
        Reference::new("hecate-mute/mute.describe", 1).unwrap().call(call, ()).await
    }
}

#[test]
fn a_service_that_offers_nothing_is_found_and_tells_what_it_is() {
    block_on(async {
        let mesh = Mesh::start().await.unwrap();
        let mute: testing::TestService<Mute> = Setup::new().on(&mesh).start().await.unwrap();
        let curious = Setup::<Curious>::new().on(&mesh).start().await.unwrap();
        let info = curious.call(Curious::WHO, ()).await.unwrap();
        assert_eq!((&*info.name, &*info.org, &*info.status), ("hecate-mute", "hecate-mute", "ok"), "{info:?}");
        assert_eq!((&*info.version, info.node.len(), info.capabilities.len()), (env!("CARGO_PKG_VERSION"), 64, 0));
        // For the realm: a token is shown, and the document comes whole.
        let openapi = curious.call(Curious::WHAT, ()).await.unwrap().openapi;
        assert_eq!((&openapi["openapi"], &openapi["info"]["title"]), (&"3.1.0".into(), &"hecate-mute".into()));
        assert!(mesh.relayed_calls() >= 2, "both went over the station");
        drop(mute);
    });
}
