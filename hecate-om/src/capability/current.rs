//! The call that this thread answers right now, so that what its handler logs is told with it.

use std::cell::Cell;
use std::sync::Arc;

use super::trace::CallerTrace;
use super::{CallId, CapabilityInfo, Trace, TraceId};

thread_local! {
    static CURRENT: Cell<Option<CurrentCall>> = const { Cell::new(None) };
}

/// A call while its handler is polled.
#[derive(Debug, Clone)]
pub(crate) struct CurrentCall {
    pub(crate) id: CallId,
    pub(crate) capability: &'static CapabilityInfo,
    pub(crate) trace: Option<Arc<CallerTrace>>,
}

impl CurrentCall {
    /// The trace that the call belongs to.
    pub(crate) fn trace_id(&self) -> TraceId {
        Trace::of(self.id, self.trace.as_deref()).trace_id()
    }

    /// Runs `action` as a part of this call. It must not unwind: the call would stay.
    pub(crate) fn within<T>(self, action: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(Some(self));
        let result = action();
        CURRENT.set(outer);
        result
    }
}

/// Looks at the call that this thread answers, if it does.
pub(crate) fn look<T>(at: impl FnOnce(&CurrentCall) -> T) -> Option<T> {
    // A log line may come while the thread ends.
    let current = CURRENT.try_with(Cell::take).ok().flatten()?;
    let found = at(&current);
    CURRENT.set(Some(current));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    static INFO: CapabilityInfo = CapabilityInfo::new("lab.say", 1, "", 1);

    #[test]
    fn a_call_inside_another_gives_it_back() {
        let call = || CurrentCall { id: CallId::next(), capability: &INFO, trace: None };
        let id = || look(|call| call.id);
        let (outer, inner) = (call(), call());
        let (first, second) = (outer.id, inner.id);
        assert_eq!(id(), None);
        outer.within(|| {
            assert_eq!((id(), id()), (Some(first), Some(first)));
            inner.within(|| assert_eq!(id(), Some(second)));
            assert_eq!(id(), Some(first));
        });
        assert_eq!(id(), None);
    }
}
