//! What an action of an identity is as a grant of the realm: one table.
//!
//! | action | with | can |
//! |---|---|---|
//! | `call:<org>/<name>@<v>`, without an org the own | `mri:proc:<realm>/<org>/<name>_v<v>` | `call` |
//! | `answer:<name>@<v>` | `mri:proc:<realm>/<own org>/<name>_v<v>` | `answer` |
//! | `publish:<topic>` | `mri:org:<realm>/<own org>` | `publish` |
//! | `subscribe:<topic>` | `mri:org:<realm>/<own org>` | `subscribe` |

use super::names::Names;

/// What a capability is called by.
pub(super) const CALL: &str = "call";

/// What the realm lets somebody do, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) with: String,
    pub(super) can: &'static str,
}

/// An action as it is asked for: what it calls bears the org that it has where this service runs.
/// Nothing for what is no action.
pub(super) fn placed(action: &str, names: &Names) -> Option<String> {
    let (verb, object) = action.split_once(':')?;
    match verb {
        CALL => {
            let (org, name) = object.split_once('/').unwrap_or((&names.org, object));
            let (name, version) = versioned(name)?;
            let org = names.peers.get(org).map_or(org, String::as_str);
            is_word(org).then(|| format!("{CALL}:{org}/{name}@{version}"))
        }
        "answer" => versioned(object).map(|_| action.to_owned()),
        "publish" | "subscribe" => (!object.is_empty()).then(|| action.to_owned()),
        _ => None,
    }
}

/// What the realm grants for an action that is [`placed`].
pub(super) fn grant(action: &str, realm: &str, names: &Names) -> Option<Grant> {
    let own = &names.org;
    let (verb, object) = action.split_once(':')?;
    let of_org = |can| Some(Grant { with: format!("mri:org:{realm}/{own}"), can });
    match verb {
        CALL => {
            let (org, name) = object.split_once('/')?;
            let (name, version) = versioned(name)?;
            Some(Grant { with: format!("mri:proc:{realm}/{org}/{name}_v{version}"), can: CALL })
        }
        "answer" => {
            let (name, version) = versioned(object)?;
            Some(Grant { with: format!("mri:proc:{realm}/{own}/{name}_v{version}"), can: "answer" })
        }
        "publish" => of_org("publish"),
        "subscribe" => of_org("subscribe"),
        _ => None,
    }
}

fn versioned(reference: &str) -> Option<(&str, u16)> {
    let (name, version) = reference.rsplit_once('@')?;
    let version = version.parse().ok().filter(|version| *version > 0)?;
    is_word(name).then_some((name, version))
}

/// What orgs and capabilities are named with.
fn is_word(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    !text.is_empty() && text.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::{Duration, SystemTime};

    use macula_rust::node_key::{NodeKey, key_id_of};
    use macula_rust::profile::Profile;
    use macula_rust::ucan::{self, Capability, Context, Options, Policy, Refusal, Request};
    use sha2::{Digest, Sha256};

    use super::super::names::tests::parrot;
    use super::*;

    const REALM: &str = "hecate.local";

    static REALM_KEY: LazyLock<NodeKey> = LazyLock::new(|| NodeKey::generate_identity(Profile::PqPure, 0).unwrap());

    const NODE: [u8; 32] = [7; 32];

    fn now() -> i64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed()
    }

    /// A token that grants exactly what the table makes of these actions.
    fn token(actions: &[&str]) -> Vec<u8> {
        let names = parrot();
        let grants = actions.iter().map(|action| {
            let Grant { with, can } = grant(&placed(action, &names).unwrap(), REALM, &names).unwrap();
            Capability { with, can: can.to_owned() }
        });
        let options = Options { exp: now() + 3600, ..Options::default() };
        ucan::create(&REALM_KEY, &NODE, &grants.collect::<Vec<_>>(), &options).unwrap()
    }

    /// Whether a provider in the realm, which asks for a member that can do so, lets this caller in.
    fn passes(token: &[u8], can: &str, realm: &str, procedure: &str, caller: [u8; 32]) -> Result<(), Refusal> {
        let policy = Policy::RealmMemberRequired {
            key_id: key_id_of(&REALM_KEY.public_key(), Profile::PqPure),
            can: can.to_owned(),
        };
        let context = Context {
            caller,
            profile: Profile::PqPure,
            now: now() + Duration::from_secs(60).as_secs().cast_signed(),
            request: Some(Request { realm: Sha256::digest(realm).into(), procedure: procedure.to_owned() }),
            proofs: Context::keyed_proofs(&[]),
        };
        ucan::authorize(token, &policy, &context).map(|_| ())
    }

    #[test]
    fn a_call_is_granted_for_that_procedure_only() {
        // The org that a peer has here stands in for the name of its service.
        let rows = [
            ("call:hecate-echo/echo.say@1", "acme/echo.say_v1"),
            ("call:other/rag.query@12", "other/rag.query_v12"),
            ("call:parrot.repeat@3", "zoo/parrot.repeat_v3"),
        ];
        for (action, procedure) in rows {
            let token = token(&[action]);
            assert_eq!(passes(&token, "call", REALM, procedure, NODE), Ok(()), "{action}");
            for another in ["acme/echo.say_v2", "acme/echo.say_v11", "acme/echo.whisper_v1", "hecate-echo/echo.say_v1"]
            {
                assert_eq!(passes(&token, "call", REALM, another, NODE), Err(Refusal::MissingCapability), "{another}");
            }
            assert_eq!(passes(&token, "answer", REALM, procedure, NODE), Err(Refusal::MissingCapability));
            assert_eq!(passes(&token, "call", "io.macula", procedure, NODE), Err(Refusal::WrongRealm));
            assert_eq!(passes(&token, "call", REALM, procedure, [8; 32]), Err(Refusal::NotTheAudience));
        }
    }

    #[test]
    fn an_answer_is_granted_in_the_own_org_only() {
        let token = token(&["answer:parrot.repeat@3"]);
        assert_eq!(passes(&token, "answer", REALM, "zoo/parrot.repeat_v3", NODE), Ok(()));
        for (can, procedure) in
            [("call", "zoo/parrot.repeat_v3"), ("answer", "acme/parrot.repeat_v3"), ("answer", "zoo/parrot.repeat_v1")]
        {
            assert_eq!(
                passes(&token, can, REALM, procedure, NODE),
                Err(Refusal::MissingCapability),
                "{can} {procedure}"
            );
        }
    }

    #[test]
    fn topics_are_granted_by_org() {
        let token = token(&["publish:parrot.said", "subscribe:echo.said"]);
        for can in ["publish", "subscribe"] {
            assert_eq!(passes(&token, can, REALM, "zoo/anything_v1", NODE), Ok(()), "{can}");
            assert_eq!(passes(&token, can, REALM, "acme/anything_v1", NODE), Err(Refusal::MissingCapability), "{can}");
        }
        assert_eq!(passes(&token, "call", REALM, "zoo/anything_v1", NODE), Err(Refusal::MissingCapability));
    }

    #[test]
    fn several_actions_are_several_grants_of_one_token() {
        let token =
            token(&["answer:parrot.repeat@3", "call:hecate-echo/echo.say@1", "call:hecate-echo/echo.whisper@1"]);
        assert_eq!(passes(&token, "call", REALM, "acme/echo.say_v1", NODE), Ok(()));
        assert_eq!(passes(&token, "call", REALM, "acme/echo.whisper_v1", NODE), Ok(()));
        assert_eq!(passes(&token, "call", REALM, "zoo/parrot.repeat_v3", NODE), Err(Refusal::MissingCapability));
    }

    #[test]
    fn what_is_no_action_is_none() {
        for action in [
            "",
            "call",
            "call:",
            "call:@1",
            "call:/echo.say@1",
            "call:acme/echo.say",
            "call:acme/echo.say@0",
            "call:acme/echo.say@65536",
            "call:acme/echo.say@one",
            "answer:acme/echo.say@1",
            "answer:@1",
            "publish:",
            "fly:away",
            "call:a/b/c@1",
            "call:Acme/echo.say@1",
            "answer:echo say@1",
        ] {
            assert_eq!(placed(action, &parrot()), None, "{action}");
        }
    }
}
