//! The development realm: claims, tokens, and what they open.

use macula_rust::cbor::Value;
use macula_rust::node_key::key_id_of;
use macula_rust::pool::Call;
use macula_rust::profile::Profile;
use macula_rust::ucan::Policy;
use sha2::{Digest, Sha256};

use crate::kit::{REALM, call, claim, echo, key, map, node, options, station, text, token, told};
use hecate_om_station::{Options, Station};

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_procedure_answers_who_has_a_token_for_it_and_nobody_else() {
    let station = station().await;
    assert_eq!(station.realm_id(), <[u8; 32]>::from(Sha256::digest(REALM)));
    let (provider, caller) = (node(&station).await, node(&station).await);
    claim(&station, &provider, "acme").await.unwrap();
    let can = "call".to_owned();
    let policy = Policy::RealmMemberRequired { key_id: key_id_of(&station.realm_key(), Profile::PqPure), can };
    let mut served = Vec::new();
    for procedure in ["acme/echo.whisper_v1", "acme/echo.hum_v1"] {
        let mut offer = echo(&station, procedure);
        offer.policy = Some(policy.clone());
        served.push(provider.serve(offer).await.unwrap());
    }
    let whisper = call(&station, "acme/echo.whisper_v1");
    assert_eq!(told(caller.call(whisper.clone()).await).0, "unauthorized");

    claim(&station, &caller, "hecate-parrot").await.unwrap();
    let token = token(&station, &caller, "hecate-parrot", &["call:acme/echo.whisper@1"]).await.unwrap();
    let with_token = |call: Call| Call { token: Some(token.clone()), ..call };
    caller.call(with_token(whisper.clone())).await.unwrap();
    assert_eq!(told(caller.call(with_token(call(&station, "acme/echo.hum_v1"))).await).0, "unauthorized");
    // It is for the node that asked for it.
    let thief = node(&station).await;
    assert_eq!(told(thief.call(with_token(whisper)).await).0, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_realm_refuses_it_refuses_by_name() {
    let station = station().await;
    let node = node(&station).await;
    let refused = |answer| told(answer).1;
    assert_eq!(refused(token(&station, &node, "acme", &[]).await.map(drop)), "not_admitted");
    let invalid = refused(claim(&station, &node, "Acme").await.map(drop));
    assert!(invalid.starts_with("invalid_org: `Acme`"), "{invalid}");
    claim(&station, &node, "acme").await.unwrap();
    let action = refused(token(&station, &node, "acme", &["own:everything"]).await.map(drop));
    assert_eq!(action, "invalid_action: `own:everything`");
    let procedure = format!("{REALM}/_realm/_realm/identity/request_provider_authorization_v1");
    let payload = map([("org", text("acme")), ("service_name", Value::Int(1)), ("box", text(""))]);
    let incomplete = refused(node.call(Call { payload, ..call(&station, &procedure) }).await.map(drop));
    assert!(incomplete.starts_with("invalid_request: `service_name`"), "{incomplete}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_serves_what_the_realm_answers() {
    let station = station().await;
    let node = node(&station).await;
    claim(&station, &node, "acme").await.unwrap();
    let procedure = format!("{REALM}/_realm/_realm/identity/issue_service_token_v1");
    for taken in [&procedure, &format!("{REALM}/more_v1")] {
        let refused = node.serve(echo(&station, taken)).await.map(drop).unwrap_err();
        assert!(format!("{refused:?}").contains("not_authorized"), "{refused:?}");
    }
    let providers = node.providers(&station.realm_id(), &procedure).await.unwrap();
    assert_eq!(providers.iter().map(|provider| provider.node).collect::<Vec<_>>(), [station.node_id()]);
}

/// Several instances of a service are of one org, and so is a station that takes over.
#[tokio::test(flavor = "multi_thread")]
async fn an_org_is_everybodys_and_outlives_the_station_that_admitted_it() {
    let before = options();
    let station = Station::start(before.clone()).await.unwrap();
    let (one, other) = (node(&station).await, node(&station).await);
    for node in [&one, &other] {
        claim(&station, node, "acme").await.unwrap();
        node.serve(echo(&station, "acme/echo.say_v1")).await.unwrap();
    }
    assert_eq!(station.counts().orgs, 1);
    let orgs = station.orgs().borrow().clone();
    assert_eq!(orgs, ["acme"]);
    station.close().await;

    let next = Station::start(Options { orgs, ..before }).await.unwrap();
    let third = crate::kit::link(&next, key()).await;
    third.serve(echo(&next, "acme/echo.say_v1")).await.unwrap();
}
