//! What a service finds in the folder of its box's station, and what it makes of it.

// The lint knows no helpers of tests.
#![allow(clippy::unwrap_used)]

use std::fs::Permissions;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hecate_om_station::{DevelopmentMesh, JoinError, SeatState, StationInfo};
use macula_rust::profile::Profile;
use tempfile::TempDir;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(60);

fn folder() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run/station");
    (home, folder)
}

async fn join(folder: &Path) -> DevelopmentMesh {
    DevelopmentMesh::join(folder.to_owned(), Profile::PqPure).await.unwrap()
}

async fn refusal(folder: &Path, profile: Profile) -> String {
    DevelopmentMesh::join(folder.to_owned(), profile).await.unwrap_err().to_string()
}

async fn station(mesh: &DevelopmentMesh) -> StationInfo {
    let mut station = mesh.station();
    timeout(BOUND, station.wait_for(Option::is_some)).await.unwrap().unwrap().clone().unwrap()
}

async fn until(state: &mut Receiver<SeatState>, wanted: impl Fn(&SeatState) -> bool) -> SeatState {
    timeout(BOUND, state.wait_for(wanted)).await.unwrap().unwrap().clone()
}

fn is_failing(state: &SeatState) -> bool {
    matches!(state, SeatState::Failing(_))
}

fn read(folder: &Path) -> StationInfo {
    serde_json::from_slice(&std::fs::read(folder.join("station.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_runs_the_station_and_says_where_and_what_it_is() {
    let (_home, folder) = folder();
    let mesh = join(&folder).await;
    assert!(mesh.has_seat());
    let info = station(&mesh).await;
    assert_eq!(read(&folder), info);
    assert_eq!((info.pid, info.host.as_str(), info.profile), (std::process::id(), "127.0.0.1", Profile::PqPure));
    assert_eq!((info.schema.as_str(), info.realm_name.as_str()), ("hecate.station/1", "hecate.local"));
    assert_eq!(mesh.counts().unwrap().connections, 0);
    for name in ["station.json", "node.key", "realm.key", "lock"] {
        let mode = std::fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o700);

    let begun = Instant::now();
    mesh.leave().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!folder.join("station.json").exists());
    // The next is the same node on the same port.
    let again = station(&join(&folder).await).await;
    assert_eq!((again.port, again.node_id, again.realm_key), (info.port, info.node_id, info.realm_key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_of_the_hybrid_profile_has_a_station_of_it() {
    let (_home, folder) = folder();
    let join = || DevelopmentMesh::join(folder.clone(), Profile::PqHybrid);
    let first = join().await.unwrap();
    let info = station(&first).await;
    assert_eq!((info.profile, read(&folder)), (Profile::PqHybrid, info.clone()));
    assert_eq!(station(&join().await.unwrap()).await, info);
    first.leave().await;
    let again = station(&join().await.unwrap()).await;
    assert_eq!((again.node_id, again.realm_key), (info.node_id, info.realm_key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_of_the_same_process_follows_and_takes_over() {
    let (_home, folder) = folder();
    let first = join(&folder).await;
    let second = join(&folder).await;
    let info = station(&first).await;
    assert_eq!(station(&second).await, info);
    assert!(!second.has_seat() && second.counts().is_none());
    let (mut state, mut seen) = (second.state(), second.station());
    seen.mark_unchanged();
    first.leave().await;
    until(&mut state, |state| matches!(state, SeatState::Holding)).await;
    // Of the same words, and yet another station.
    assert!(seen.has_changed().unwrap());
    assert_eq!(station(&second).await, info);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mesh_that_is_dropped_frees_its_seat() {
    let (_home, folder) = folder();
    drop(join(&folder).await);
    let next = join(&folder).await;
    until(&mut next.state(), |state| matches!(state, SeatState::Holding)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_station_left_is_never_believed() {
    let (_home, folder) = folder();
    let mesh = join(&folder).await;
    let mut dead = station(&mesh).await;
    mesh.leave().await;
    dead.port = 1;
    dead.pid = 1;
    let (path, key) = (folder.join("station.json"), folder.join("node.key"));
    let leave_behind = || {
        std::fs::write(&path, serde_json::to_vec(&dead).unwrap()).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };

    // Whoever takes the seat removes it before all else, so that nobody reads it while a station starts.
    leave_behind();
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    refusal(&folder, Profile::PqPure).await;
    assert!(!path.exists());
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    leave_behind();
    let mesh = join(&folder).await;
    assert!(mesh.has_seat());
    let info = station(&mesh).await;
    assert_eq!(info.pid, std::process::id());
    assert_eq!(read(&folder), info);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_a_stranger_took_is_given_up_and_another_told() {
    let (_home, folder) = folder();
    let mesh = join(&folder).await;
    let before = station(&mesh).await;
    mesh.leave().await;
    let stranger = UdpSocket::bind(("127.0.0.1", before.port)).unwrap();

    let mesh = join(&folder).await;
    let after = station(&mesh).await;
    assert_ne!(after.port, before.port);
    assert_eq!(after.node_id, before.node_id);
    assert_eq!(read(&folder), after);
    mesh.leave().await;

    // One that only is slow to go is waited for.
    drop(stranger);
    let slow = UdpSocket::bind(("127.0.0.1", after.port)).unwrap();
    let going = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(slow);
    });
    assert_eq!(station(&join(&folder).await).await.port, after.port);
    going.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_or_a_key_that_is_open_to_others_is_refused_at_once() {
    let (_home, folder) = folder();
    join(&folder).await.leave().await;

    let key = folder.join("node.key");
    std::fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let said = refusal(&folder, Profile::PqPure).await;
    assert!(said.contains("node.key is open to others (mode 0644); help: "), "{said}");
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    std::fs::set_permissions(&folder, Permissions::from_mode(0o770)).unwrap();
    let said = refusal(&folder, Profile::PqPure).await;
    assert!(said.contains("is open to others (mode 0770); help: chmod 700 "), "{said}");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();

    let mesh = join(&folder).await;
    until(&mut mesh.state(), |state| matches!(state, SeatState::Holding)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_two_profiles_are_told_so() {
    let (_home, folder) = folder();
    let mesh = join(&folder).await;
    // While it runs, and of its keys when it is gone.
    let said = refusal(&folder, Profile::PqHybrid).await;
    assert!(
        said.contains("runs the station of this box in the profile pq_pure, this service is told pq_hybrid"),
        "{said}"
    );
    mesh.leave().await;
    let said = refusal(&folder, Profile::PqHybrid).await;
    assert!(said.contains("node.key is of the profile pq_pure, this service is told pq_hybrid; help: "), "{said}");
    // And whoever is of the right one has not lost the seat to it.
    assert!(join(&folder).await.has_seat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_cannot_be_taken_is_told_and_tried_again() {
    let (_home, folder) = folder();
    let first = join(&folder).await;
    let second = join(&folder).await;
    let info = station(&second).await;
    let (mut state, seen) = (second.state(), second.station());

    let key = folder.join("realm.key");
    let content = std::fs::read(&key).unwrap();
    std::fs::write(&key, "no key").unwrap();
    first.leave().await;
    let failing = until(&mut state, is_failing).await;
    let SeatState::Failing(cause) = &failing else { unreachable!() };
    assert!(matches!(**cause, JoinError::Keys(_)));
    assert!(failing.to_string().contains("realm.key does not read: not a key file"), "{failing}");
    assert!(seen.borrow().is_none() && !second.has_seat());

    std::fs::write(&key, content).unwrap();
    until(&mut state, |state| matches!(state, SeatState::Holding)).await;
    assert_eq!(station(&second).await, info);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_folder_is_open_for_a_while_comes_back() {
    let (_home, folder) = folder();
    let _owner = join(&folder).await;
    let follower = join(&folder).await;
    let info = station(&follower).await;
    let mut state = follower.state();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let failing = until(&mut state, is_failing).await.to_string();
    assert!(failing.contains("is open to others (mode 0777); help: chmod 700 "), "{failing}");
    assert!(follower.station().borrow().is_none());
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    until(&mut state, |state| matches!(state, SeatState::Following)).await;
    assert_eq!(station(&follower).await, info);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_removed_is_made_again_with_one_station() {
    let (home, folder) = folder();
    let meshes = [join(&folder).await, join(&folder).await];
    let before = station(&meshes[1]).await;
    let mut seen = [meshes[0].station(), meshes[1].station()];
    // At once, as seen from where it was.
    std::fs::rename(&folder, home.path().join("gone")).unwrap();

    let is_new = |info: &Option<StationInfo>| info.as_ref().is_some_and(|info| info.node_id != before.node_id);
    for seen in &mut seen {
        let after = timeout(BOUND, seen.wait_for(is_new)).await.unwrap().unwrap().clone();
        assert_eq!(after.unwrap().port, before.port);
    }
    let begun = Instant::now();
    while meshes.iter().filter(|mesh| mesh.has_seat()).count() != 1 {
        assert!(begun.elapsed() < BOUND);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*seen[0].borrow(), *seen[1].borrow());
}
