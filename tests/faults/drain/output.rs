//! D5: nobody reads what the service prints.

use std::io::Read;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use hecate_om_tests::{Wire, eventually};
use rustix::process::Signal;
use serde_json::Value;

use crate::{assert_answers, assert_ends_well, lab};

#[test]
fn d5_a_service_goes_on_when_nobody_reads_what_it_prints() {
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let mut process = lab().with("HECATE_LOG", "trace").start_writing_to(closed(), closed());
    eventually("readiness", || {
        (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
    });
    let mut wire = process.wire();
    for _ in 0..3 {
        assert_eq!(wire.call("lab.fall", r#"{"how":"late"}"#).status, 500);
        assert_eq!(wire.call("lab.say", r#"{"text":"a"}"#).status, 200);
        assert_eq!(Wire::tcp(process.health_address()).get("/livez").status, 200);
    }
    assert_ends_well(&mut process);
}

#[test]
fn d5_a_service_goes_on_when_whoever_reads_its_log_stalls() {
    let (mut log, writer) = std::io::pipe().unwrap();
    // Only what somebody asked for is written without limit.
    let mut process = lab().with("HECATE_LOG", "debug").start_writing_to(writer.into(), Stdio::null());
    eventually("readiness", || {
        (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
    });
    // More than the pipe holds, and more than the service keeps.
    let mut wire = process.wire();
    for _ in 0..2000 {
        assert_eq!(wire.call("lab.take", r#"{"items":1}"#).status, 400);
    }
    assert_eq!(process.probe("/livez").status, 200);

    // What was lost is told as soon as somebody reads again.
    let read = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&read);
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = log.read(&mut chunk) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    });
    eventually("the lines that were dropped", || read.lock().unwrap().contains("log lines were dropped").then_some(()));
    assert_ends_well(&mut process);
    reader.join().unwrap();
    let read = read.lock().unwrap();
    let lines: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("whole lines")).collect();
    let count = |message: &str| lines.iter().filter(|line| line["message"] == message).count() as u64;
    let dropped = lines.iter().filter_map(|line| line["lines"].as_u64()).sum::<u64>();
    assert!(dropped > 0);
    assert_eq!(count("call refused") + dropped, 2000, "each is there or counted");
    assert_eq!(count("stopped"), 1, "the end is in the log");
}

#[test]
fn d5_a_service_ends_though_whoever_reads_its_log_stalls() {
    for comes_back in [false, true] {
        let (mut log, writer) = std::io::pipe().unwrap();
        let mut process = lab().with("HECATE_LOG", "debug").start_writing_to(writer.into(), Stdio::null());
        eventually("readiness", || {
            (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
        });
        // More than the pipe holds, and less than the service keeps.
        let mut wire = process.wire();
        for _ in 0..500 {
            assert_eq!(wire.call("lab.take", r#"{"items":1}"#).status, 400);
        }
        process.signal(Signal::TERM);
        // Not in a closure: one that is never called would close the pipe, and nobody would stall.
        let reader = if comes_back {
            eventually("the end of the drain", || (!process.health_file().exists()).then_some(()));
            Some(std::thread::spawn(move || {
                let mut text = String::new();
                log.read_to_string(&mut text).unwrap();
                text
            }))
        } else {
            None
        };
        assert_eq!(process.exit_code(), 0);
        assert_eq!(process.launch.journal(), "start\nstarted\nstop\n");
        if let Some(reader) = reader {
            let text = reader.join().unwrap();
            assert_eq!(text.matches("call refused").count(), 500);
            assert!(text.ends_with('\n') && text.contains(r#""message":"stopped""#), "the end is in the log");
        }
    }
}

#[test]
fn d5_a_service_without_standard_output_runs() {
    let mut process = lab().after("exec 1>&- 2>&-").start();
    eventually("readiness", || {
        (process.health_file().exists() && process.probe("/readyz").status == 200).then_some(())
    });
    assert_eq!(process.wire().call("lab.fall", r#"{"how":"late"}"#).status, 500);
    assert_answers(&process);
    // No socket took the place of standard output: nothing was written to a caller.
    assert_ends_well(&mut process);
}
