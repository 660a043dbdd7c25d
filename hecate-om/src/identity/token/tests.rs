use std::sync::LazyLock;

use macula_rust::node_key::NodeKey;
use macula_rust::ucan::{self, Capability, Options};

use super::*;
use crate::health::fixtures;
use crate::identity::names::tests::parrot;
use crate::mesh::link::Linked;
use crate::node_id::NodeId;
use crate::telemetry::seen;

const NODE: NodeId = NodeId::from_bytes([7; 32]);

static REALM_KEY: LazyLock<NodeKey> = LazyLock::new(|| NodeKey::generate_identity(Profile::PqPure, 0).unwrap());

static SPEC: IdentitySpec = IdentitySpec::new(
    "parrot",
    &["answer:parrot.repeat@1", "call:hecate-echo/echo.say@1", "fly:away"],
    &["parrot/*"],
    30,
);

/// A service that calls something which asks for a token, or nothing of the kind.
fn tokens(is_needed: bool) -> Arc<Tokens> {
    let (_, state) = watch::channel(Linked::Down(Vec::new()));
    let links = Arc::new(Links::new(NODE, state));
    let further = ["call:hecate-echo/echo.whisper@1".to_owned(), "call:hecate-echo/echo.say@1".to_owned()];
    Tokens::new(links, Arc::new(parrot()), &SPEC, &further, is_needed, Profile::PqPure, fixtures::running())
}

fn realm() -> Realm {
    Realm { id: [1; 32], name: Some("hecate.local".to_owned()), key: REALM_KEY.public_key() }
}

/// What the realm answers, with a token for these.
fn answer(procedures: &[&str], life: Duration) -> Value {
    let ends = SystemTime::now() + life;
    let since = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let call = |name: &&str| Capability { with: format!("mri:proc:hecate.local/{name}"), can: "call".to_owned() };
    let grants: Vec<_> = procedures.iter().map(call).collect();
    let options = Options { exp: since.as_secs().cast_signed(), ..Options::default() };
    let token = ucan::create(&REALM_KEY, NODE.as_bytes(), &grants, &options).unwrap();
    Value::Map(vec![
        (Value::Text("token".to_owned()), Value::Bytes(token)),
        (Value::Text("expires_at_ms".to_owned()), Value::Int(i128::try_from(since.as_millis()).unwrap())),
    ])
}

fn take(tokens: &Tokens, answer: Result<Value, Refused>, backoff: &mut Backoff) -> (TokenState, Duration) {
    let (state, wait) = tokens.take(answer, &realm(), "hecate.local", backoff);
    tokens.note(state.clone(), &realm());
    (state, wait)
}

fn reason(tokens: &Tokens, seconds: u64, without: &mut Option<Instant>) -> String {
    let now = Now { wall: SystemTime::now(), steady: Instant::now() + Duration::from_secs(seconds) };
    tokens.health(now, without).reason().unwrap_or("ok").to_owned()
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn the_realm_is_asked_for_what_the_service_declares_and_uses() {
    let tokens = tokens(true);
    let asked = ["answer:parrot.repeat@1", "call:acme/echo.say@1", "call:acme/echo.whisper@1"];
    assert_eq!(tokens.asked.actions, asked, "each once, with the org that it has here");
    let fields = tokens.asked.fields(&tokens.names);
    let text = |text: &str| Value::Text(text.to_owned());
    let list = |texts: &[&str]| Value::List(texts.iter().map(|one| text(one)).collect());
    let expected = vec![
        ("org", text("zoo")),
        ("service_name", text("hecate-parrot")),
        ("scope", text("parrot")),
        ("actions", list(&asked)),
        ("resources", list(&["parrot/*"])),
        ("ttl_days", Value::Int(30)),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn a_token_that_came_is_there_for_calls() {
    let tokens = tokens(true);
    let mut backoff = Backoff::default();
    assert!(tokens.for_procedure("acme/echo.say_v1").is_none());
    let (state, wait) = take(&tokens, Ok(answer(&["acme/echo.say_v1", "acme/echo.whisper_v1"], HOUR)), &mut backoff);
    let TokenState::Held { lacks, .. } = &state else { panic!("{state:?}") };
    assert_eq!((lacks.as_slice(), wait), (["answer:parrot.repeat@1".to_owned()].as_slice(), Duration::MAX));
    assert!(tokens.for_procedure("acme/echo.say_v1").is_some());
    assert!(tokens.for_procedure("acme/echo.shout_v1").is_none());
    assert_eq!(reason(&tokens, 600, &mut None), "ok", "nothing that it calls is missing");
    let now = Now::read();
    assert!(!tokens.is_due(None, now));
    assert!(tokens.is_due(None, Now { wall: now.wall + HOUR, ..now }), "the clock was set");
}

#[test]
fn a_renewal_that_fails_leaves_the_token_that_is_held() {
    let tokens = tokens(true);
    let (mut backoff, mut without) = (Backoff::default(), None);
    take(&tokens, Ok(answer(&["acme/echo.say_v1", "acme/echo.whisper_v1"], HOUR)), &mut backoff);
    for refused in [Refused::Failed("out of ink".to_owned()), Refused::Unserved, Refused::NotAdmitted] {
        let (_, wait) = take(&tokens, Err(refused), &mut backoff);
        assert!(wait <= Duration::from_secs(72));
        assert!(tokens.for_procedure("acme/echo.say_v1").is_some());
        assert_eq!(reason(&tokens, 600, &mut without), "ok");
    }
    let end = Instant::now();
    assert!(tokens.is_due(Some(end), Now::read()), "as soon as that was said");
}

#[test]
fn a_minute_without_a_token_that_is_needed_is_told_with_its_cause() {
    let tokens = tokens(true);
    let (mut backoff, mut without) = (Backoff::default(), None);
    let said = |cause: &str| format!("this service has no token of its realm for 60s: {cause}");
    let rows = [
        (Refused::Failed("out of ink".to_owned()), "out of ink"),
        (Refused::NotAdmitted, "the realm has not admitted the org zoo"),
        (
            Refused::Unserved,
            "nobody in the realm mints tokens; help: ask its operator, or call with a token of your own",
        ),
    ];
    for (refused, cause) in rows {
        take(&tokens, Err(refused), &mut backoff);
        assert_eq!(reason(&tokens, 0, &mut without), "ok");
        assert_eq!(reason(&tokens, 59, &mut without), "ok");
        assert_eq!(reason(&tokens, 61, &mut without).replace("61s", "60s"), said(cause));
        without = None;
    }
    tokens.note(TokenState::Unnamed, &realm());
    reason(&tokens, 0, &mut without);
    assert!(reason(&tokens, 60, &mut without).ends_with("help: set HECATE_REALM to its name"));
    // One that came ends it, and the next time is counted from its own beginning.
    take(&tokens, Ok(answer(&["acme/echo.say_v1", "acme/echo.whisper_v1"], HOUR)), &mut backoff);
    assert_eq!((reason(&tokens, 61, &mut without), without), ("ok".to_owned(), None));
}

#[test]
fn a_token_with_less_than_the_service_calls_is_told() {
    let tokens = tokens(true);
    take(&tokens, Ok(answer(&["acme/echo.say_v1"], HOUR)), &mut Backoff::default());
    assert_eq!(
        reason(&tokens, 0, &mut None),
        "the realm does not grant call:acme/echo.whisper@1; help: ask its operator"
    );
}

#[test]
fn who_needs_no_token_is_well_without_one() {
    let tokens = tokens(false);
    let (mut backoff, mut without) = (Backoff::default(), None);
    take(&tokens, Err(Refused::Unserved), &mut backoff);
    reason(&tokens, 0, &mut without);
    assert_eq!(reason(&tokens, 3600, &mut without), "ok");
}

#[test]
fn a_realm_that_mints_no_tokens_is_asked_seldom_in_the_end() {
    let tokens = tokens(true);
    let mut backoff = Backoff::default();
    let waits: Vec<_> = (0..8).map(|_| take(&tokens, Err(Refused::Unserved), &mut backoff).1.as_secs()).collect();
    assert!(waits[..5].iter().all(|wait| *wait <= 36), "it may have just come up: {waits:?}");
    assert!(waits[5..].iter().all(|wait| (400..=600).contains(wait)), "{waits:?}");
    assert_eq!(*tokens.state().borrow(), TokenState::Unsupported);
}

#[test]
fn an_answer_without_a_token_is_told_without_what_it_held() {
    let tokens = tokens(true);
    let map = |fields: Vec<(&str, Value)>| {
        Value::Map(fields.into_iter().map(|(key, value)| (Value::Text(key.to_owned()), value)).collect())
    };
    let canary = || Value::Bytes(b"tr0ub4dor".to_vec());
    let wrong = [
        Value::Null,
        map(vec![]),
        map(vec![("token", canary())]),
        map(vec![("token", Value::Text("tr0ub4dor".to_owned())), ("expires_at_ms", Value::Int(1))]),
        map(vec![("token", canary()), ("expires_at_ms", Value::Int(-1))]),
        map(vec![("token", canary()), ("expires_at_ms", Value::Int(i128::from(u64::MAX)))]),
        map(vec![("token", canary()), ("expires_at_ms", Value::Int(1))]),
    ];
    for answer in wrong {
        let (state, _) = take(&tokens, Ok(answer), &mut Backoff::default());
        let TokenState::Failed { cause } = &state else { panic!("{state:?}") };
        assert!(cause.starts_with("the realm's ") && !cause.contains("tr0ub4dor"), "{cause}");
    }
}

#[test]
fn the_log_tells_of_a_token_and_of_nothing_in_it() {
    let name = concat!(module_path!(), "::the_log_tells_of_a_token_and_of_nothing_in_it");
    let lines = seen::of(name, || {
        let tokens = tokens(true);
        let mut backoff = Backoff::default();
        take(&tokens, Err(Refused::Unserved), &mut backoff);
        take(&tokens, Err(Refused::Unserved), &mut backoff);
        for _ in 0..2 {
            take(&tokens, Ok(answer(&["acme/echo.say_v1", "acme/echo.whisper_v1"], HOUR)), &mut backoff);
        }
    });
    let [none, ignored @ .., minted, lacks] = lines.as_slice() else { panic!("{lines:?}") };
    // That it lacks the right to answer is told once, that `fly:away` is no action at the beginning.
    assert!(none.contains("fly:away") && ignored.len() == 1, "{lines:?}");
    assert!(ignored[0].contains("no token from the realm"), "{lines:?}");
    assert!(minted.contains("the realm minted a token for this service"), "{lines:?}");
    assert!(lacks.contains("answer:parrot.repeat@1"), "{lines:?}");
    // How every token begins and what it holds, in base64.
    assert!(!lines.concat().contains("eyJ"), "{lines:?}");
}
