//! Which token is made out for what is asked.

use macula_rust::cbor::Value;
use macula_rust::node_key::NodeKey;
use macula_rust::ucan::{self, Capability, MAX_LIFETIME};

use super::{NotDone, is_word, text};
use crate::wire::{Id, NAME_BYTES};

/// The most actions of one token.
const MOST_ACTIONS: usize = 256;
const DAY: i64 = 24 * 60 * 60;

/// What a service asks a token for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) org: String,
    actions: Vec<String>,
    ttl_days: i64,
}

impl Asked {
    pub(crate) fn read(payload: &Value) -> Result<Self, NotDone> {
        let org = text(payload, "org")?.to_owned();
        let Some(Value::List(actions)) = payload.get("actions") else { return Err(NotDone::InvalidRequest("actions")) };
        if actions.len() > MOST_ACTIONS {
            return Err(NotDone::InvalidRequest("actions"));
        }
        let action = |action: &Value| match action {
            Value::Text(action) => Ok(action.clone()),
            _ => Err(NotDone::InvalidRequest("actions")),
        };
        let actions = actions.iter().map(action).collect::<Result<_, _>>()?;
        let ttl_days = match payload.get("ttl_days") {
            Some(Value::Int(days)) if *days > 0 => i64::try_from(*days).unwrap_or(i64::MAX),
            _ => return Err(NotDone::InvalidRequest("ttl_days")),
        };
        Ok(Self { org, actions, ttl_days })
    }
}

/// A token for `audience`, signed by the realm, and when it ends, in milliseconds.
pub(crate) fn mint(
    key: &NodeKey,
    realm: &str,
    audience: &Id,
    asked: &Asked,
    now_ms: i64,
) -> Result<(Vec<u8>, i64), NotDone> {
    let mut capabilities = Vec::new();
    for action in &asked.actions {
        let granted = capability(realm, &asked.org, action).ok_or_else(|| {
            // A reply tells 256 bytes.
            NotDone::InvalidAction(action.chars().take(50).collect())
        })?;
        if !capabilities.contains(&granted) {
            capabilities.push(granted);
        }
    }
    let lifetime = asked.ttl_days.saturating_mul(DAY).min(MAX_LIFETIME);
    let exp = (now_ms / 1000).saturating_add(lifetime);
    let options = ucan::Options { exp, ..ucan::Options::default() };
    let token = ucan::create(key, audience, &capabilities, &options).map_err(|error| {
        tracing::warn!(%error, "the realm cannot sign a token");
        NotDone::Unsigned
    })?;
    Ok((token, exp.saturating_mul(1000)))
}

/// What an action is in a token: `call:<org>/<name>@<version>`, `answer:<name>@<version>`, `publish:<topic>`,
/// `subscribe:<topic>`.
fn capability(realm: &str, org: &str, action: &str) -> Option<Capability> {
    let (can, what) = action.split_once(':')?;
    let with = match can {
        "call" => {
            let (of, name) = what.split_once('/')?;
            is_word(of, ".-_").then(|| procedure(realm, of, name))??
        }
        "answer" => procedure(realm, org, what)?,
        "publish" | "subscribe" if (1..=NAME_BYTES).contains(&what.len()) => format!("mri:org:{realm}/{org}"),
        _ => return None,
    };
    Some(Capability { with, can: can.to_owned() })
}

fn procedure(realm: &str, org: &str, name: &str) -> Option<String> {
    let (name, version) = name.rsplit_once('@')?;
    let version: u32 = version.parse().ok()?;
    is_word(name, ".-_").then(|| format!("mri:proc:{realm}/{org}/{name}_v{version}"))
}

#[cfg(test)]
mod tests {
    use macula_rust::node_key::key_id_of;
    use macula_rust::profile::Profile;
    use macula_rust::ucan::{Context, Policy, Refusal, Request, authorize};
    use sha2::{Digest, Sha256};

    use super::*;

    const REALM: &str = "hecate.local";

    fn asked(actions: &[&str], ttl_days: i64) -> Asked {
        Asked { org: "acme".to_owned(), actions: actions.iter().map(|&action| action.to_owned()).collect(), ttl_days }
    }

    fn key() -> NodeKey {
        NodeKey::generate_identity(Profile::PqPure, 0).unwrap()
    }

    /// Tokens are held against the SDK's own gate.
    #[test]
    fn a_token_allows_what_was_asked_and_nothing_else() {
        let key = key();
        let (audience, now) = ([5; 32], 1_790_000_000);
        let asked = asked(&["call:hecate-echo/echo.say@1", "answer:library.lend@2", "publish:news"], 30);
        let (token, expires) = mint(&key, REALM, &audience, &asked, now * 1000).unwrap();
        assert_eq!(expires, (now + 30 * DAY) * 1000);
        let allows = |procedure: &str, can: &str, caller: Id, now: i64| {
            let policy = Policy::RealmMemberRequired {
                key_id: key_id_of(&key.public_key(), Profile::PqPure),
                can: can.to_owned(),
            };
            let request = Request { realm: Sha256::digest(REALM).into(), procedure: procedure.to_owned() };
            let context =
                Context { caller, profile: Profile::PqPure, now, request: Some(request), proofs: Default::default() };
            authorize(&token, &policy, &context).map(drop)
        };
        assert_eq!(allows("hecate-echo/echo.say_v1", "call", audience, now), Ok(()));
        assert_eq!(allows("acme/library.lend_v2", "answer", audience, now), Ok(()));
        assert_eq!(allows("acme/anything_v1", "publish", audience, now), Ok(()));
        assert!(allows("hecate-echo/echo.say_v2", "call", audience, now).is_err());
        assert!(allows("hecate-echo/echo.say_v1", "answer", audience, now).is_err());
        assert!(allows("hecate-echo/echo.say_v1", "publish", audience, now).is_err());
        assert_eq!(allows("hecate-echo/echo.say_v1", "call", [6; 32], now), Err(Refusal::NotTheAudience));
        assert_eq!(allows("hecate-echo/echo.say_v1", "call", audience, now + 31 * DAY), Err(Refusal::Expired));
    }

    #[test]
    fn no_token_lives_longer_than_the_sdk_takes() {
        let now = clock_seconds();
        let (_, expires) = mint(&key(), REALM, &[5; 32], &asked(&[], i64::MAX), now * 1000).unwrap();
        assert_eq!(expires, (now + MAX_LIFETIME) * 1000);
    }

    fn clock_seconds() -> i64 {
        crate::clock::signed(crate::clock::now_ms()) / 1000
    }

    #[test]
    fn what_is_no_action_is_refused_by_its_name() {
        for action in [
            "",
            "call",
            "call:",
            "call:acme",
            "call:acme/x",
            "call:acme/x@",
            "call:acme/x@one",
            "call:A/x@1",
            "call:a/b/c@1",
            "answer:x y@1",
            "publish:",
            "own:acme/x@1",
        ] {
            let refused = mint(&key(), REALM, &[5; 32], &asked(&[action], 1), 0);
            assert_eq!(refused, Err(NotDone::InvalidAction(action.to_owned())), "{action}");
        }
    }

    #[test]
    fn a_request_is_read_field_by_field() {
        let field = |name: &str, value: Value| (Value::text(name), value);
        let whole = vec![
            field("org", Value::text("acme")),
            field("actions", Value::List(vec![Value::text("publish:x")])),
            field("ttl_days", Value::Int(30)),
        ];
        assert_eq!(Asked::read(&Value::Map(whole.clone())), Ok(asked(&["publish:x"], 30)));
        for (at, name) in ["org", "actions", "ttl_days"].into_iter().enumerate() {
            let mut without = whole.clone();
            without.remove(at);
            assert_eq!(Asked::read(&Value::Map(without)), Err(NotDone::InvalidRequest(name)));
            let mut wrong = whole.clone();
            wrong[at].1 = Value::Null;
            assert_eq!(Asked::read(&Value::Map(wrong)), Err(NotDone::InvalidRequest(name)));
        }
        let many = Value::List(vec![Value::text("publish:x"); MOST_ACTIONS + 1]);
        let many = Value::Map(whole).with_field("actions", many);
        assert_eq!(Asked::read(&many), Err(NotDone::InvalidRequest("actions")));
    }
}
