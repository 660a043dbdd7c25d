//! Whether a message arrives when it is sent over the mesh, without one.

use macula_rust::{cbor, frame};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::capability::{CapabilityError, ErrorCode};
use crate::mesh::value::{self, ValueError};

/// Why it does not.
#[derive(Debug)]
pub(super) enum NotCarried {
    Message(ValueError),
    Codec(String),
}

/// Whether a message arrives at all.
pub(super) fn across<T: Serialize + DeserializeOwned>(message: &T) -> Result<(), NotCarried> {
    carried(message).map(drop)
}

/// Writes a message as the mesh carries it, through the SDK's own codec, and reads it again.
pub(super) fn carried<T: Serialize + DeserializeOwned>(message: &T) -> Result<T, NotCarried> {
    let codec = |error: &dyn ToString| NotCarried::Codec(error.to_string());
    let value = value::encode(message).map_err(NotCarried::Message)?;
    frame::check_payload(&value).map_err(|error| codec(&error))?;
    let bytes = cbor::encode(&value).map_err(|error| codec(&error))?;
    let value = cbor::decode(&bytes).map_err(|error| codec(&error))?;
    value::decode::<T>(value).map_err(NotCarried::Message)
}

impl NotCarried {
    /// What a test is told of its request or reply.
    pub(super) fn of(self, message: &str) -> CapabilityError {
        let (path, why) = match self {
            Self::Message(error) => (error.path(), error.to_string()),
            Self::Codec(why) => (String::new(), why),
        };
        CapabilityError::new(ErrorCode::InvalidRequest, format!("the {message} does not cross the mesh: {why}"))
            .with_details(json!({"path": path}))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Message {
        #[serde(flatten)]
        switch: Switch,
        numbers: Vec<u64>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Switch {
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<bool>,
    }

    #[test]
    fn what_does_not_cross_the_mesh_is_named_by_its_path() {
        across(&Message { switch: Switch { on: None }, numbers: vec![1] }).unwrap();
        let error = across(&Message { switch: Switch { on: None }, numbers: vec![1, u64::MAX] }).unwrap_err();
        let error = error.of("reply");
        assert!(error.message().starts_with("the reply does not cross the mesh: `numbers[1]`: "), "{error}");
        assert_eq!(error.details(), Some(&json!({"path": "numbers[1]"})));
        let error = across(&Message { switch: Switch { on: Some(true) }, numbers: Vec::new() }).unwrap_err();
        let error = error.of("request");
        assert!(error.message().contains("expected a boolean"), "{error}");
    }
}
