//! What may stand in a handler's signature: the bounds on requests and replies, in words.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that a capability takes: an object on the wire. `#[message]` gives all it needs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the request of a Hecate capability",
    label = "this type cannot be read from a call",
    note = "help: write `#[message]` above `{Self}`, or derive `serde::Deserialize` and `schemars::JsonSchema` for it",
    note = "help: a stream is written out in the signature, `RequestStream<..>`, not behind an alias"
)]
pub trait Request: DeserializeOwned + JsonSchema + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<R: DeserializeOwned + JsonSchema + Send + 'static> Request for R {}

/// A type that a capability answers with: an object on the wire. `#[message]` gives all it needs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a Hecate capability",
    label = "this type cannot be sent to a caller",
    note = "help: write `#[message]` above `{Self}`, or derive `serde::Serialize` and `schemars::JsonSchema` for it",
    note = "help: a stream is written out in the signature, `Result<ReplyStream<..>>`, not behind an alias"
)]
pub trait Reply: Serialize + JsonSchema + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + JsonSchema + Send + 'static> Reply for T {}
