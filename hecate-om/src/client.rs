//! The calls that a service makes: from the call or the context that causes them to the nearest provider.
//! Apart from `dispatch`, which answers calls, and from `mesh`, which carries them further than this box.

mod address;
mod announced;
pub(crate) mod calling;
mod calls;
mod error;
mod flow;
mod http;
mod local;
mod message;
mod open;
mod outside;
pub(crate) mod process;
mod reference;
mod streaming;
#[cfg(test)]
mod tests;
mod trail;

pub(crate) use self::address::Address;
pub use self::announced::Announced;
pub use self::calling::{Answered, Calling, Detailed, Parent};
pub(crate) use self::calling::{Cause, Plan};
pub(crate) use self::calls::{CallSettings, Calls};
#[cfg(feature = "macula")]
pub(crate) use self::calls::{Carrying, Delivered, Mesh, Outgoing, refused, timed_out};
pub use self::error::CallError;
pub(crate) use self::flow::Pieces;
pub(crate) use self::http::{LocalClient, Sends, ask_health, exchange};
pub(crate) use self::message::Encode;
pub use self::message::{CallReply, CallRequest};
#[cfg(feature = "macula")]
pub(crate) use self::open::{Open, ReceivedItems};
pub(crate) use self::open::{Opened, Received, Sending, SentItems};
pub(crate) use self::outside::{bring, open_at};
pub use self::reference::{NotAReference, Reference};
pub use self::streaming::{Opening, Replies, items};
#[cfg(feature = "macula")]
pub(crate) use self::trail::Trail;
pub use self::trail::{Attempt, Attempts};
