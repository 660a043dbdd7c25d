use hecate_om::prelude::*;

#[message]
struct Said {
    text: String,
}

/// Speaks.
#[hecate_service(name = "hecate-speaker")]
impl (String, u32) {
    /// Says something.
    #[capability(version = 1)]
    async fn say(&self) -> Result<Said> {
        Ok(Said { text: self.0.repeat(self.1 as usize) })
    }
}

fn main() {
    let _ = Said { text: String::new() }.text;
}
