//! Who is not let in, and what such a client is told.

use std::sync::{Arc, Mutex};

use macula_rust::handshake::{HandshakeError, RefusalCode};
use macula_rust::pool::{Opts, Pool, Seed};
use macula_rust::profile::Profile;
use macula_rust::station_link::LinkError;
use tokio::sync::oneshot;

use crate::kit::{HYBRID, call, key, node, options, opts, seed, soon, station, text, until};
use hecate_om_station::{Keys, Limits, Options, Station, StationError};

/// Why the first dial fails.
async fn refusal(seed: Seed, mut opts: Opts) -> LinkError {
    let (sender, refused) = oneshot::channel();
    let sender = Mutex::new(Some(sender));
    opts.on_link_event = Some(Arc::new(move |event| {
        if let (Some(error), Some(sender)) = (event.error, sender.lock().unwrap().take()) {
            sender.send(error).unwrap();
        }
    }));
    let dialling = tokio::spawn(Pool::connect(vec![seed], opts));
    let refused = soon(refused).await.unwrap();
    dialling.abort();
    refused
}

fn refused_with(error: &LinkError) -> Option<(RefusalCode, Option<Vec<String>>)> {
    match error {
        LinkError::Handshake(HandshakeError::Refused { code, station_ranges }) => {
            Some((*code, station_ranges.as_ref().map(|ranges| ranges.profiles.clone())))
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_pins_another_station_does_not_link() {
    let station = station().await;
    let seed = Seed { node_id: [7; 32], ..seed(&station) };
    let refused = refusal(seed, opts(&station, key())).await;
    let expected = HandshakeError::PeerIdentityMismatch { expected: [7; 32], derived: station.node_id() };
    assert_eq!(refused, LinkError::Handshake(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_profile_is_told_the_stations() {
    let pure = station().await;
    // A pure station's realm key is no key of a hybrid client: it trusts none.
    let refused = refusal(seed(&pure), Opts::new(HYBRID.clone())).await;
    let ranges = |profile: Profile| Some((RefusalCode::ProfileUnsupported, Some(vec![profile.name().to_owned()])));
    assert_eq!(refused_with(&refused), ranges(Profile::PqPure), "{refused:?}");

    let keys = Keys { node: HYBRID.clone(), realm: HYBRID.clone() };
    let hybrid = Station::start(Options { keys, ..options() }).await.unwrap();
    let refused = refusal(seed(&hybrid), Opts::new(key())).await;
    assert_eq!(refused_with(&refused), ranges(Profile::PqHybrid), "{refused:?}");
    until("it is counted", || hybrid.counts().refused.contains_key("handshake")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_did_not_solve_the_puzzle_is_told_so() {
    // With so many bits, no key that is made at once solves it.
    let station = Station::start(Options { puzzle_difficulty: 64, ..options() }).await.unwrap();
    let refused = refusal(seed(&station), opts(&station, key())).await;
    assert_eq!(refused_with(&refused), Some((RefusalCode::PuzzleInvalid, None)), "{refused:?}");
    assert_eq!(Options::new(Keys { node: key(), realm: key() }, "a").puzzle_difficulty, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_the_limit_is_told_so_and_linked_once_there_is_room() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let station = Station::start(Options { limits, ..options() }).await.unwrap();
    let first = node(&station).await;
    let refused = refusal(seed(&station), opts(&station, key())).await;
    let ranges = Some(vec!["pq_pure".to_owned()]);
    assert_eq!(refused_with(&refused), Some((RefusalCode::SessionProofRate, ranges)), "{refused:?}");
    assert!(station.counts().refused["too_many_connections"] >= 1);
    first.close().await;
    node(&station).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_station_that_takes_no_more_goes_on_with_who_is_linked() {
    let station = station().await;
    let (provider, caller) = (node(&station).await, node(&station).await);
    let ring = macula_rust::record::own_procedure(&provider.node_id(), "ring");
    let _served = provider.serve(crate::kit::echo(&station, &ring)).await.unwrap();
    station.refuse_new().await;
    let refused = refusal(seed(&station), opts(&station, key())).await;
    assert!(matches!(&refused, LinkError::Dial(why) if why.contains("refused")), "{refused:?}");
    let mut call = call(&station, &ring);
    call.payload = text("still here?");
    caller.call(call).await.unwrap();
}

#[tokio::test]
async fn a_station_does_not_start_where_it_cannot_be_one() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap();
    let refused = Station::start(Options { bind, ..options() }).await.unwrap_err();
    assert!(matches!(&refused, StationError::Listen { address, .. } if *address == bind), "{refused:?}");

    let bind = ([0, 0, 0, 0], 0).into();
    let refused = Station::start(Options { bind, ..options() }).await.unwrap_err();
    assert_eq!(refused.to_string(), "a development station listens on loopback only, not on 0.0.0.0:0");

    let keys = Keys { node: key(), realm: HYBRID.clone() };
    let refused = Station::start(Options { keys, ..options() }).await.unwrap_err();
    assert_eq!(refused.to_string(), "the station's key is of the profile pq_pure, the realm's of pq_hybrid");

    let refused = Station::start(Options { realm_name: "Not a realm".to_owned(), ..options() }).await.unwrap_err();
    assert!(matches!(refused, StationError::RealmName(_)), "{refused:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "becomes another user, which only root may"]
async fn a_client_of_another_user_is_not_let_in() {
    use std::os::unix::process::CommandExt;

    /// Tells this very test, started again as another user, which station to dial.
    const DIALS: &str = "HECATE_STATION_TEST_DIALS";
    const NOBODY: u32 = 65534;

    if let Ok(port) = std::env::var(DIALS) {
        // As the other user. Whom it pins does not matter: it is turned away before that is looked at.
        let seed = Seed { host: "127.0.0.1".to_owned(), port: port.parse().unwrap(), node_id: [7; 32] };
        println!("refused: {:?}", refused_with(&refusal(seed, Opts::new(key())).await));
        return;
    }
    let station = station().await;
    let name = "refusals::a_client_of_another_user_is_not_let_in";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args([name, "--exact", "--ignored", "--nocapture"]).uid(NOBODY).gid(NOBODY);
    again.env(DIALS, station.address().port().to_string());
    let told = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&told.stdout);
    let expected = (RefusalCode::NotAccepted, Some(vec!["pq_pure".to_owned()]));
    assert!(told.contains(&format!("refused: {:?}", Some(expected))), "{told}");
    assert!(station.counts().refused["connection_of_another_user"] >= 1);
    node(&station).await;
}
