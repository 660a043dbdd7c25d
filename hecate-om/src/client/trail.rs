//! What a call went through before it came to its end, for whoever has to find out why.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::capability::Via;
use crate::node_id::NodeId;

/// The most attempts that are kept of one call; of more, the last.
const MAX_ATTEMPTS: usize = 16;

/// One provider that a call was brought to, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The way that it took.
    pub via: Via,
    /// The node that was asked, on the mesh.
    pub provider: Option<NodeId>,
    /// How long it took.
    pub took: Duration,
    /// What came of it, in words.
    pub outcome: String,
}

/// `over the mesh at node 0f0f0f0f: it did not answer (3.2s)`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.via {
            Via::Process => f.write_str("in this process")?,
            Via::Box => f.write_str("on this box")?,
            Via::Mesh => f.write_str("over the mesh")?,
        }
        if let Some(node) = self.provider {
            write!(f, " at node {}", short(node))?;
        }
        write!(f, ": {} ({})", self.outcome, rounded(self.took))
    }
}

/// Enough of a node id to tell it from its neighbours.
fn short(node: NodeId) -> String {
    let mut text = node.to_string();
    text.truncate(8);
    text
}

/// A time with as many digits as anybody reads.
pub(crate) fn rounded(time: Duration) -> humantime::FormattedDuration {
    let (seconds, nanoseconds) = (time.as_secs(), time.subsec_nanos());
    let digits = match time {
        _ if seconds > 0 => 10_000_000,
        _ if nanoseconds >= 1_000_000 => 100_000,
        _ => 1_000,
    };
    humantime::format_duration(Duration::new(seconds, nanoseconds / digits * digits))
}

/// The attempts of one call, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail {
    /// Most calls are answered at the first attempt and need no list.
    attempts: Vec<Attempt>,
}

impl Trail {
    pub(crate) fn add(&mut self, via: Via, provider: Option<NodeId>, begun: Instant, outcome: impl Into<String>) {
        if self.attempts.len() == MAX_ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt { via, provider, took: begun.elapsed(), outcome: outcome.into() });
    }

    /// What there was before the answer.
    pub(crate) fn into_attempts(self) -> Vec<Attempt> {
        self.attempts
    }

    /// The end of it, to be kept with an error.
    pub(crate) fn ended(self) -> Attempts {
        Attempts(self.attempts.into())
    }
}

/// The attempts of a call that failed.
#[derive(Debug, Clone, Default)]
pub struct Attempts(Arc<[Attempt]>);

impl Attempts {
    pub(crate) fn as_slice(&self) -> &[Attempt] {
        &self.0
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, attempt) in self.0.iter().enumerate() {
            write!(f, "{}{attempt}", if place == 0 { "tried " } else { "; " })?;
        }
        Ok(())
    }
}

/// As the cause of an error it tells how it came about.
impl Error for Attempts {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trail_reads_as_a_sentence_and_stays_short() {
        let mut trail = Trail::default();
        let begun = Instant::now();
        tokio::time::advance(Duration::from_micros(3_210_987)).await;
        trail.add(Via::Box, None, begun, "the service is on its way out");
        trail.add(Via::Mesh, Some(NodeId::from_bytes([15; 32])), begun, "it did not answer");
        let told = trail.clone().ended().to_string();
        assert_eq!(
            told,
            "tried on this box: the service is on its way out (3s 210ms); \
             over the mesh at node 0f0f0f0f: it did not answer (3s 210ms)"
        );
        for number in 0..100 {
            trail.add(Via::Mesh, None, begun, number.to_string());
        }
        let attempts = trail.into_attempts();
        assert_eq!(attempts.len(), MAX_ATTEMPTS);
        assert_eq!(attempts[MAX_ATTEMPTS - 1].outcome, "99");
    }
}
