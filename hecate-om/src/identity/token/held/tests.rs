use std::sync::LazyLock;

use macula_rust::node_key::NodeKey;
use macula_rust::ucan::{Capability, Options};
use sha2::{Digest, Sha256};

use super::*;

const PROFILE: Profile = Profile::PqPure;
const NODE: NodeId = NodeId::from_bytes([7; 32]);
const HOUR: Duration = Duration::from_secs(3600);

static REALM_KEY: LazyLock<NodeKey> = LazyLock::new(|| NodeKey::generate_identity(PROFILE, 0).unwrap());
static OTHER_KEY: LazyLock<NodeKey> = LazyLock::new(|| NodeKey::generate_identity(PROFILE, 0).unwrap());

fn realm() -> Realm {
    let id = Sha256::digest("hecate.local").into();
    Realm { id, name: Some("hecate.local".to_owned()), key: REALM_KEY.public_key() }
}

fn audience(node: NodeId) -> Audience {
    Audience { node, profile: PROFILE }
}

fn minted_by(key: &NodeKey, withs: &[&str], until: SystemTime) -> Vec<u8> {
    let grants: Vec<_> =
        withs.iter().map(|with| Capability { with: (*with).to_owned(), can: CALL.to_owned() }).collect();
    let options = Options { exp: seconds(until), ..Options::default() };
    ucan::create(key, NODE.as_bytes(), &grants, &options).unwrap()
}

fn held(withs: &[&str], now: Now, life: Duration) -> Held {
    let until = now.wall + life;
    let token = minted_by(&REALM_KEY, withs, until);
    Held::take(&token, until, audience(NODE), &realm(), now).unwrap()
}

/// Later, when the clock of the box was set forward or back meanwhile.
fn later(now: Now, passed: Duration, forward: Duration, back: Duration) -> Now {
    Now { wall: now.wall + passed + forward - back, steady: now.steady + passed }
}

const SAY: &str = "mri:proc:hecate.local/acme/echo.say_v1";

#[test]
fn a_token_is_for_what_it_grants_and_nothing_else() {
    let now = Now::read();
    let rows: [(&[&str], &[&str], &[&str]); 4] = [
        (
            &[SAY],
            &["acme/echo.say_v1"],
            &["acme/echo.say_v2", "acme/echo.say_v11", "acme/echo.say", "zoo/echo.say_v1", ""],
        ),
        (&["mri:org:hecate.local/acme"], &["acme/echo.say_v1", "acme/other_v9"], &["zoo/echo.say_v1", "acme"]),
        (&["mri:realm:hecate.local"], &["acme/echo.say_v1", "zoo/x_v1"], &["unowned"]),
        (&["mri:proc:hecate.localx/acme/echo.say_v1", "mri:realm:io.macula", "nonsense"], &[], &["acme/echo.say_v1"]),
    ];
    for (withs, passes, fails) in rows {
        let held = held(withs, now, HOUR);
        let has = |procedure: &str| held.for_procedure(procedure, now.wall).is_some();
        assert!(passes.iter().all(|procedure| has(procedure)), "{withs:?}");
        assert!(!fails.iter().any(|procedure| has(procedure)), "{withs:?}");
    }
}

#[test]
fn a_grant_to_do_something_else_is_none_to_call() {
    let now = Now::read();
    let grant = Capability { with: SAY.to_owned(), can: "answer".to_owned() };
    let options = Options { exp: seconds(now.wall + HOUR), ..Options::default() };
    let token = ucan::create(&REALM_KEY, NODE.as_bytes(), &[grant], &options).unwrap();
    let held = Held::take(&token, now.wall + HOUR, audience(NODE), &realm(), now).unwrap();
    assert!(held.for_procedure("acme/echo.say_v1", now.wall).is_none());
    assert!(held.grants(&Grant { with: SAY.to_owned(), can: "answer" }));
    assert!(!held.grants(&Grant { with: SAY.to_owned(), can: CALL }));
}

#[test]
fn a_token_that_no_provider_would_take_is_not_taken() {
    let now = Now::read();
    let (until, good) = (now.wall + HOUR, minted_by(&REALM_KEY, &[SAY], now.wall + HOUR));
    let mut forged = good.clone();
    // A letter of the grants.
    let place = forged.iter().position(|byte| *byte == b'.').unwrap() + 40;
    forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
    let of = |token: &[u8], node: NodeId, realm: &Realm, now: Now| {
        let said = Held::take(token, until, audience(node), realm, now).err().unwrap_or_else(|| "taken".to_owned());
        for part in token.split(|byte| *byte == b'.').filter(|part| part.len() > 8) {
            assert!(!said.contains(&*String::from_utf8_lossy(part)), "{said}");
        }
        said
    };
    let useless = |why: &str| {
        format!("the realm's token is of no use: {why}; help: compare the clocks if it is too early or too late")
    };
    assert_eq!(of(&good, NODE, &realm(), now), "taken");
    let foreign = minted_by(&OTHER_KEY, &[SAY], until);
    assert_eq!(of(&foreign, NODE, &realm(), now), useless("not_the_issuer"));
    assert_eq!(of(&good, NodeId::from_bytes([8; 32]), &realm(), now), useless("not_the_audience"));
    assert_eq!(of(&good, NODE, &realm(), later(now, HOUR, HOUR, Duration::ZERO)), useless("expired"));
    assert!(of(&forged, NODE, &realm(), now).starts_with("the realm's token is of no use: "));
    assert_eq!(of(b"tr0ub4dor", NODE, &realm(), now), useless("malformed"));
    assert_eq!(
        of(&vec![b'x'; MAX_TOKEN + 1], NODE, &realm(), now),
        "the realm's token has 65537 bytes, more than 65536"
    );
    assert_eq!(of(&good, NODE, &Realm { name: None, ..realm() }, now), "the realm has no name here");
}

#[test]
fn the_realm_may_say_an_earlier_end_and_no_later_one() {
    let now = Now::read();
    let token = minted_by(&REALM_KEY, &[SAY], now.wall + HOUR);
    let until = |ends| Held::take(&token, ends, audience(NODE), &realm(), now).unwrap().until;
    assert_eq!(until(now.wall + HOUR / 2), now.wall + HOUR / 2);
    assert!(until(now.wall + HOUR * 2) <= now.wall + HOUR);
}

#[test]
fn a_token_is_used_until_half_a_minute_before_its_end() {
    let now = Now::read();
    let held = held(&[SAY], now, HOUR);
    let at = |time: SystemTime| held.for_procedure("acme/echo.say_v1", time).is_some();
    assert!(at(held.until - MARGIN - Duration::from_secs(1)));
    assert!(!at(held.until - MARGIN) && !at(held.until) && !at(held.until + HOUR));
}

#[test]
fn renewal_is_due_at_two_thirds_of_a_life_and_never_at_once() {
    let now = Now::read();
    let due = |shelf: &Shelf, seconds: u64| {
        shelf.is_renewal_due(later(now, Duration::from_secs(seconds), Duration::ZERO, Duration::ZERO))
    };
    let mut renewals = HashSet::new();
    for _ in 0..20 {
        let mut shelf = Shelf::default();
        assert!(due(&shelf, 0), "there is none");
        shelf.put(held(&[SAY], now, HOUR));
        assert!(!due(&shelf, 0) && !due(&shelf, 2200) && due(&shelf, 2600));
        renewals.insert((2200..2600).find(|seconds| due(&shelf, *seconds)));
    }
    assert!(renewals.len() > 5, "they renew apart: {renewals:?}");
    let mut shelf = Shelf::default();
    shelf.put(held(&[SAY], now, Duration::from_secs(2)));
    assert!(!due(&shelf, 9) && due(&shelf, 10));
}

#[test]
fn a_clock_that_jumps_an_hour_forward_renews_at_once_and_one_that_jumps_back_changes_nothing() {
    let now = Now::read();
    let mut shelf = Shelf::default();
    shelf.put(held(&[SAY], now, HOUR));
    let minute = Duration::from_secs(60);
    let forward = later(now, minute, HOUR, Duration::ZERO);
    assert!(shelf.is_renewal_due(forward));
    assert!(shelf.for_procedure("acme/echo.say_v1", forward.wall).is_none() && !shelf.has_good(forward.wall));
    let back = later(now, minute, Duration::ZERO, HOUR);
    assert!(!shelf.is_renewal_due(back));
    assert!(shelf.for_procedure("acme/echo.say_v1", back.wall).is_some());
    // By the other clock its time comes all the same.
    assert!(shelf.is_renewal_due(later(now, minute * 45, Duration::ZERO, HOUR)));
}

#[test]
fn the_old_token_is_used_until_it_ends_where_the_new_one_does_not_cover() {
    let now = Now::read();
    let mut shelf = Shelf::default();
    shelf.put(held(&[SAY, "mri:proc:hecate.local/acme/echo.whisper_v1"], now, HOUR));
    let old = shelf.for_procedure("acme/echo.say_v1", now.wall).unwrap();
    shelf.put(held(&[SAY], now, HOUR * 2));
    assert!(!Arc::ptr_eq(&old, &shelf.for_procedure("acme/echo.say_v1", now.wall).unwrap()), "the new one");
    assert!(Arc::ptr_eq(&old, &shelf.for_procedure("acme/echo.whisper_v1", now.wall).unwrap()));
    assert!(shelf.for_procedure("acme/echo.whisper_v1", now.wall + HOUR).is_none());
    shelf.put(held(&[SAY], now, HOUR * 2));
    assert!(shelf.for_procedure("acme/echo.whisper_v1", now.wall).is_none(), "two are kept");
}

#[test]
fn what_was_asked_and_is_not_granted_is_told() {
    let now = Now::read();
    let mut shelf = Shelf::default();
    shelf.put(held(&[SAY], now, HOUR));
    let call = |with: &str| Grant { with: with.to_owned(), can: CALL };
    let wanted = [
        ("call:acme/echo.say@1", call(SAY)),
        ("call:acme/echo.whisper@1", call("mri:proc:hecate.local/acme/echo.whisper_v1")),
    ];
    assert_eq!(shelf.lacks(wanted.clone().into_iter()), ["call:acme/echo.whisper@1"]);
    shelf.put(held(&["mri:org:hecate.local/acme"], now, HOUR));
    assert_eq!(shelf.lacks(wanted.into_iter()), [""; 0]);
}
