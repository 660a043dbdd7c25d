//! H6: the paths of health, spelled in every way.

use hecate_om_tests::{Answer, Lab, Wire, block_on};

#[test]
fn h6_every_answer_has_a_length_and_is_not_to_be_kept() {
    let lab = Lab::open();
    let mut wire = Wire::tcp(lab.health_address());
    let kept_out = |answer: &Answer| {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    };
    for path in ["/health", "/livez", "/readyz", "/startupz", "/info", "/manifest.json", "/nowhere"] {
        let answer = wire.get(path);
        assert_eq!(answer.status, if path == "/nowhere" { 404 } else { 200 }, "{path}");
        kept_out(&answer);
        assert!(!answer.body.is_empty() && answer.json().is_object());
        let length = answer.body.len();

        wire.ask("HEAD", path, "");
        let head = wire.answer_without_body();
        assert_eq!(head.status, answer.status, "{path}");
        kept_out(&head);
        // The age of a check has a digit more or less.
        let told: usize = head.header("content-length").expect(path).parse().unwrap();
        assert!(told.abs_diff(length) < 8, "{path}: {told} of {length}");

        if path != "/nowhere" {
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                wire.ask(method, path, "");
                let refused = wire.answer();
                assert_eq!((refused.status, refused.header("allow")), (405, Some("GET,HEAD")), "{method} {path}");
                kept_out(&refused);
            }
        }
    }
    assert_eq!(block_on(lab.stop()), 0);
}

#[test]
fn h6_only_the_paths_that_are_served_are_served() {
    let lab = Lab::open();
    let mut wire = Wire::tcp(lab.health_address());
    let long = format!("/{}", "x".repeat(8 * 1024));
    let junk = format!("/health?{}", "x=%00&".repeat(1000));
    for (path, status) in [
        ("/health?verbose", 200),
        (junk.as_str(), 200),
        ("//health", 404),
        ("/health/", 404),
        ("/health/../livez", 404),
        ("/%2e%2e/health", 404),
        ("/health/../debug", 404),
        ("/health/%2e%2e/debug", 404),
        ("/health%2f..%2fdebug", 404),
        ("/health%00", 404),
        ("/health;x=1", 404),
        ("/%68ealth", 404),
        ("/HEALTH", 404),
        ("/./health", 404),
        ("/debug", 404),
        ("/debug/calls", 404),
        ("/livez?x=1#y", 200),
        ("/", 404),
        (long.as_str(), 404),
    ] {
        assert_eq!(wire.get(path).status, status, "{}", &path[..path.len().min(40)]);
    }
    // What no URI may hold.
    assert_eq!(Wire::tcp(lab.health_address()).get("/livez?\u{7f}").status, 400);
    // As a proxy would ask.
    wire.send("GET http://elsewhere/livez HTTP/1.1\r\nhost: elsewhere\r\n\r\n");
    assert_eq!(wire.answer().status, 200);
}
