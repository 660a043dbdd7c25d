//! The tokens that are held: what each is good for, until when, and when another is due.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use macula_rust::node_key::node_id_of;
use macula_rust::profile::Profile;
use macula_rust::ucan::{self, Context, Policy};
use serde_json::{Map, Value};

use super::super::action::{CALL, Grant};
use crate::config::mesh::Realm;
use crate::node_id::NodeId;
use crate::random;

/// The largest token that is taken, in bytes; one with a hybrid key and a hundred grants has 25 KiB.
const MAX_TOKEN: usize = 64 * 1024;
/// How many grants of a token count.
const MAX_GRANTS: usize = 1024;
/// How long before its end a token is used no more: it must be valid when the call arrives.
const MARGIN: Duration = Duration::from_secs(30);
/// How far a renewal is from two thirds of a token's life, in percent.
const JITTER: u32 = 5;
/// The soonest renewal: a realm that mints for a moment is not asked all the time.
const SOONEST: Duration = Duration::from_secs(10);

/// The time, on both clocks: what others agreed on by the one that may jump, what passes here by the
/// one that cannot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: SystemTime,
    pub(super) steady: Instant,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }
}

/// For whom the realm's tokens are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Audience {
    pub(super) node: NodeId,
    pub(super) profile: Profile,
}

/// A token of the realm.
pub(super) struct Held {
    token: Arc<[u8]>,
    realm: String,
    /// The procedures that it is for, each by its name.
    procedures: HashSet<String>,
    /// What it lets its bearer call in any other way: a whole org, or all of the realm.
    wide: Vec<String>,
    /// All that it grants.
    grants: Vec<(String, String)>,
    pub(super) until: SystemTime,
    renew: (SystemTime, Instant),
}

impl Held {
    /// Takes a token as a provider would: it is from this realm, for this node, and valid now.
    ///
    /// # Errors
    /// Why it is of no use; never anything of the token.
    pub(super) fn take(
        token: &[u8],
        ends: SystemTime,
        audience: Audience,
        realm: &Realm,
        now: Now,
    ) -> Result<Self, String> {
        let name = realm.name.clone().ok_or("the realm has no name here")?;
        if token.len() > MAX_TOKEN {
            return Err(format!("the realm's token has {} bytes, more than {MAX_TOKEN}", token.len()));
        }
        let policy = Policy::UcanRequired { issuer: node_id_of(&realm.key, audience.profile) };
        let context = Context {
            caller: *audience.node.as_bytes(),
            profile: audience.profile,
            now: seconds(now.wall),
            request: None,
            proofs: Context::keyed_proofs(&[]),
        };
        let claims = ucan::authorize(token, &policy, &context).map_err(|refusal| {
            format!(
                "the realm's token is of no use: {}; help: compare the clocks if it is too early or too late",
                refusal.name()
            )
        })?;
        Self::granting(token, &claims, ends, name, now)
    }

    /// A token with what its claims say, once it is known whose they are.
    fn granting(
        token: &[u8],
        claims: &Map<String, Value>,
        ends: SystemTime,
        realm: String,
        now: Now,
    ) -> Result<Self, String> {
        let of_claims = claims.get("exp").and_then(Value::as_u64).ok_or("the realm's token has no end")?;
        let of_claims =
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(of_claims)).ok_or("the realm's token has no end")?;
        let until = of_claims.min(ends);
        let life = until.duration_since(now.wall).map_err(|_| "the realm's token has ended already")?;
        let (mut procedures, mut wide, mut grants) = (HashSet::new(), Vec::new(), Vec::new());
        let listed = claims.get("cap").and_then(Value::as_array).into_iter().flatten().take(MAX_GRANTS);
        for grant in listed {
            let text = |key: &str| grant.get(key).and_then(Value::as_str).map(str::to_owned);
            let (Some(with), Some(can)) = (text("with"), text("can")) else { continue };
            if can == CALL {
                match with
                    .strip_prefix("mri:proc:")
                    .and_then(|with| with.strip_prefix(&*realm))
                    .and_then(|with| with.strip_prefix('/'))
                {
                    Some(procedure) => {
                        procedures.insert(procedure.to_owned());
                    }
                    None => wide.push(with.clone()),
                }
            }
            grants.push((with, can));
        }
        let wait = random::about(life * 2 / 3, JITTER).max(SOONEST);
        let renew = (now.wall + wait, now.steady + wait);
        Ok(Self { token: token.into(), realm, procedures, wide, grants, until, renew })
    }

    /// The token, if a call of this procedure passes with it.
    fn for_procedure(&self, procedure: &str, now: SystemTime) -> Option<&Arc<[u8]>> {
        let is_good = self.is_good(now) && (self.procedures.contains(procedure) || self.covers_widely(procedure));
        is_good.then_some(&self.token)
    }

    fn covers_widely(&self, procedure: &str) -> bool {
        if self.wide.is_empty() {
            return false;
        }
        let asked = format!("mri:proc:{}/{procedure}", self.realm);
        self.wide.iter().any(|with| ucan::covers(with, &asked))
    }

    fn is_good(&self, now: SystemTime) -> bool {
        now + MARGIN < self.until
    }

    fn grants(&self, wanted: &Grant) -> bool {
        self.grants.iter().any(|(with, can)| can == wanted.can && ucan::covers(with, &wanted.with))
    }
}

/// The token in use and the one before it, which is kept until it ends.
#[derive(Default)]
pub(super) struct Shelf {
    newest: Option<Held>,
    older: Option<Held>,
}

impl Shelf {
    pub(super) fn put(&mut self, held: Held) {
        self.older = self.newest.replace(held);
    }

    pub(super) fn for_procedure(&self, procedure: &str, now: SystemTime) -> Option<Arc<[u8]>> {
        self.all().find_map(|held| held.for_procedure(procedure, now)).cloned()
    }

    /// Whether any token is good.
    pub(super) fn has_good(&self, now: SystemTime) -> bool {
        self.all().any(|held| held.is_good(now))
    }

    /// Whether another token is due: by either clock, whatever happened to the one.
    pub(super) fn is_renewal_due(&self, now: Now) -> bool {
        self.newest.as_ref().is_none_or(|held| now.wall >= held.renew.0 || now.steady >= held.renew.1)
    }

    /// What was asked and is not granted.
    pub(super) fn lacks<'a>(&self, wanted: impl Iterator<Item = (&'a str, Grant)>) -> Vec<String> {
        let granted = |grant: &Grant| self.newest.as_ref().is_some_and(|held| held.grants(grant));
        wanted.filter(|(_, grant)| !granted(grant)).map(|(action, _)| action.to_owned()).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Held> {
        self.newest.iter().chain(&self.older)
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
#[cfg(test)]
mod tests;
