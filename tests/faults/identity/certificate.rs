//! The certificate of a service, which only health looks at.

use std::process::Command;

use hecate_om_tests::{Process, eventually};
use rustix::process::Signal;

use super::{identified, put};
use crate::{assert_answers, assert_ends_well};

/// What health says of the certificate, once that has `told` in it.
fn told(process: &Process, told: &str) -> String {
    eventually(told, || {
        let report = process.probe("/health").json();
        let checks = report["checks"].as_array()?.clone();
        let check =
            checks.into_iter().find(|check| check["name"].as_str().is_some_and(|name| name.contains("certificate")))?;
        let reason = check.to_string();
        reason.contains(told).then_some(reason)
    })
}

/// A certificate that is valid from one time to another, as openssl makes it.
fn certificate(folder: &std::path::Path, from: &str, until: &str) -> Vec<u8> {
    let made = Command::new("faketime")
        .args(["-f", from, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-nodes", "-subj", "/CN=hecate-lab", "-days", until, "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::read(folder.join("cert.pem")).unwrap()
}

#[test]
fn i10_a_certificate_that_is_none_degrades_health_and_stops_nothing() {
    let launch = identified();
    let file = launch.folder().join("secrets/service-cert.pem");
    put(&file, "-----BEGIN CERTIFICATE-----\ngarbage that nobody is to see\n-----END CERTIFICATE-----\n");
    let mut process = launch.clone().ready();
    let reason = told(&process, "degraded");
    assert!(reason.contains(file.to_str().unwrap()) && !reason.contains("garbage that"), "{reason}");
    assert_answers(&process);
    assert_eq!(process.probe("/readyz").status, 200);
    assert_ends_well(&mut process);
}

#[test]
#[ignore = "needs faketime and openssl: makes certificates of other years"]
fn i10_a_certificate_of_the_past_or_of_the_future_is_told_and_a_reload_takes_the_right_one() {
    let launch = identified();
    let file = launch.folder().join("secrets/service-cert.pem");
    put(&file, certificate(launch.folder(), "-400d", "30"));
    let mut process = launch.clone().ready();
    told(&process, "ended at");
    put(&file, certificate(launch.folder(), "+400d", "30"));
    process.signal(Signal::HUP);
    told(&process, "not valid before");
    put(&file, certificate(launch.folder(), "-1d", "300"));
    process.signal(Signal::HUP);
    told(&process, "\"ok\"");
    assert_ends_well(&mut process);
}
