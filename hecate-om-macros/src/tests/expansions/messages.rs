/// Whom to greet.
#[message]
pub struct Greet {
    name: String,
}

/// How to greet.
#[settings]
struct GreeterSettings {
    /// What is said.
    greeting: String,
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
