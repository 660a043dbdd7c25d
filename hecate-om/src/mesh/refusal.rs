//! Why a station is not linked: whether that can pass by itself, and in words that tell what to do.

use macula_rust::handshake::{HandshakeError, RefusalCode};
use macula_rust::pool::PoolError;
use macula_rust::station_link::LinkError;

use crate::node_id::NodeId;

/// Why a station is not linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) text: String,
    /// Whether somebody has to do something before it can end.
    pub(crate) is_permanent: bool,
}

impl Trouble {
    fn permanent(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_permanent: true }
    }

    fn passing(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_permanent: false }
    }

    /// Why a dial failed or a link ended.
    pub(crate) fn of_link(error: &LinkError) -> Self {
        match error {
            LinkError::InvalidConfig(what) => Self::permanent(format!("the link is configured wrongly: {what}")),
            LinkError::Handshake(error) => Self::of_handshake(error),
            LinkError::HandshakeTimeout => Self::passing("the station took the connection and did not answer"),
            LinkError::Dial(what) => Self::passing(format!("no connection: {what}")),
            LinkError::Closed => Self::passing("the link was closed here"),
            LinkError::LivenessLost => Self::passing("the station did not answer any more"),
            LinkError::IdleTimeout => Self::passing("the station was not heard for too long"),
            LinkError::ClosedByStation(what) => Self::passing(format!("the station closed the link: {what}")),
            other => Self::passing(other.to_string()),
        }
    }

    fn of_handshake(error: &HandshakeError) -> Self {
        match error {
            HandshakeError::PeerIdentityMismatch { expected, derived } => {
                let (expected, derived) = (NodeId::from_bytes(*expected), NodeId::from_bytes(*derived));
                Self::permanent(format!(
                    "the station proves to be node {derived}, not {expected}; help: look at MACULA_STATION_NODE_IDS, or ask who answers there"
                ))
            }
            HandshakeError::ProfileUnsupported => Self::permanent(OTHER_PROFILE),
            HandshakeError::Refused { code, station_ranges } => match code {
                RefusalCode::ProfileUnsupported => {
                    let spoken = station_ranges.as_ref().map(|ranges| format!(" ({ranges:?})")).unwrap_or_default();
                    Self::permanent(format!("{OTHER_PROFILE}{spoken}"))
                }
                RefusalCode::PuzzleInvalid => Self::permanent(
                    "the station does not take this node's key: it does not solve the puzzle of the mesh; help: let the service make its own key, in an empty HECATE_DATA_DIR",
                ),
                RefusalCode::UnsupportedVersion => Self::permanent(
                    "the station speaks another version of the wire; help: update this service or the station",
                ),
                RefusalCode::SessionProofRate => Self::passing("the station has too many handshakes to answer"),
                RefusalCode::NotAccepted => Self::passing("the station refused the link without saying why"),
            },
            HandshakeError::UnsupportedVersion
            | HandshakeError::VersionBelowFloor
            | HandshakeError::DowngradeDetected => {
                Self::permanent(format!("the station speaks another version of the wire ({error})"))
            }
            other => Self::passing(format!("the handshake failed: {other}")),
        }
    }

    /// Why there is no pool of links.
    pub(crate) fn of_pool(error: &PoolError) -> Self {
        match error {
            PoolError::RealmTrustInvalid(_) => Self::permanent(
                "HECATE_REALM_KEY is no key of HECATE_PROFILE; help: take the key that the realm publishes for it",
            ),
            PoolError::InvalidOpts(what) => Self::permanent(format!("the links are configured wrongly: {what}")),
            other => Self::passing(other.to_string()),
        }
    }
}

const OTHER_PROFILE: &str = "the station speaks another profile; help: look at HECATE_PROFILE";
