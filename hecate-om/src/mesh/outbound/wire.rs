//! The two things that a call needs of the SDK.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use macula_rust::pool::{Call, PoolError};
use macula_rust::station_link::Confidentiality;

use crate::mesh::link::{Links, NoLink};
use crate::mesh::value::Value;
use crate::node_id::NodeId;

/// A call to one provider.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) procedure: Arc<str>,
    pub(super) provider: NodeId,
    pub(super) payload: Value,
    pub(super) timeout: Duration,
    pub(super) token: Option<Arc<[u8]>>,
}

/// What the SDK said in place of an answer.
#[derive(Debug)]
pub(super) enum WireError {
    NoLink(NoLink),
    Pool(PoolError),
}

pub(super) type Wiring<T> = Pin<Box<dyn Future<Output = Result<T, WireError>> + Send>>;

/// The links, as calls use them.
pub(super) trait Wire: Send + Sync + 'static {
    /// Who advertises a procedure, freshest first.
    fn providers(&self, procedure: Arc<str>) -> Wiring<Vec<NodeId>>;

    /// Brings a request to its provider.
    fn call(&self, request: Request) -> Wiring<Value>;
}

impl Wire for Arc<Links> {
    fn providers(&self, procedure: Arc<str>) -> Wiring<Vec<NodeId>> {
        let linked = self.linked();
        Box::pin(async move {
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

    fn call(&self, request: Request) -> Wiring<Value> {
        let linked = self.linked();
        Box::pin(async move {
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
}
