//! What a call comes with to show that it may be made.
//!
//! Each way by which calls come has its own, and none can be made without the check that it stands for:
//! a way that forgets its check has nothing to call with.

use std::fmt;
use std::sync::Arc;

use crate::capability::{Caller, Via};
#[cfg(feature = "macula")]
use crate::mesh::access::Upheld;
#[cfg(feature = "macula")]
use crate::node_id::NodeId;

/// Who calls, and what shows that it may.
#[derive(Debug, Clone)]
pub(crate) enum Warrant {
    /// A process on this box.
    Local { user: LocalUser, token: Option<Token> },
    /// A service in this process.
    Process { service: &'static str, token: Option<Token> },
    /// A node of the mesh, whose signature was verified. It has 32 bytes, which the calls of this box do not
    /// carry along.
    #[cfg(feature = "macula")]
    Mesh { node: Box<NodeId>, upheld: Upheld },
}

impl Warrant {
    pub(crate) fn caller(&self) -> Caller {
        match self {
            Self::Local { user, .. } => Caller::Local { uid: user.0 },
            Self::Process { service, .. } => Caller::Service { name: service },
            #[cfg(feature = "macula")]
            Self::Mesh { node, .. } => Caller::Node { id: **node },
        }
    }

    pub(crate) fn via(&self) -> Via {
        match self {
            Self::Local { .. } => Via::Box,
            Self::Process { .. } => Via::Process,
            #[cfg(feature = "macula")]
            Self::Mesh { .. } => Via::Mesh,
        }
    }
}

/// A user of this box who may call: the one that the service runs as, or root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalUser(u32);

impl LocalUser {
    /// The user `uid`, as the kernel names it, if it may call a service of `owner`.
    pub(crate) fn of(uid: u32, owner: u32) -> Option<Self> {
        (uid == owner || uid == 0).then_some(Self(uid))
    }

    pub(crate) fn uid(self) -> u32 {
        self.0
    }
}

/// A token (UCAN) that came with a call, and was not looked at yet.
#[derive(Clone)]
pub(crate) struct Token(Arc<[u8]>);

impl Token {
    pub(crate) fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    #[cfg(feature = "macula")]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whoever holds a token may use it, so it is never shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(*** {} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_the_service_and_root_may_call_and_nobody_else() {
        let may_call = |uid, owner| LocalUser::of(uid, owner).is_some();
        assert!(may_call(1000, 1000) && may_call(0, 1000) && may_call(0, 0));
        assert!(!may_call(1001, 1000) && !may_call(1000, 0) && !may_call(65534, 1000));
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::new(*b"eyJhbGciOi");
        let warrant = Warrant::Process { service: "hecate-lab", token: Some(token) };
        let shown = format!("{warrant:?}");
        assert!(!shown.contains("eyJ") && shown.contains("***"), "{shown}");
        assert!(!shown.contains("101"), "{shown}");
    }
}
