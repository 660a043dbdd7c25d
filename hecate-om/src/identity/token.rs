//! The tokens of a service: what the realm signs for it, so that providers let it in.
//!
//! They are in memory only, and fetched anew by every process. A call looks one up without waiting; the
//! asking is done here, ahead of time.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod held;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use macula_rust::cbor::Value;
use macula_rust::profile::Profile;
use tokio::sync::watch;

use self::held::{Audience, Held, Now, Shelf};
use super::action::{self, Grant};
use super::ask::{self, Refused};
use super::backoff::Backoff;
use super::claim::Claim;
use super::names::Names;
use crate::config::mesh::Realm;
use crate::health::board::{Board, CheckId, Finding};
use crate::health::{Health, Impact};
use crate::mesh::link::Links;
use crate::random;
use crate::service::IdentitySpec;

/// The check that tells of them.
const CHECK: &str = "identity.token";
/// How long a service may be without a token that it needs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the claim is waited for before the first token is asked.
const CLAIM: Duration = Duration::from_secs(2);
/// How often the clocks are looked at: one of them may have jumped.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// When a realm that mints no tokens is asked again.
const AGAIN: Duration = Duration::from_secs(500);
const JITTER: u32 = 20;

/// How it stands with the tokens of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenState {
    /// The service asks for nothing, or no link was up yet to ask by.
    Unasked,
    /// There is one until then; it lacks these of the actions that were asked for.
    Held { until: SystemTime, lacks: Vec<String> },
    /// The last answer was none.
    Failed { cause: String },
    /// Nobody in the realm mints tokens.
    Unsupported,
    /// Only the id of the realm is known, and its procedures bear its name.
    Unnamed,
}

impl TokenState {
    fn cause(&self) -> String {
        match self {
            TokenState::Unasked => "the realm was not asked yet".to_owned(),
            TokenState::Held { .. } => "it has ended and was not renewed".to_owned(),
            TokenState::Failed { cause } => cause.clone(),
            TokenState::Unsupported => {
                "nobody in the realm mints tokens; help: ask its operator, or call with a token of your own".to_owned()
            }
            TokenState::Unnamed => "of the realm only its id is known; help: set HECATE_REALM to its name".to_owned(),
        }
    }

    /// A token without which some calls of the service are refused is half a token.
    fn shortage(&self) -> Health {
        let TokenState::Held { lacks, .. } = self else { return Health::Ok };
        let calls: Vec<_> = lacks.iter().filter(|action| action.starts_with("call:")).map(String::as_str).collect();
        match calls.as_slice() {
            [] => Health::Ok,
            calls => Health::degraded(format!("the realm does not grant {}; help: ask its operator", calls.join(", "))),
        }
    }

    fn kind(&self) -> std::mem::Discriminant<Self> {
        std::mem::discriminant(self)
    }
}

/// What a service asks its realm for.
#[derive(Debug, Clone)]
struct Asked {
    scope: &'static str,
    resources: &'static [&'static str],
    ttl_days: u16,
    actions: Vec<String>,
}

/// Fetches tokens, holds them and has one ready for who asks.
pub(crate) struct Tokens {
    links: Arc<Links>,
    names: Arc<Names>,
    asked: Asked,
    audience: Audience,
    /// Whether the service calls something that asks for a token.
    is_needed: bool,
    board: Arc<Board>,
    check: CheckId,
    shelf: RwLock<Shelf>,
    state: watch::Sender<TokenState>,
}

impl Tokens {
    /// For what `spec` asks, and the `further` actions of what is used by type. With `is_needed` it
    /// counts against the service to have none.
    pub(crate) fn new(
        links: Arc<Links>,
        names: Arc<Names>,
        spec: &IdentitySpec,
        further: &[String],
        is_needed: bool,
        profile: Profile,
        board: Arc<Board>,
    ) -> Arc<Self> {
        let audience = Audience { node: links.node(), profile };
        let impact = if is_needed { Impact::Degrading } else { Impact::Info };
        let check = board.add(CHECK, impact);
        let state = watch::Sender::new(TokenState::Unasked);
        let asked = Asked::new(spec, further, &names);
        Arc::new(Self { links, names, asked, audience, is_needed, board, check, shelf: RwLock::default(), state })
    }

    /// A token with which a call of this procedure passes, if one is held that is valid for a while yet.
    pub(crate) fn for_procedure(&self, procedure: &str) -> Option<Arc<[u8]>> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).for_procedure(procedure, SystemTime::now())
    }

    /// How it stands, and each change.
    #[cfg(test)]
    pub(crate) fn state(&self) -> watch::Receiver<TokenState> {
        self.state.subscribe()
    }

    /// Fetches, for ever; whoever started it ends it. Once the `claim` is issued a realm that refused is
    /// asked again at once.
    pub(crate) async fn run(self: Arc<Self>, mut claim: watch::Receiver<Claim>) {
        if self.asked.actions.is_empty() {
            self.judge(&mut None);
            return;
        }
        let mut changes = self.links.changes();
        let (mut backoff, mut without) = (Backoff::default(), None);
        loop {
            changes.mark_unchanged();
            claim.mark_unchanged();
            let (pool, realm) = tokio::select! {
                up = self.links.up() => up,
                () = self.look(&mut without) => continue,
            };
            // A realm that was not asked to admit the service would refuse.
            if *claim.borrow() == Claim::Unsent {
                let _ = tokio::time::timeout(CLAIM, claim.changed()).await;
            }
            let (state, wait) = match &realm.name {
                None => (TokenState::Unnamed, Duration::MAX),
                Some(name) => {
                    let answer = ask::ask(&pool, &realm, name, ask::TOKEN, self.asked.fields(&self.names)).await;
                    self.take(answer, &realm, name, &mut backoff)
                }
            };
            self.note(state, &realm);
            let end = Instant::now().checked_add(wait);
            let is_held = self.is_held();
            // Kept while the clocks are looked at: what they saw must not be forgotten.
            let (back, issued) = (ask::link_is_back(&mut changes), is_issued(&mut claim));
            tokio::pin!(back, issued);
            loop {
                self.judge(&mut without);
                let left = end.map_or(LOOK_EVERY, |end| end.saturating_duration_since(Instant::now()));
                tokio::select! {
                    () = tokio::time::sleep(left.min(LOOK_EVERY)) => {
                        if self.is_due(end, Now::read()) {
                            break;
                        }
                    }
                    () = &mut back, if !is_held => {
                        backoff.reset();
                        break;
                    }
                    () = &mut issued, if !is_held => {
                        backoff.reset();
                        break;
                    }
                }
            }
        }
    }

    /// What an answer leads to, and how long that is good.
    fn take(
        &self,
        answer: Result<Value, Refused>,
        realm: &Realm,
        name: &str,
        backoff: &mut Backoff,
    ) -> (TokenState, Duration) {
        let cause = match answer.and_then(|answer| self.put(&answer, realm).map_err(Refused::Failed)) {
            Ok(until) => {
                backoff.reset();
                let lacks = self.shelf().lacks(self.asked.grants(name, &self.names));
                // When it is due the clocks say.
                return (TokenState::Held { until, lacks }, Duration::MAX);
            }
            Err(Refused::Unserved) => {
                // One that has just come up may not serve it yet.
                let wait = backoff.next();
                let wait = if wait > Duration::from_secs(40) { random::about(AGAIN, JITTER) } else { wait };
                return (TokenState::Unsupported, wait);
            }
            Err(Refused::NotAdmitted) => format!("the realm has not admitted the org {}", self.names.org),
            Err(Refused::Failed(cause)) => cause,
        };
        (TokenState::Failed { cause }, backoff.next())
    }

    /// Takes the token out of an answer; until when it is valid.
    fn put(&self, answer: &Value, realm: &Realm) -> Result<SystemTime, String> {
        let (token, ends) = read(answer).ok_or("the realm's answer holds no token")?;
        let held = Held::take(token, ends, self.audience, realm, Now::read())?;
        let until = held.until;
        self.shelf.write().unwrap_or_else(PoisonError::into_inner).put(held);
        Ok(until)
    }

    /// Whether it is time to ask: because that was said, or because a token that is held grows old.
    fn is_due(&self, end: Option<Instant>, now: Now) -> bool {
        end.is_some_and(|end| now.steady >= end) || (self.is_held() && self.shelf().is_renewal_due(now))
    }

    fn is_held(&self) -> bool {
        matches!(*self.state.borrow(), TokenState::Held { .. })
    }

    fn shelf(&self) -> std::sync::RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, state: TokenState, realm: &Realm) {
        let (realm, org) = (ask::shown(realm), &self.names.org);
        let is_news = self.state.borrow().kind() != state.kind();
        match &state {
            TokenState::Held { until, lacks } => {
                let until = humantime::format_rfc3339_seconds(*until);
                if is_news {
                    tracing::info!(realm, org, %until, "the realm minted a token for this service");
                }
                let before = self.state.borrow().clone();
                if !lacks.is_empty() && !matches!(&before, TokenState::Held { lacks: known, .. } if known == lacks) {
                    let lacks = lacks.join(", ");
                    tracing::warn!(realm, org, lacks, "the realm grants less than this service asks for");
                }
            }
            state if is_news => tracing::warn!(realm, org, cause = state.cause(), "no token from the realm"),
            _ => {}
        }
        self.state.send_replace(state);
    }

    /// Looks at the clock now and then, while there is no link to ask by.
    async fn look(&self, without: &mut Option<Instant>) {
        // What was never asked is told by the state of the links.
        if *self.state.borrow() != TokenState::Unasked {
            self.judge(without);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }

    /// Tells health; `without` is since when there is none.
    fn judge(&self, without: &mut Option<Instant>) {
        let now = Now::read();
        let health = self.health(now, without);
        self.board.note(self.check, Finding { health, code: None, at: now.steady, took: Duration::ZERO });
    }

    fn health(&self, now: Now, without: &mut Option<Instant>) -> Health {
        if !self.is_needed || self.shelf().has_good(now.wall) {
            *without = None;
            return if self.is_needed { self.state.borrow().shortage() } else { Health::Ok };
        }
        let time = now.steady.saturating_duration_since(*without.get_or_insert(now.steady));
        if time < PATIENCE {
            return Health::Ok;
        }
        let cause = self.state.borrow().cause();
        Health::degraded(format!("this service has no token of its realm for {}s: {cause}", time.as_secs()))
    }
}

impl Asked {
    fn new(spec: &IdentitySpec, further: &[String], names: &Names) -> Self {
        let mut actions = Vec::new();
        for action in spec.actions.iter().copied().chain(further.iter().map(String::as_str)) {
            match action::placed(action, names) {
                Some(action) if !actions.contains(&action) => actions.push(action),
                Some(_) => {}
                None => tracing::warn!(action, "this action of the identity is none, and is not asked for"),
            }
        }
        Self { scope: spec.scope, resources: spec.resources, ttl_days: spec.ttl_days, actions }
    }

    fn fields(&self, names: &Names) -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::text(text);
        vec![
            ("org", text(&names.org)),
            ("service_name", text(names.service)),
            ("scope", text(self.scope)),
            ("actions", Value::List(self.actions.iter().map(|action| text(action)).collect())),
            ("resources", Value::List(self.resources.iter().map(|resource| text(resource)).collect())),
            ("ttl_days", Value::Int(i128::from(self.ttl_days))),
        ]
    }

    fn grants<'a>(&'a self, realm: &'a str, names: &'a Names) -> impl Iterator<Item = (&'a str, Grant)> {
        self.actions.iter().filter_map(move |action| Some((action.as_str(), action::grant(action, realm, names)?)))
    }
}

/// The token of an answer, and its end.
fn read(answer: &Value) -> Option<(&[u8], SystemTime)> {
    let Some(Value::Bytes(token)) = answer.get("token") else { return None };
    let Some(Value::Int(ends)) = answer.get("expires_at_ms") else { return None };
    let ends = Duration::from_millis(u64::try_from(*ends).ok()?);
    Some((token, SystemTime::UNIX_EPOCH.checked_add(ends)?))
}

/// Waits until the claim is issued, and was not when it was last looked at.
async fn is_issued(claim: &mut watch::Receiver<Claim>) {
    let changed = claim.changed().await.is_ok();
    let issued = changed && claim.wait_for(|claim| matches!(claim, Claim::Issued { .. })).await.is_ok();
    if !issued {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
