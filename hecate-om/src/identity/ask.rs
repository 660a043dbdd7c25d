//! Asks the realm something: its procedures, and what its answers mean.

use std::time::Duration;

use macula_rust::cbor::Value;
use macula_rust::pool::{Call, Pool, PoolError};
use macula_rust::station_link::LinkError;
use tokio::sync::watch;

use crate::config::mesh::Realm;
use crate::mesh::link::Linked;
use crate::random;

/// Has the org of a service admitted, or remembers that somebody wants that.
pub(super) const CLAIM: &str = "request_provider_authorization_v1";
/// Mints the token of a service.
pub(super) const TOKEN: &str = "issue_service_token_v1";

/// How long the realm may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much longer the SDK may take to say that it took too long.
const GRACE: Duration = Duration::from_secs(5);
/// The longest cause that is told, in bytes.
const MAX_CAUSE: usize = 300;
/// What a realm says of an org that it does not know, whatever the code that carries it.
const NOT_ADMITTED: &str = "not_admitted";
/// What a station says of a procedure that nobody serves.
const UNSERVED: &str = "unknown_next_peer";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The realm was asked, and its operator has to decide.
    NotAdmitted,
    /// Nobody in the realm answers such questions.
    Unserved,
    /// Anything else.
    Failed(String),
}

/// Asks the realm of that name.
pub(super) async fn ask(
    pool: &Pool,
    realm: &Realm,
    name: &str,
    procedure: &str,
    fields: Vec<(&str, Value)>,
) -> Result<Value, Refused> {
    let fields = fields.into_iter().map(|(key, value)| (Value::text(key), value));
    let call = Call {
        realm: realm.id,
        procedure: format!("{name}/_realm/_realm/identity/{procedure}"),
        payload: Value::Map(fields.collect()),
        timeout: TIMEOUT,
        ..Call::default()
    };
    match tokio::time::timeout(TIMEOUT + GRACE, pool.call(call)).await {
        Ok(answer) => answer.map_err(Refused::from),
        Err(_) => Err(Refused::Failed(format!("no answer within {TIMEOUT:?}"))),
    }
}

impl From<PoolError> for Refused {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Link(LinkError::Provider { code, detail, .. }) => {
                let detail = detail.as_deref().unwrap_or_default().trim();
                match (code.as_str(), detail) {
                    (NOT_ADMITTED, _) | (_, NOT_ADMITTED) => Refused::NotAdmitted,
                    (UNSERVED, _) => Refused::Unserved,
                    (code, "") => Refused::failed(format!("the realm refuses: {code}")),
                    (code, detail) => Refused::failed(format!("the realm refuses: {code}: {detail}")),
                }
            }
            PoolError::NoProvider(tried) if tried.is_empty() => Refused::Unserved,
            error => Refused::failed(error.to_string()),
        }
    }
}

impl Refused {
    /// What others said may be long, and may hold what no terminal should see.
    fn failed(cause: String) -> Self {
        let mut cause: String = cause.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        cause.truncate(cause.floor_char_boundary(MAX_CAUSE));
        Refused::Failed(cause)
    }
}

/// Waits until a link has come up since `changes` was last looked at, and a moment longer: all who lost
/// it ask apart. One that went and came in between has come up, too.
pub(super) async fn link_is_back(changes: &mut watch::Receiver<Linked>) {
    let changed = changes.changed().await.is_ok();
    let back = changed && changes.wait_for(|state| matches!(state, Linked::Up { .. })).await.is_ok();
    if !back {
        // Nobody will say anything any more.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(random::below(Duration::from_secs(1))).await;
}

/// The realm as an operator knows it.
pub(super) fn shown(realm: &Realm) -> String {
    realm.name.clone().unwrap_or_else(|| realm.id.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(code: &str, detail: Option<&str>) -> Refused {
        let (code, detail) = (code.to_owned(), detail.map(str::to_owned));
        PoolError::Link(LinkError::Provider { responded_by: [1; 32], code, detail }).into()
    }

    #[test]
    fn a_realm_that_has_not_decided_is_understood_whatever_carries_it() {
        for code in ["handler_error", "unknown_error", "anything"] {
            assert_eq!(provider(code, Some("not_admitted")), Refused::NotAdmitted);
            assert_eq!(provider(code, Some(" not_admitted\n")), Refused::NotAdmitted);
        }
        assert_eq!(provider("not_admitted", None), Refused::NotAdmitted);
    }

    #[test]
    fn every_other_refusal_is_told_as_it_is() {
        let failed = |text: &str| Refused::Failed(text.to_owned());
        assert_eq!(
            provider("handler_error", Some("out of ink")),
            failed("the realm refuses: handler_error: out of ink")
        );
        assert_eq!(
            provider("handler_error", Some("never not_admitted")),
            failed("the realm refuses: handler_error: never not_admitted")
        );
        assert_eq!(provider("unauthorized", None), failed("the realm refuses: unauthorized"));
        assert_eq!(Refused::from(PoolError::NoRealmKey), failed(&PoolError::NoRealmKey.to_string()));
        let Refused::Failed(cause) = provider("handler_error", Some(&"\u{1b}[2Jé".repeat(500))) else { panic!() };
        assert!(cause.len() <= MAX_CAUSE && !cause.contains('\u{1b}'), "{cause}");
    }

    #[test]
    fn a_realm_that_answers_no_such_question_is_told_from_one_that_is_away() {
        assert_eq!(Refused::from(PoolError::NoProvider(Vec::new())), Refused::Unserved);
        assert_eq!(provider("unknown_next_peer", None), Refused::Unserved);
        for error in [
            PoolError::Closed,
            PoolError::Link(LinkError::CallTimeout),
            PoolError::Link(LinkError::Relay { reported_by: [1; 32], code: "unknown_next_peer".to_owned() }),
        ] {
            let text = error.to_string();
            assert_eq!(Refused::from(error), Refused::Failed(text));
        }
    }
}
