//! How a task may end.

use std::error::Error;

/// Any error.
pub(super) type Failure = Box<dyn Error + Send + Sync>;

/// What a task of [`Context::spawn`](crate::Context::spawn) may return: nothing, a `Result<(), E>` of
/// any error, or never.
#[diagnostic::on_unimplemented(
    message = "a task cannot return `{Self}`",
    label = "this task returns `{Self}`",
    note = "help: return `()`, or `Result<(), E>` with an error that `Box<dyn Error + Send + Sync>` is made of"
)]
pub trait TaskEnd: sealed::Sealed {
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Failure>;
}

impl TaskEnd for () {
    fn into_result(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<E: Into<Failure>> TaskEnd for Result<(), E> {
    fn into_result(self) -> Result<(), Failure> {
        self.map_err(Into::into)
    }
}

impl TaskEnd for Never {
    fn into_result(self) -> Result<(), Failure> {
        self
    }
}

/// What an endless loop returns: `!`, which has no name of its own in stable Rust.
type Never = <fn() -> ! as sealed::Returns>::Output;

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl<E> Sealed for Result<(), E> {}
    impl Sealed for super::Never {}

    pub trait Returns {
        type Output;
    }
    impl<T> Returns for fn() -> T {
        type Output = T;
    }
}
