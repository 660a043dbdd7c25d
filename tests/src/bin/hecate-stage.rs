//! A station as a process of its own, which misbehaves as it is told: one order a line, each answered with a line.
//!
//! `hecate-stage FOLDER HOST PORT PROFILE`: its keys are in the folder, so that it comes back as the same node.

use std::error::Error;
use std::io::{BufRead, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hecate_om_station::{Keys, Options, RefusedRegistrations, RegistrationAnswer, Registrations, Station};
use macula_rust::cbor::Value;
use macula_rust::node_key::NodeKey;
use macula_rust::pool::{Call, Opts, Pool, Seed};
use macula_rust::profile::Profile;
use macula_rust::record::{self, Authorization, ProcedureAdvertisementOptions};
use serde_json::json;

type Answer = Result<serde_json::Value, Box<dyn Error>>;

const REALM: &str = "hecate.test";
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, host, port, profile] = &words[..] else { return Err("FOLDER HOST PORT PROFILE".into()) };
    let profile = if profile == "pq_hybrid" { Profile::PqHybrid } else { Profile::PqPure };
    let stage = Stage::open(Path::new(folder), host, port.parse()?, profile).await?;
    tell(&stage.info());
    let (orders, mut heard) = tokio::sync::mpsc::channel(1);
    // Whoever started it holds its standard input; it ends with that.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if orders.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(order) = heard.recv().await {
        let words: Vec<&str> = order.split_whitespace().collect();
        match stage.obey(&words).await {
            Ok(told) => tell(&told),
            Err(error) => tell(&json!({"error": error.to_string()})),
        }
    }
    Ok(())
}

fn tell(told: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{told}").and_then(|()| out.flush());
}

struct Stage {
    station: Station,
    host: String,
    profile: Profile,
    /// A node of the realm that serves nothing.
    ghost: Arc<NodeKey>,
}

impl Stage {
    async fn open(folder: &Path, host: &str, port: u16, profile: Profile) -> Result<Self, Box<dyn Error>> {
        let key = |name: &str| NodeKey::load_or_create(&folder.join(name), profile).map(Arc::new);
        let keys = Keys { node: key("node.key")?, realm: key("realm.key")? };
        let ghost = key("ghost.key")?;
        let bind = (host.parse::<IpAddr>()?, port).into();
        let station = Station::start(Options { bind, ..Options::new(keys, REALM) }).await?;
        Ok(Self { station, host: host.to_owned(), profile, ghost })
    }

    /// What a client needs.
    fn info(&self) -> serde_json::Value {
        json!({
            "host": self.host,
            "port": self.station.address().port(),
            "node_id": hex(&self.station.node_id()),
            "realm": hex(&self.station.realm_id()),
            "realm_name": REALM,
            "realm_key": hex(&self.station.realm_key()),
            "profile": self.profile.name(),
        })
    }

    async fn obey(&self, words: &[&str]) -> Answer {
        let faults = self.station.faults();
        match *words {
            ["freeze"] => faults.freeze(),
            ["thaw"] => faults.thaw(),
            ["drop", node] => return Ok(json!({"connected": faults.drop_node(node_id(node)?)})),
            ["refuse", procedure, reason] => {
                let reason = REASONS.iter().find(|known| **known == reason).ok_or("no such reason")?;
                let (of, answer) = (Registrations::Named(procedure.to_owned()), RegistrationAnswer::Reason(reason));
                faults.refuse_registrations(RefusedRegistrations { of, answer, times: None });
            }
            ["accept"] => faults.accept_registrations(),
            ["hold", "admission", org] => faults.hold_admission(org),
            ["allow", "admission", org] => faults.allow_admission(org),
            ["hold", "replies"] => faults.hold_replies(),
            ["release", "replies"] => faults.release_replies(),
            ["forge", how, procedure] => {
                let wire = self.forged(how, procedure).await?;
                let slot = record::procedure_key(&self.station.realm_id(), procedure);
                faults.forge_record(slot, wire);
                return Ok(json!({"node": hex(&self.ghost.node_id()?)}));
            }
            ["forget", "forged"] => faults.forget_forged_records(),
            ["counts"] => {
                let counts = self.station.counts();
                return Ok(json!({
                    "connections": counts.connections,
                    "procedures": counts.procedures,
                    "records": counts.records,
                    "pending_calls": counts.pending_calls,
                    "relayed_calls": counts.relayed_calls,
                    "relayed_replies": counts.relayed_replies,
                    "relay_errors": counts.relay_errors,
                    "refused": counts.refused,
                }));
            }
            _ => return Err("no such order".into()),
        }
        Ok(json!({"done": true}))
    }

    /// An advertisement of a node that serves nothing: `whole`, for which callers fall; by a node that nobody let
    /// speak for the org (`foreign`); of which a byte was changed (`broken`); that has ended (`expired`).
    async fn forged(&self, how: &str, procedure: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let org = procedure.split('/').next().unwrap_or_default();
        let authorization = if how == "foreign" { Authorization::None } else { self.authorization(org).await? };
        let options = ProcedureAdvertisementOptions { authorization, kem_key: None, ttl_ms: 60_000 };
        let (node, realm, stations) = (self.ghost.node_id()?, self.station.realm_id(), [self.station.node_id()]);
        let mut unsigned = record::new_procedure_advertisement(&node, &realm, procedure, &stations, &options)?;
        if how == "expired" {
            unsigned.created_at -= 600_000;
            unsigned.expires_at -= 600_000;
        }
        let mut wire = record::encode(&record::sign(&unsigned, &self.ghost)?)?;
        if how == "broken" {
            // In the signature.
            let last = wire.len() - 1;
            wire[last] ^= 1;
        }
        Ok(wire)
    }

    /// What the realm publishes for a node that claimed an org.
    async fn authorization(&self, org: &str) -> Result<Authorization, Box<dyn Error>> {
        let mut opts = Opts::new(Arc::clone(&self.ghost));
        let realm = self.station.realm_id();
        opts.realm_trust.insert(realm, self.station.realm_key());
        let seed =
            Seed { host: self.host.clone(), port: self.station.address().port(), node_id: self.station.node_id() };
        let pool = Pool::connect(vec![seed], opts).await?;
        let entry = |name: &str, value: &str| (Value::text(name), Value::text(value));
        let claim = Call {
            realm,
            procedure: format!("{REALM}/_realm/_realm/identity/request_provider_authorization_v1"),
            payload: Value::Map(vec![entry("org", org), entry("service_name", "ghost"), entry("box", "here")]),
            timeout: PATIENCE,
            ..Call::default()
        };
        pool.call(claim).await?;
        let directory = pool.find_record(&record::org_directory_key(&realm, org)).await?;
        let org_key = record::read_org_directory(directory.record())?.org_key;
        let slot = record::procedure_delegation_key(&org_key, &self.ghost.node_id()?);
        let delegation = pool.find_record(&slot).await?;
        pool.close().await;
        Ok(Authorization::Delegation {
            org_directory: record::encode(directory.record())?,
            procedure_delegation: record::encode(delegation.record())?,
        })
    }
}

const REASONS: [&str; 3] = ["not_authorized", "too_many_providers", "refused"];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn node_id(text: &str) -> Result<[u8; 32], Box<dyn Error>> {
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap_or("?"), 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| "no node id".into())
}
