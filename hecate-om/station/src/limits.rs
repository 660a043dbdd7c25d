//! How much a station holds, so that no client makes it grow without end.

/// How much a station holds. What is beyond is refused by name and counted in [`Counts::refused`].
///
/// The defaults are for all services of one box, with room to spare.
///
/// [`Counts::refused`]: crate::Counts::refused
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, those that are still shaking hands among them.
    pub connections: usize,
    /// Frames that wait to be written to one client; one that reads too slowly loses what comes after.
    pub queued_frames: usize,
    /// Bytes that wait to be written to one client.
    pub queued_bytes: usize,
    /// Calls of one client whose signature is being checked; its next frames wait meanwhile.
    pub checks: usize,
    /// Procedures that one node advertises.
    pub procedures: usize,
    /// Topics that one node is subscribed to.
    pub topics: usize,
    /// Subscriptions of all nodes.
    pub subscriptions: usize,
    /// Calls that wait for their reply.
    pub pending_calls: usize,
    /// Calls of one caller that wait for their reply.
    pub pending_calls_of_one: usize,
    /// Streams of one client that are relayed at once.
    pub streams: usize,
    /// Records of all signers.
    pub records: usize,
    /// Records of one signer.
    pub records_of_one: usize,
    /// Bytes of all records.
    pub record_bytes: usize,
    /// Orgs that the realm admits.
    pub orgs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            queued_frames: 1024,
            queued_bytes: 64 << 20,
            checks: 64,
            procedures: 1024,
            topics: 1024,
            subscriptions: 16_384,
            pending_calls: 16_384,
            pending_calls_of_one: 4096,
            streams: 1024,
            records: 16_384,
            records_of_one: 2048,
            record_bytes: 64 << 20,
            orgs: 256,
        }
    }
}
