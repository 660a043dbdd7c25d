//! The block need not stand where its type does, nor name it by one word.

#![deny(warnings)]

mod types {
    use hecate_om::prelude::*;

    #[derive(Default)]
    pub struct Greeter {
        pub(crate) count: std::sync::Mutex<u64>,
    }

    #[message]
    pub struct Count {
        pub count: u64,
    }
}

mod service {
    use hecate_om::prelude::*;

    /// Greets people.
    #[hecate_service(name = "hecate-greeter")]
    impl super::types::Greeter {
        /// Counts on.
        #[capability(version = 1)]
        pub async fn count(&self) -> Result<crate::types::Count> {
            let mut count = self.count.lock().map_err(|_| CapabilityError::unavailable("locked"))?;
            *count += 1;
            Ok(super::types::Count { count: *count })
        }
    }
}

fn main() {
    assert_eq!(types::Greeter::COUNT.name(), "greeter.count");
    let _ = hecate_om::run::<types::Greeter>;
}
