//! The handler of a call, from its first poll to its end.
//!
//! It is polled once where the call came in. If it is ready, nothing was spawned; if not, it moves to a task of its
//! own, which ends it at its deadline and keeps it alive though its caller has gone. Either way a panic is caught, and
//! drain can wait for it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::call::Admitted;
use crate::capability::{Answering, CapabilityError, Input, Items, Output};
use crate::telemetry::panics;

impl Admitted {
    /// Begins to answer the call.
    ///
    /// # Errors
    /// When it does not come as far as its handler.
    pub(crate) fn answer(self, input: Input) -> Result<Answer, CapabilityError> {
        let mut answer = Answer::of(self);
        answer.begin(input)?;
        Ok(answer)
    }
}

/// The answer to a call. The call stays where it is for as long as its request is read and its handler is first
/// polled: to move it costs as much as to answer it. Only to be polled until it is ready.
pub(crate) struct Answer {
    /// None once a task has it, or it is over.
    call: Option<Admitted>,
    state: State,
}

enum State {
    /// Nothing to poll: the request is not whole, or the answer was given.
    Idle,
    /// The handler has not been polled.
    Here(Answering),
    /// The handler was not ready at once.
    Elsewhere {
        task: JoinHandle<Result<Output, CapabilityError>>,
        /// Tells a handler that does not outlive its caller.
        _caller: Option<DropGuard>,
    },
}

impl Answer {
    /// The answer to a call whose request is still to come.
    #[inline(always)]
    pub(crate) fn of(call: Admitted) -> Self {
        Self { call: Some(call), state: State::Idle }
    }

    /// The call, until its handler has taken it along.
    pub(crate) fn call(&mut self) -> Option<&mut Admitted> {
        self.call.as_mut()
    }

    /// Begins, with the whole request.
    ///
    /// # Errors
    /// When the call does not come as far as its handler.
    #[inline(always)]
    pub(crate) fn begin(&mut self, input: Input) -> Result<(), CapabilityError> {
        let Some(call) = &mut self.call else { return Ok(()) };
        match call.begin(input) {
            Ok(answering) => {
                self.state = State::Here(answering);
                Ok(())
            }
            Err(refused) => Err(call.refuse(refused)),
        }
    }

    fn over(&mut self, result: Result<Output, CapabilityError>) -> Poll<Result<Output, CapabilityError>> {
        self.state = State::Idle;
        self.call = None;
        Poll::Ready(result)
    }

    /// The handler has answered with a stream.
    #[cold]
    fn stream(&mut self, items: Items) -> Result<Output, CapabilityError> {
        self.state = State::Idle;
        match self.call.take() {
            Some(call) => call.go_on(items),
            None => Err(CapabilityError::internal("a stream came from nowhere")),
        }
    }

    /// The handler goes on in a task of its own.
    fn leave(&mut self) {
        if let (Some(call), State::Here(answering)) =
            (self.call.take(), std::mem::replace(&mut self.state, State::Idle))
        {
            let left = call.info().is_cancelled_on_disconnect.then(CancellationToken::new);
            let caller = left.clone().map(CancellationToken::drop_guard);
            self.state = State::Elsewhere { task: tokio::spawn(run(call, answering, left)), _caller: caller };
        }
    }
}

impl Future for Answer {
    type Output = Result<Output, CapabilityError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let (Some(call), State::Here(answering)) = (&mut this.call, &mut this.state) {
            let current = call.current();
            match current.within(|| panics::caught(|| answering.as_mut().poll(context))) {
                Ok(Poll::Ready(Ok(Output::Items(items)))) => return Poll::Ready(this.stream(items)),
                Ok(Poll::Ready(result)) => {
                    let result = call.ended(result);
                    return this.over(result);
                }
                Err(panic) => {
                    let result = call.ended(Err(panicked(panic)));
                    return this.over(result);
                }
                Ok(Poll::Pending) => this.leave(),
            }
        }
        match &mut this.state {
            State::Elsewhere { task, .. } => {
                let ended = ready!(Pin::new(task).poll(context));
                // Its panics are caught: only a process that ends takes a task away.
                this.over(ended.unwrap_or_else(|error| Err(CapabilityError::internal(error))))
            }
            State::Idle | State::Here(_) => Poll::Pending,
        }
    }
}

/// How a handler that was not ready at once came to its end.
enum End {
    Itself(Result<Output, CapabilityError>),
    Late,
    /// Its caller left.
    Left,
}

/// Runs a handler to its end or its deadline, although its caller may have gone; where the call is to end
/// with its caller, until that has `left`.
async fn run(
    call: Admitted,
    mut answering: Answering,
    left: Option<CancellationToken>,
) -> Result<Output, CapabilityError> {
    let current = call.current();
    let mut poll = |context: &mut Context<'_>| panics::caught(|| answering.as_mut().poll(context));
    let whole = poll_fn(|context| match current.clone().within(|| poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(result)) => Poll::Ready(result),
        Err(panic) => Poll::Ready(Err(panicked(panic))),
    });
    let left = async {
        match &left {
            None => std::future::pending().await,
            Some(left) => left.cancelled().await,
        }
    };
    let end = tokio::select! {
        biased;
        result = whole => End::Itself(result),
        () = left => End::Left,
        () = call.out_of_time() => End::Late,
    };
    if let End::Itself(result) = end {
        return call.finished(result);
    }
    // What it holds is the author's code, too.
    let dropped = current.within(|| panics::caught(move || drop(answering)));
    match (dropped, end) {
        (Err(panic), _) => call.finished(Err(panicked(panic))),
        (Ok(()), End::Left) => {
            call.cancelled();
            Err(CapabilityError::unavailable("the caller left"))
        }
        (Ok(()), _) => {
            let late = call.late();
            call.finished(Err(late))
        }
    }
}

pub(super) fn panicked(panic: panics::Panic) -> CapabilityError {
    CapabilityError::internal(panic)
}
