#![deny(warnings)]

use hecate_om::prelude::*;

mod library {
    use hecate_om::{message, settings};

    /// What all libraries have.
    #[settings]
    #[derive(Debug, Clone)]
    #[serde(rename_all = "kebab-case")]
    pub(crate) struct Everything {
        pub(crate) town_name: String,
        #[serde(default)]
        pub(crate) branches: Vec<String>,
        #[serde(default)]
        pub(crate) tone: Tone,
        #[serde(default)]
        pub(crate) shelves: Option<Shelves>,
        #[serde(default)]
        pub(crate) level: Level,
        pub(crate) r#type: Option<std::net::IpAddr>,
    }

    #[settings]
    #[derive(Debug, Clone, Default)]
    #[serde(default)]
    pub(crate) struct Shelves {
        pub(crate) high: u8,
        pub(crate) low: u8,
    }

    #[message]
    #[derive(Debug, Clone, Default)]
    pub(crate) enum Tone {
        #[default]
        Soft,
        Loud,
    }

    #[message]
    #[derive(Debug, Clone, Default)]
    #[serde(try_from = "u8", into = "u8")]
    pub(crate) struct Level(u8);

    impl TryFrom<u8> for Level {
        type Error = String;

        fn try_from(level: u8) -> Result<Self, String> {
            if level < 10 { Ok(Self(level)) } else { Err("a level is 0 to 9".to_owned()) }
        }
    }

    impl From<Level> for u8 {
        fn from(level: Level) -> Self {
            level.0
        }
    }
}

struct Library {
    everything: library::Everything,
}

/// Lends books.
#[hecate_service(name = "hecate-library", settings = library::Everything)]
impl Library {
    async fn start(context: Context<Self>) -> Result<Self, StartError> {
        Ok(Self { everything: context.settings().clone() })
    }

    fn health(&self) -> Health {
        let library::Everything { town_name, branches, tone, shelves, level, r#type } = &self.everything;
        let high = shelves.as_ref().map(|library::Shelves { high, low }| high + low);
        Health::degraded(format!("{town_name} {branches:?} {tone:?} {high:?} {level:?} {type:?}"))
    }
}

/// None.
#[settings]
struct Nothing {}

macro_rules! service {
    ($name:literal, $type:ident, $settings:ty) => {
        #[derive(Default)]
        struct $type;

        /// Does nothing.
        #[hecate_service(name = $name, settings = $settings)]
        impl $type {}
    };
}

service!("hecate-made", Made, Nothing);

fn main() {
    fn settings_of<S: Service>() -> usize {
        size_of::<S::Settings>()
    }
    assert_eq!(settings_of::<Made>(), 0);
    assert!(settings_of::<Library>() > 0);
}
