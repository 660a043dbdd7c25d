/// Whom to greet.
#[message]
pub struct Greet {
    name: String,
}

#[derive(Debug, Refusal)]
pub enum GreetRefusal {
    /// Nobody to greet.
    NoName,
    /// The name is too long.
    TooLong { limit: usize, found: usize },
    #[refusal(transparent)]
    Call(CallError),
}
