//! Whoever runs the station of a box leaves or dies, and the next is there in its place.

// The lint knows no helpers of tests.
#![allow(clippy::unwrap_used)]

mod kit;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use self::kit::{Link, Seen, Service, eventually};

const PART: &str = "a_service_alone_runs_the_station_of_its_box";

fn folder() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run/station");
    (home, folder)
}

fn start(folder: &Path, link: Link) -> Service {
    Service::start(PART, folder, link)
}

/// The first, which has the seat, and others that follow it.
fn start_box(folder: &Path, followers: usize, link: Link) -> (Service, Vec<Service>, Seen) {
    let owner = start(folder, link);
    let seen = owner.sees(owner.pid());
    let followers: Vec<_> = (0..followers).map(|_| start(folder, link)).collect();
    for follower in &followers {
        assert_eq!(follower.sees(owner.pid()), seen);
    }
    (owner, followers, seen)
}

/// Takes the one that has the seat out of those that are left.
fn successor(services: &mut Vec<Service>) -> Service {
    let place = eventually("one has the seat", || services.iter().position(Service::holds));
    services.swap_remove(place)
}

#[test]
fn a_service_alone_runs_the_station_of_its_box() {
    if kit::play() {
        return;
    }
    let (_home, folder) = folder();
    let service = start(&folder, Link::Told);
    let seen = service.sees(service.pid());
    assert_ne!(seen.port, 0);
    eventually("it has the seat", || service.holds().then_some(()));
    let answer = {
        let procedure = service.says("serves-who");
        let mut service = service;
        let answer = service.reaches(&procedure);
        assert!(service.leave() < Duration::from_secs(1), "nobody waits, and nothing is in flight");
        answer
    };
    assert!(answer.contains(&seen.pid.to_string()), "{answer}");
    assert!(!folder.join("station.json").exists());
}

#[test]
fn when_the_station_is_killed_the_next_has_its_place_and_everyone_is_back() {
    // Serving under an org that only the dead station was asked for.
    for link in [Link::Told, Link::Bare] {
        let (_home, folder) = folder();
        let (owner, mut services, before) = start_box(&folder, 3, link);
        let procedures: Vec<_> = services.iter().map(|service| service.says("serves-who")).collect();
        let answer = services[0].reaches(&procedures[1]);
        assert!(answer.contains(&services[1].pid().to_string()), "{answer}");

        let begun = Instant::now();
        owner.kill();
        let place = eventually("one has the seat", || services.iter().position(Service::holds));
        let seat = begun.elapsed();
        let after = services[place].sees(services[place].pid());
        assert_eq!((after.port, &after.node), (before.port, &before.node));
        for service in &services {
            service.sees(after.pid);
        }
        for from in 0..services.len() {
            for (to, procedure) in procedures.iter().enumerate() {
                let answer = services[from].reaches(procedure);
                assert!(answer.contains(&services[to].pid().to_string()), "{answer}");
            }
        }
        let back = begun.elapsed();
        // Not when their dead links are missed, but when they hear of the next station.
        assert!(link == Link::Bare || back < Duration::from_secs(9), "{back:?}");
        println!("{link:?}: the seat after {seat:?}, every call after {back:?}");
    }
}

#[test]
fn a_service_that_leaves_hands_over_and_loses_no_call_in_flight() {
    let (_home, folder) = folder();
    let (owner, mut services, before) = start_box(&folder, 2, Link::Told);
    for service in services.iter().chain([&owner]) {
        service.says("serves-who");
    }
    let slow = services[1].says("serves-slow");
    services[1].forget();
    services[0].order(&format!("call {slow}"));
    services[1].says("asked");

    let took = owner.leave();
    assert!(took < Duration::from_millis(2200), "{took:?}");
    println!("left after {took:?}");
    assert!(services[0].says("answer").starts_with("ok "), "{:?}", services[0].last("answer"));
    let place = eventually("one has the seat", || services.iter().position(Service::holds));
    let after = services[place].sees(services[place].pid());
    assert_eq!((after.port, after.node), (before.port, before.node));
    services[0].forget_answers();
    services[0].reaches(&slow);
}

#[test]
fn a_follower_that_leaves_disturbs_nobody() {
    let (_home, folder) = folder();
    let (owner, mut services, before) = start_box(&folder, 2, Link::None);
    assert!(services.remove(0).leave() < Duration::from_secs(1));
    assert!(owner.holds());
    assert_eq!(services[0].seen(), Some(before));
    assert!(folder.join("station.json").exists());
}

#[test]
fn twenty_services_outlive_ten_stations() {
    let (_home, folder) = folder();
    let (mut owner, mut services, before) = start_box(&folder, 20, Link::None);
    for round in 0..10 {
        let begun = Instant::now();
        owner.kill();
        owner = successor(&mut services);
        let seat = begun.elapsed();
        let now = owner.sees(owner.pid());
        assert_eq!((now.port, &now.node), (before.port, &before.node), "round {round}");
        for service in &services {
            service.sees(now.pid);
        }
        assert!(services.iter().all(|service| !service.holds()), "one has the seat");
        println!("round {round}: the seat after {seat:?}, known to all after {:?}", begun.elapsed());
    }
    assert_eq!(services.len(), 10);
}

#[test]
fn a_station_that_is_frozen_keeps_its_seat_and_wakes_up_in_it() {
    let (_home, folder) = folder();
    let (owner, mut services, before) = start_box(&folder, 1, Link::Told);
    let who = services[0].says("serves-who");
    services[0].reaches(&who);
    owner.signal(Signal::STOP);
    services[0].forget_answers();
    services[0].order(&format!("call {who}"));
    // The caller is told, nobody takes the seat of a process that is not dead.
    assert!(services[0].says("answer").starts_with("no "));
    assert!(!services[0].holds());
    owner.signal(Signal::CONT);
    services[0].reaches(&who);
    assert_eq!(services[0].seen(), Some(before));
    assert!(owner.holds());
}
