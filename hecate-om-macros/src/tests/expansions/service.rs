#[derive(Default)]
pub struct Greeter;

/// Greets people by name.
#[hecate_service(name = "hecate-greeter")]
impl Greeter {
    /// Greets one person.
    #[capability(version = 1, timeout = "5s")]
    pub async fn greet(&self, request: Greet, call: &Call<Self>) -> Result<Greeting, GreetRefusal> {
        todo!()
    }

    /// Says nothing.
    #[capability(name = "greeter.nod", version = 2, deprecated = "nobody sees it")]
    async fn nod(&self) -> Outcome {
        todo!()
    }
}
