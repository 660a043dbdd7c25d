//! A service on the mesh, from the moment that it is ready until it has left.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use macula_rust::frame::StreamMode;
use macula_rust::node_key::NodeKey;
use macula_rust::station_link::{Confidentiality, Handler, Offer};
use serde_json::json;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant as Deadline, timeout, timeout_at};

use super::advertise::{Advertisements, Offered};
use super::announce::{Fact, Memory, announce};
use super::development::Development;
use super::link::{Dialer, Linked, Links, Table, Target, admission};
use super::outbound::{Outbound, TokenSource};
use super::serve::Answering;
use super::stream::{self, Credits};
use super::system::System;
use super::{access, procedure, watch as watching};
use crate::capability::{Access, Confidential, Kind};
use crate::config::mesh::{MeshConfig, Realm};
use crate::dispatch::Dispatch;
use crate::guard::access::Standing;
use crate::health::board::{Board, OnTheMesh};
use crate::identity::Names;
use crate::identity::certificate::CertificateWatch;
use crate::identity::claim::Claims;
use crate::identity::token::Tokens;
use crate::node_id::NodeId;
use crate::registry;
use crate::service::{Blueprint, ServiceInfo, Use};

/// How many threads links have. They do nothing but signatures, frames and timers, and must do so while
/// handlers block all others.
pub(crate) const THREADS: usize = 2;

/// How long a link to a station that is set rests before it is dialed again.
const REDIAL: Duration = Duration::from_secs(1);

/// Names are resolved there.
pub(crate) const BLOCKING_THREADS: usize = 4;

/// How many advertisements are shown.
const SHOWN: usize = 256;

/// What a service needs to be on the mesh.
pub(crate) struct Setup {
    pub(crate) blueprint: Blueprint,
    pub(crate) config: MeshConfig,
    pub(crate) identity: Arc<NodeKey>,
    pub(crate) node: NodeId,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) board: Arc<Board>,
    /// Where handlers run.
    pub(crate) workers: Handle,
    /// Where an operator may have put a certificate.
    pub(crate) secrets_dir: PathBuf,
    /// Where the services of this box agree on a station.
    pub(crate) station_folder: PathBuf,
}

/// A service on the mesh. When it is dropped, its links close.
pub(crate) struct Presence {
    view: Arc<View>,
    outbound: Arc<Outbound>,
    certificate: Arc<CertificateWatch>,
    /// Told what to dial; it must live as long as the links.
    _target: Arc<watch::Sender<Option<Target>>>,
    threads: Option<Runtime>,
    /// End with it.
    _tasks: JoinSet<()>,
}

/// What there is to see of a service on the mesh.
pub(crate) struct View {
    org: String,
    node: NodeId,
    links: Arc<Links>,
    table: Arc<Table>,
    advertisements: Arc<Advertisements>,
    development: Option<Arc<Development>>,
    /// What others announced.
    memory: Arc<Memory>,
}

impl Presence {
    /// Begins to dial and to advertise, in the background.
    ///
    /// # Errors
    /// When the system gives no threads, or when two things would bear one name.
    pub(crate) fn begin(setup: Setup) -> io::Result<Self> {
        let (state, links) = watch::channel(Linked::Down(Vec::new()));
        let links = Arc::new(Links::new(setup.node, links));
        let table = Arc::new(Table::new(setup.config.stations.is_empty()));
        let advertisements = Advertisements::new(Arc::clone(&links), Arc::clone(&setup.identity), offers(&setup));
        let advertisements = advertisements.map_err(io::Error::other)?;
        let (target, dialed) = watch::channel(fixed_target(&setup.config));
        let target = Arc::new(target);
        let profile = setup.identity.profile();
        let development = setup.config.stations.is_empty();
        let development = development.then(|| Arc::new(Development::new(setup.station_folder, profile)));
        let threads = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .enable_all()
            .thread_name("hecate-mesh")
            .build()?;
        let mut tasks = JoinSet::new();
        let admission = admission(setup.blueprint.info.capabilities);
        let dialer = Dialer { identity: setup.identity, target: dialed, table: Arc::clone(&table), state, admission };
        tasks.spawn_on(dialer.dial(), threads.handle());
        if let Some(development) = &development {
            let (development, target) = (Arc::clone(development), Arc::clone(&target));
            tasks.spawn_on(async move { development.follow(&target).await }, threads.handle());
        }
        let names = Names::new(setup.blueprint.info.name, setup.config.org.clone(), setup.config.peers.clone());
        let names = Arc::new(names);
        let claims = Claims::new(Arc::clone(&links), Arc::clone(&names), Arc::clone(&setup.board));
        let further = calls_by_type(setup.blueprint.info, &setup.config.peers);
        let tokens = Tokens::new(
            Arc::clone(&links),
            names,
            &setup.blueprint.info.identity,
            &further,
            !further.is_empty(),
            profile,
            Arc::clone(&setup.board),
        );
        tasks.spawn_on(Arc::clone(&advertisements).keep(claims.state()), threads.handle());
        tasks.spawn_on(Arc::clone(&tokens).run(claims.state()), threads.handle());
        tasks.spawn_on(claims.run(), threads.handle());
        let certificate = Arc::new(CertificateWatch::new(setup.secrets_dir, Arc::clone(&setup.board)));
        tasks.spawn_on(Arc::clone(&certificate).run(), threads.handle());
        let memory = Arc::new(Memory::default());
        let held = Arc::clone(&tokens);
        let held: TokenSource = Arc::new(move |procedure| held.for_procedure(procedure));
        let outbound = Outbound::new(Arc::clone(&links), threads.handle().clone(), Some(held), Arc::clone(&memory));
        let (service, org) = (setup.blueprint.info.name, setup.config.org.clone());
        let (found, node) = (Arc::clone(&advertisements), setup.node);
        // What is not found is not announced: it could not be called.
        let fact = move || Fact::new(service, org.clone(), node, found.found());
        let announcing = announce(Arc::clone(&links), Arc::clone(&memory), fact, advertisements.changes());
        tasks.spawn_on(announcing, threads.handle());
        let standing = stand(setup.dispatch, Arc::clone(&links), setup.config.clone());
        tasks.spawn_on(standing, threads.handle());
        let view = View { org: setup.config.org, node: setup.node, links, table, advertisements, development, memory };
        let view = Arc::new(view);
        tasks.spawn_on(watching::watch(setup.board, Arc::clone(&view)), threads.handle());
        Ok(Self { view, outbound, certificate, _target: target, threads: Some(threads), _tasks: tasks })
    }

    pub(crate) fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Where calls go out.
    pub(crate) fn outbound(&self) -> Arc<Outbound> {
        Arc::clone(&self.outbound)
    }

    pub(crate) fn certificate(&self) -> &Arc<CertificateWatch> {
        &self.certificate
    }

    /// Nobody who looks from now on finds this service; who knows it is still answered.
    pub(crate) async fn withdraw(&self, until: Deadline) {
        let advertisements = Arc::clone(&self.view.advertisements);
        if !self.within(until, async move { advertisements.withdraw().await }).await {
            tracing::warn!("not everything was taken back from the mesh in time; it ends there within five minutes");
        }
    }

    /// Answers nobody any more, and closes the links.
    pub(crate) async fn leave(self, until: Deadline) {
        let view = Arc::clone(&self.view);
        view.table.leave();
        let part = until.saturating_duration_since(Deadline::now()) / 3;
        let leaving = async move {
            // A station that does not answer costs its part, and what follows is done all the same.
            let _ = timeout(part, view.advertisements.stop()).await;
            if let Ok((pool, _)) = view.links.linked() {
                let _ = timeout(part, pool.close()).await;
            }
            if let Some(development) = &view.development {
                development.leave().await;
            }
        };
        if !self.within(until, leaving).await {
            tracing::warn!("the stations did not say goodbye in time");
        }
    }

    /// Does something on the threads of the mesh; says whether it ended in time.
    async fn within(&self, until: Deadline, work: impl Future<Output = ()> + Send + 'static) -> bool {
        let Some(threads) = &self.threads else { return true };
        timeout_at(until, threads.spawn(work)).await.is_ok()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

impl View {
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn advertisements(&self) -> &Advertisements {
        &self.advertisements
    }

    pub(super) fn development(&self) -> Option<&Development> {
        self.development.as_deref()
    }

    /// Whether anybody could find this service.
    pub(crate) fn is_advertised(&self) -> bool {
        self.advertisements.advertised() > 0
    }

    /// For health and metrics; reasons are for callers on this box.
    pub(crate) fn told(&self, with_details: bool) -> OnTheMesh {
        let (links, dialed) = self.table.count();
        let shown = self.advertisements.shown(Instant::now());
        let advertised = shown.iter().filter(|shown| shown.is_advertised).count();
        let realm = self.links.linked().ok().map(|(_, realm)| realm);
        let relayed = self.development().and_then(Development::relayed);
        let mut told = json!({
            "org": self.org,
            "node": self.node.to_string(),
            "realm": realm.as_ref().map(|realm| NodeId::from_bytes(realm.id).to_string()),
            "realm_name": realm.and_then(|realm| realm.name),
            "links": {"up": links, "dialed": dialed},
            "offered": shown.len(),
            "advertised": advertised,
        });
        let heard = self.memory.counts();
        let last_dropped = self.memory.last_dropped().map(|why| why.to_string());
        told["announcements"] = json!({"published": heard.published, "heard": heard.heard, "dropped": heard.dropped, "missed": heard.missed, "last_dropped": last_dropped});
        if let Some(development) = &self.development {
            told["development"] = json!({"station_here": development.has_seat(), "relayed_calls": relayed});
        }
        if with_details {
            told["advertisements"] = json!(shown.get(..SHOWN).unwrap_or(&shown));
        }
        OnTheMesh { links, offered: shown.len(), advertised, relayed, told }
    }
}

/// What is offered: each capability, and what every service answers.
fn offers(setup: &Setup) -> Vec<Offered> {
    let (info, org) = (setup.blueprint.info, &setup.config.org);
    let credits = Arc::new(Credits::default());
    let (dispatch, workers) = (Arc::clone(&setup.dispatch), setup.workers.clone());
    let answering = Answering { dispatch, workers, credits: Arc::clone(&credits) };
    let system = Arc::new(System {
        blueprint: setup.blueprint,
        board: Arc::clone(&setup.board),
        org: org.clone(),
        node: setup.node,
        since: Instant::now(),
        dispatch: Arc::clone(&setup.dispatch),
        description: OnceLock::new(),
    });
    let profile = setup.config.profile;
    let own = info.capabilities.iter().enumerate().map(|(slot, info)| {
        let (procedure, answering) = (procedure(org, info.name, info.version), answering.clone());
        let name = procedure.clone();
        let offer = move |realm: &Realm| {
            let mut offer = access::guarded(info, realm, profile, |upheld| match stream::mode(info.kind) {
                None => Offer::unary(realm.id, &name, answering.handler(slot, upheld)),
                Some(mode) => Offer::stream(realm.id, &name, mode, answering.streams(slot, upheld)),
            });
            offer.confidential = match info.confidential {
                Confidential::Off => Confidentiality::Off,
                Confidential::Preferred => Confidentiality::Preferred,
                Confidential::Required => Confidentiality::Required,
            };
            offer
        };
        Offered { procedure, offer: Box::new(offer) }
    });
    let of_system = |(name, access, handler): (&str, Access, Handler)| {
        let procedure = procedure(org, &format!("{}.{name}", info.identity.scope), 1);
        let own = procedure.clone();
        let offer = move |realm: &Realm| {
            let mut offer = Offer::unary(realm.id, &own, Arc::clone(&handler));
            offer.policy = access::policy_of(access, realm, profile);
            offer
        };
        Offered { procedure, offer: Box::new(offer) }
    };
    let grants = info.capabilities.iter().any(|info| info.kind == Kind::ServerStream).then(|| {
        let procedure = stream::grants(org, info.identity.scope);
        let name = procedure.clone();
        // Who grants is who reads: that is looked at, and needs no token.
        let offer = move |realm: &Realm| Offer::stream(realm.id, &name, StreamMode::ClientStream, credits.handler());
        Offered { procedure, offer: Box::new(offer) }
    });
    own.chain(system.offers().map(of_system)).chain(grants).collect()
}

/// What the service may call of what it uses by type, as actions of its identity: what is open needs none.
fn calls_by_type(info: &ServiceInfo, peers: &BTreeMap<String, String>) -> Vec<String> {
    let linked = registry::services();
    let mut calls = Vec::new();
    for used in info.uses {
        let Use::Service { name, closed } = used else { continue };
        let org = peers.get(*name).map_or(*name, String::as_str);
        let here = linked.iter().filter(|service| service.name == *name).flat_map(|service| service.capabilities);
        let here = here.filter(|offer| offer.access != Access::Open).map(|offer| (offer.name, offer.version));
        for (name, version) in here.chain(closed.iter().copied()) {
            calls.push(format!("call:{org}/{name}@{version}"));
        }
    }
    calls
}

/// Tells those who check callers of this box in which realm the service is, as often as that changes.
async fn stand(dispatch: Arc<Dispatch>, links: Arc<Links>, config: MeshConfig) {
    let mut changes = links.changes();
    let mut realm = config.realm.clone();
    loop {
        if let Linked::Up { realm: of_links, .. } = &*changes.borrow_and_update() {
            realm = Some(of_links.clone());
        }
        dispatch.stand(Standing { org: config.org.clone(), realm: realm.clone(), profile: config.profile });
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The stations that are set, if they are.
pub(super) fn fixed_target(config: &MeshConfig) -> Option<Target> {
    let realm = config.realm.clone()?;
    (!config.stations.is_empty()).then(|| Target { stations: config.stations.clone(), realm, epoch: 0, redial: REDIAL })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::IdentitySpec;

    #[test]
    fn what_is_closed_of_a_service_of_another_program_is_asked_for_by_name() {
        let identity = IdentitySpec::new("parrot", &[], &[], 30);
        let info = ServiceInfo::new("hecate-parrot", "1.0.0", "", "", "", &[], identity, 1, "{}").uses(&[
            Use::Service { name: "hecate-rag", closed: &[("rag.query", 1), ("rag.learn", 2)] },
            Use::Service { name: "hecate-echo", closed: &[] },
            Use::Capability { reference: "acme/x.y", version: 1 },
        ]);
        let mut peers = BTreeMap::new();
        assert_eq!(calls_by_type(&info, &peers), ["call:hecate-rag/rag.query@1", "call:hecate-rag/rag.learn@2"]);
        peers.insert("hecate-rag".to_owned(), "acme".to_owned());
        assert_eq!(calls_by_type(&info, &peers)[0], "call:acme/rag.query@1");
    }
}
