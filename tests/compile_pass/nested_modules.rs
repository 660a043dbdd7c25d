//! A service may live in a module, and its methods may be seen from as far as their author likes.

#![deny(warnings)]

mod home {
    pub mod kitchen {
        use hecate_om::prelude::*;

        #[derive(Default)]
        pub struct Kettle;

        #[message]
        pub struct Boil {
            pub litres: f32,
        }

        /// Boils water.
        #[hecate_service(name = "hecate-kettle")]
        impl Kettle {
            /// For everybody.
            #[capability(version = 1)]
            pub async fn boil(&self, request: Boil) -> Result<()> {
                let _ = request.litres;
                Ok(())
            }

            /// For the crate.
            #[capability(version = 1)]
            pub(crate) async fn descale(&self) -> Result<()> {
                Ok(())
            }

            /// For the module above.
            #[capability(version = 1)]
            pub(in crate::home) async fn fill(&self) -> Result<()> {
                Ok(())
            }

            /// For the parent module.
            #[capability(version = 1)]
            pub(super) async fn empty(&self) -> Result<()> {
                Ok(())
            }

            /// For nobody else.
            #[capability(version = 1)]
            async fn click(&self) -> Result<()> {
                Ok(())
            }
        }

        pub fn address() -> String {
            Kettle::CLICK.to_string()
        }
    }

    pub fn addresses() -> [String; 2] {
        [kitchen::Kettle::FILL.to_string(), kitchen::Kettle::EMPTY.to_string()]
    }
}

use home::kitchen::{Boil, Kettle};

fn main() {
    drop(Kettle.boil(Boil { litres: 1.0 }));
    assert_eq!(Kettle::BOIL.name(), "kettle.boil");
    assert_eq!(Kettle::DESCALE.name(), "kettle.descale");
    assert_eq!(home::addresses(), ["kettle.fill@1", "kettle.empty@1"]);
    assert_eq!(home::kitchen::address(), "kettle.click@1");
}
