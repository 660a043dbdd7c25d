/// Greets people by name.
#[hecate_service(
    name = "hecate-greeter",
    version = "2.0.0",
    scope = "hello",
    display_name = "Greeter",
    depends_on = ["macula-station"],
    image = "ghcr.io/acme/hecate-greeter",
    ports(health = 9000),
    volumes(state = "/srv/greeter"),
    settings = greeter::Settings,
    crate = ::om
)]
impl Greeter {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { context })
    }

    async fn stop(&self) {}

    async fn health(&self) -> Health {
        Health::Ok
    }
}
