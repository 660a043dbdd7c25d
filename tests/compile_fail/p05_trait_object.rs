use hecate_om::prelude::*;

trait Speaker: Send + Sync {
    fn speak(&self) -> String;
}

#[message]
struct Said {
    text: String,
}

/// Speaks.
#[hecate_service(name = "hecate-speaker")]
impl dyn Speaker {
    /// Says something.
    #[capability(version = 1)]
    async fn say(&self) -> Result<Said> {
        Ok(Said { text: self.speak() })
    }
}

struct Parrot;

impl Speaker for Parrot {
    fn speak(&self) -> String {
        "hello".to_owned()
    }
}

fn main() {
    let parrot: &dyn Speaker = &Parrot;
    drop(parrot.say());
}
