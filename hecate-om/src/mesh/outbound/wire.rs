//! The two things that a call needs of the SDK.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use macula_rust::pool::{Call, PoolError, StreamCall};
use macula_rust::station_link::{Confidentiality, Stream};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::balance::Outstanding;
use crate::capability::Kind;
use crate::mesh::link::{Links, NoLink};
use crate::mesh::metadata::StreamName;
use crate::mesh::stream::{self, Arrivals, Granting, Grants, Side, Window};
use crate::mesh::value::Value;
use crate::node_id::NodeId;

/// A call to one provider. It may hold a token, so it is never shown.
pub(super) struct Request {
    pub(super) procedure: Arc<str>,
    pub(super) provider: NodeId,
    pub(super) payload: Value,
    pub(super) timeout: Duration,
    pub(super) token: Option<Arc<[u8]>>,
    /// What of it is a stream.
    pub(super) kind: Kind,
    /// Where, and under which name, what a stream of replies may send is granted.
    pub(super) grants: Option<(String, StreamName)>,
}

/// A stream that was opened. It is left when what arrives is dropped.
pub(super) struct Talking {
    pub(super) stream: Stream,
    pub(super) window: Arc<Window>,
    pub(super) arrivals: Arrivals,
}

/// What the SDK said in place of an answer.
#[derive(Debug)]
pub(super) enum WireError {
    NoLink(NoLink),
    Pool(PoolError),
    /// The SDK did not come to an end.
    Broken(String),
}

pub(super) type Wiring<T> = Pin<Box<dyn Future<Output = Result<T, WireError>> + Send>>;

/// The links, as calls use them.
pub(super) trait Wire: Send + Sync + 'static {
    /// Who advertises a procedure, freshest first.
    fn providers(&self, procedure: Arc<str>) -> Wiring<Vec<NodeId>>;

    /// Brings a request to its provider, and counts as `outstanding` there until it has ended, although its
    /// caller may have gone.
    fn call(&self, request: Request, outstanding: Outstanding) -> Wiring<Value>;

    /// Opens a stream at its provider.
    fn open(&self, request: Request) -> Wiring<Talking>;
}

/// The links, and the threads that they live on.
///
/// Whatever the SDK does is done there, and to its end, although whoever asked has gone: a frame of which a
/// part was written ends the link for everybody, a question that is dropped stays in its table for good, and
/// a link that is dialed for one call must not live where handlers block.
pub(super) struct OnLinks {
    pub(super) links: Arc<Links>,
    pub(super) threads: Handle,
}

impl OnLinks {
    fn done<T: Send + 'static>(&self, work: impl Future<Output = Result<T, WireError>> + Send + 'static) -> Wiring<T> {
        let done = self.threads.spawn(work);
        Box::pin(async move { done.await.unwrap_or_else(|error| Err(WireError::Broken(error.to_string()))) })
    }
}

impl Wire for OnLinks {
    fn providers(&self, procedure: Arc<str>) -> Wiring<Vec<NodeId>> {
        let linked = self.links.linked();
        self.done(async move {
            let (pool, realm) = linked.map_err(WireError::NoLink)?;
            match pool.providers(&realm.id, &procedure).await {
                Ok(found) => {
                    let mut nodes: Vec<NodeId> = Vec::with_capacity(found.len());
                    for provider in found {
                        // One that serves at several stations is one provider.
                        let node = NodeId::from_bytes(provider.node);
                        if !nodes.contains(&node) {
                            nodes.push(node);
                        }
                    }
                    Ok(nodes)
                }
                Err(PoolError::NoProvider(tried)) if tried.is_empty() => Ok(Vec::new()),
                Err(error) => Err(WireError::Pool(error)),
            }
        })
    }

    fn call(&self, request: Request, outstanding: Outstanding) -> Wiring<Value> {
        let linked = self.links.linked();
        self.done(async move {
            let _outstanding = outstanding;
            let (pool, realm) = linked.map_err(WireError::NoLink)?;
            let call = Call {
                realm: realm.id,
                procedure: request.procedure.to_string(),
                provider: *request.provider.as_bytes(),
                payload: request.payload,
                timeout: request.timeout,
                token: request.token.map(|token| token.to_vec()),
                proofs: Vec::new(),
                confidential: Confidentiality::Preferred,
            };
            pool.call(call).await.map_err(WireError::Pool)
        })
    }

    fn open(&self, request: Request) -> Wiring<Talking> {
        let (links, linked) = (Arc::clone(&self.links), self.links.linked());
        self.done(async move {
            let (pool, realm) = linked.map_err(WireError::NoLink)?;
            let Some(mode) = stream::mode(request.kind) else {
                return Err(WireError::Broken("a call of one reply is no stream".to_owned()));
            };
            let call = StreamCall {
                realm: realm.id,
                procedure: request.procedure.to_string(),
                provider: *request.provider.as_bytes(),
                mode,
                payload: request.payload,
                // It is about when the provider takes the call, and ends no stream.
                deadline: Duration::ZERO,
                token: request.token.map(|token| token.to_vec()),
                proofs: Vec::new(),
                confidential: Confidentiality::Preferred,
            };
            let stream = pool.open_stream(call).await.map_err(WireError::Pool)?;
            let window = Arc::new(Window::kept());
            let grants = match (request.kind, request.grants) {
                (_, Some((procedure, name))) => {
                    let (told, taken) = watch::channel(0);
                    tokio::spawn(Granting { links, provider: request.provider, procedure, name }.run(taken));
                    Grants::Aside(told)
                }
                (Kind::Bidi, None) => Grants::InBand,
                (_, None) => Grants::None,
            };
            let side =
                Side { stream: stream.clone(), window: Arc::clone(&window), grants, is_ours: false, is_left: true };
            Ok(Talking { stream, window, arrivals: stream::arrivals(side) })
        })
    }
}
