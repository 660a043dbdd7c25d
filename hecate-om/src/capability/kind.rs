//! What of a capability shapes its calls: what travels in which direction, and how it is kept on the way.

use std::fmt;

/// What of a call is a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Kind {
    /// One request, one reply.
    #[default]
    Unary,
    /// One request, many replies.
    ServerStream,
    /// Many requests, one reply.
    ClientStream,
    /// Many of both.
    Bidi,
}

impl Kind {
    /// Whether the request is a [`RequestStream`](crate::RequestStream).
    pub const fn takes_stream(self) -> bool {
        matches!(self, Self::ClientStream | Self::Bidi)
    }

    /// Whether the reply is a [`ReplyStream`](crate::ReplyStream).
    pub const fn gives_stream(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidi)
    }
}

/// As in the manifest: `unary`, `server_stream`, `client_stream`, `bidi`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::ClientStream => "client_stream",
            Self::Bidi => "bidi",
        })
    }
}

/// Whether a call over the mesh is sealed from end to end, so that no station on its way can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Confidential {
    /// It never is.
    Off,
    /// It is where the caller can.
    #[default]
    Preferred,
    /// A call that is not sealed is refused.
    Required,
}

/// As in the manifest: `off`, `preferred`, `required`.
impl fmt::Display for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Preferred => "preferred",
            Self::Required => "required",
        })
    }
}
