//! The claim of a service: that its realm lets it speak for its org.
//!
//! It is asked until it is issued, and again now and then, because a realm may lose what it knew. Without
//! it nothing that the service offers is found on the mesh, so its state is told wherever that shows.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use macula_rust::cbor::Value;
use tokio::sync::watch;

use super::ask::{self, Refused};
use super::backoff::Backoff;
use super::names::Names;
use crate::config::mesh::Realm;
use crate::health::board::{Board, CheckId, Finding};
use crate::health::{Health, Impact};
use crate::mesh::link::Links;
use crate::random;

/// The check that tells of it.
const CHECK: &str = "identity.claim";
/// How long a claim may be undelivered before it counts against the service.
const PATIENCE: Duration = Duration::from_secs(60);
/// When an issued claim is asked again; with its jitter never later than ten minutes.
const AGAIN: Duration = Duration::from_secs(500);
const JITTER: u32 = 20;

/// How a claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// No link was up yet to ask by.
    Unsent,
    /// The realm could not be asked.
    Undelivered { cause: String, since: Instant },
    /// The realm waits for its operator.
    Pending { since: SystemTime },
    /// The realm says yes.
    Issued { at: SystemTime },
    /// Nobody in the realm answers claims: it may give its permissions by other ways, and whether it did,
    /// advertising shows.
    Unserved,
    /// Only the id of the realm is known, and its procedures bear its name. As with the one before, it may
    /// have admitted the service all the same.
    Unnamed,
}

impl Claim {
    fn kind(&self) -> std::mem::Discriminant<Self> {
        std::mem::discriminant(self)
    }

    /// What it is after an answer.
    fn after(&self, answer: Result<(), Refused>, now: Instant, time: SystemTime) -> Self {
        let cause = match answer {
            Ok(()) => return Claim::Issued { at: time },
            Err(Refused::NotAdmitted) => {
                return match self {
                    Claim::Pending { since } => Claim::Pending { since: *since },
                    _ => Claim::Pending { since: time },
                };
            }
            Err(Refused::Unserved) => return Claim::Unserved,
            Err(Refused::Failed(cause)) => cause,
        };
        match self {
            Claim::Undelivered { since, .. } => Claim::Undelivered { cause, since: *since },
            _ => Claim::Undelivered { cause, since: now },
        }
    }

    /// What it means for the service, and when that has to be looked at again.
    fn health(&self, realm: &Realm, org: &str, now: Instant) -> (Health, Option<Instant>) {
        let realm = ask::shown(realm);
        match self {
            Claim::Unsent | Claim::Issued { .. } | Claim::Unserved | Claim::Unnamed => (Health::Ok, None),
            Claim::Undelivered { cause, since } => {
                let end = *since + PATIENCE;
                if now < end {
                    return (Health::Ok, Some(end));
                }
                let seconds = now.saturating_duration_since(*since).as_secs();
                let reason =
                    format!("the claim to the org {org} does not reach the realm {realm} for {seconds}s: {cause}");
                (Health::degraded(reason), None)
            }
            Claim::Pending { since } => {
                let since = humantime::format_rfc3339_seconds(*since);
                let reason = format!(
                    "the realm {realm} holds this claim pending since {since}; ask its operator to admit org {org}"
                );
                (Health::degraded(reason), None)
            }
        }
    }

    fn tell(&self, realm: &Realm, org: &str) {
        let realm = ask::shown(realm);
        match self {
            Claim::Unsent => {}
            Claim::Issued { .. } => tracing::info!(realm, org, "the realm admits this service"),
            Claim::Undelivered { cause, .. } => tracing::warn!(realm, org, cause, "the claim could not be asked"),
            Claim::Pending { .. } => {
                tracing::warn!(realm, org, "the realm holds the claim pending: ask its operator to admit the org");
            }
            Claim::Unserved => tracing::warn!(realm, org, "nobody in the realm answers claims"),
            Claim::Unnamed => tracing::warn!(
                realm,
                org,
                "the claim cannot be asked: the realm has no name here; set HECATE_REALM to its name"
            ),
        }
    }
}

/// Asks for the claim of a service.
pub(crate) struct Claims {
    links: Arc<Links>,
    names: Arc<Names>,
    board: Arc<Board>,
    check: CheckId,
    state: watch::Sender<Claim>,
}

impl Claims {
    pub(crate) fn new(links: Arc<Links>, names: Arc<Names>, board: Arc<Board>) -> Arc<Self> {
        let check = board.add(CHECK, Impact::Degrading);
        Arc::new(Self { links, names, board, check, state: watch::Sender::new(Claim::Unsent) })
    }

    /// How it stands, and each change.
    pub(crate) fn state(&self) -> watch::Receiver<Claim> {
        self.state.subscribe()
    }

    /// Asks, for ever; whoever started it ends it.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut changes = self.links.changes();
        let mut backoff = Backoff::default();
        loop {
            changes.mark_unchanged();
            let (pool, realm) = self.links.up().await;
            let wait = match &realm.name {
                None => {
                    self.note(Claim::Unnamed, &realm);
                    Duration::MAX
                }
                Some(name) => {
                    let answer = ask::ask(&pool, &realm, name, ask::CLAIM, self.fields()).await;
                    let wait = pause(&answer, &mut backoff);
                    let before = self.state.borrow().clone();
                    self.note(before.after(answer.map(|_| ()), Instant::now(), SystemTime::now()), &realm);
                    wait
                }
            };
            tokio::select! {
                () = self.look_for(wait, &realm) => {}
                () = ask::link_is_back(&mut changes) => backoff.reset(),
            }
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let Names { org, service, host, .. } = &*self.names;
        vec![("org", Value::text(org)), ("service_name", Value::text(*service)), ("box", Value::text(host))]
    }

    fn note(&self, claim: Claim, realm: &Realm) {
        if self.state.borrow().kind() != claim.kind() {
            claim.tell(realm, &self.names.org);
        }
        self.state.send_replace(claim);
        self.judge(realm);
    }

    /// Tells health; when that changes with time alone.
    fn judge(&self, realm: &Realm) -> Option<Instant> {
        let (health, again) = self.state.borrow().health(realm, &self.names.org, Instant::now());
        self.board.note(self.check, Finding { health, code: None, at: Instant::now(), took: Duration::ZERO });
        again
    }

    /// Waits, and tells health what only time changes.
    async fn look_for(&self, wait: Duration, realm: &Realm) {
        let waited = tokio::time::sleep(wait);
        let judged = async {
            while let Some(again) = self.judge(realm) {
                tokio::time::sleep_until(again.into()).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = waited => {}
            () = judged => {}
        }
    }
}

/// How long after this answer the realm is asked again.
fn pause<T>(answer: &Result<T, Refused>, backoff: &mut Backoff) -> Duration {
    match answer {
        Ok(_) => {
            backoff.reset();
            random::about(AGAIN, JITTER)
        }
        Err(_) => backoff.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::tests::parrot;
    use super::*;
    use crate::health::fixtures;
    use crate::mesh::link::Linked;
    use crate::node_id::NodeId;
    use crate::telemetry::seen;

    fn realm(name: Option<&str>) -> Realm {
        Realm { id: [0xab; 32], name: name.map(str::to_owned), key: Vec::new() }
    }

    fn failed(cause: &str) -> Result<(), Refused> {
        Err(Refused::Failed(cause.to_owned()))
    }

    fn second(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
    }

    #[test]
    fn every_state_and_answer_leads_to_one_state() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let undelivered = |cause: &str, since| Claim::Undelivered { cause: cause.to_owned(), since };
        let states = [
            Claim::Unsent,
            undelivered("before", at(1)),
            Claim::Pending { since: second(1) },
            Claim::Issued { at: second(1) },
            Claim::Unserved,
            Claim::Unnamed,
        ];
        for state in states {
            let next = |answer| state.after(answer, at(9), second(9));
            assert_eq!(next(Ok(())), Claim::Issued { at: second(9) }, "{state:?}");
            // The first time counts, as long as it is the same.
            let since = if matches!(state, Claim::Pending { .. }) { second(1) } else { second(9) };
            assert_eq!(next(Err(Refused::NotAdmitted)), Claim::Pending { since }, "{state:?}");
            let since = if matches!(state, Claim::Undelivered { .. }) { at(1) } else { at(9) };
            assert_eq!(next(failed("no route")), undelivered("no route", since), "{state:?}");
            assert_eq!(next(Err(Refused::Unserved)), Claim::Unserved, "{state:?}");
        }
    }

    #[test]
    fn health_names_the_realm_the_org_and_what_to_do() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let reason = |claim: &Claim, realm, seconds| {
            let (health, again) = claim.health(&realm, "acme", at(seconds));
            (health.reason().unwrap_or("ok").to_owned(), again)
        };
        let named = || realm(Some("io.macula"));
        assert_eq!(reason(&Claim::Unsent, named(), 0), ("ok".to_owned(), None));
        assert_eq!(reason(&Claim::Issued { at: second(0) }, named(), 0), ("ok".to_owned(), None));
        let undelivered = Claim::Undelivered { cause: "no route".to_owned(), since: begun };
        assert_eq!(reason(&undelivered, named(), 0), ("ok".to_owned(), Some(at(60))));
        assert_eq!(reason(&undelivered, named(), 59), ("ok".to_owned(), Some(at(60))));
        let told = "the claim to the org acme does not reach the realm io.macula for 60s: no route";
        assert_eq!(reason(&undelivered, named(), 60), (told.to_owned(), None));
        let told = "the realm io.macula holds this claim pending since 2026-09-21T14:13:20Z; ask its operator to admit org acme";
        assert_eq!(reason(&Claim::Pending { since: second(0) }, named(), 0), (told.to_owned(), None));
        assert_eq!(reason(&Claim::Unserved, named(), 600), ("ok".to_owned(), None), "advertising shows what it means");
        assert_eq!(reason(&Claim::Unnamed, realm(None), 600), ("ok".to_owned(), None));
        let (told, _) = reason(&undelivered, realm(None), 60);
        assert!(told.contains(&"ab".repeat(32)), "{told}");
    }

    #[test]
    fn a_claim_is_asked_again_whatever_the_answer() {
        let mut backoff = Backoff::default();
        let seconds = |wait: Duration| wait.as_secs_f64();
        let refusals = [Err(Refused::NotAdmitted), Err(Refused::Unserved), failed("no route")];
        for refused in refusals.iter().cycle().take(30) {
            assert!(seconds(pause(refused, &mut backoff)) <= 72.0);
        }
        for _ in 0..100 {
            let again = seconds(pause(&Ok(()), &mut backoff));
            assert!((400.0..=600.0).contains(&again), "{again}");
        }
        assert!(seconds(pause(&failed("no route"), &mut backoff)) <= 1.2, "from the beginning again");
    }

    #[test]
    fn each_change_of_kind_is_one_line_with_the_realm_and_the_org() {
        let lines =
            seen::of(concat!(module_path!(), "::each_change_of_kind_is_one_line_with_the_realm_and_the_org"), || {
                let (_, state) = watch::channel(Linked::Down(Vec::new()));
                let links = Arc::new(Links::new(NodeId::from_bytes([7; 32]), state));
                let claims = Claims::new(links, Arc::new(parrot()), fixtures::running());
                let answers = [
                    failed("no route"),
                    failed("no answer"),
                    Err(Refused::NotAdmitted),
                    Err(Refused::NotAdmitted),
                    Ok(()),
                    Ok(()),
                    failed("no route"),
                ];
                for answer in answers {
                    let before = claims.state.borrow().clone();
                    claims.note(before.after(answer, Instant::now(), SystemTime::now()), &realm(Some("io.macula")));
                }
            });
        let told: Vec<_> = lines.iter().filter(|line| !line.contains("health changed")).collect();
        let expected = [
            "WARN message=the claim could not be asked realm=\"io.macula\" org=\"zoo\" cause=\"no route\"",
            "WARN message=the realm holds the claim pending: ask its operator to admit the org realm=\"io.macula\" org=\"zoo\"",
            "INFO message=the realm admits this service realm=\"io.macula\" org=\"zoo\"",
            "WARN message=the claim could not be asked realm=\"io.macula\" org=\"zoo\" cause=\"no route\"",
        ];
        assert_eq!(told, expected.iter().collect::<Vec<_>>());
    }
}
