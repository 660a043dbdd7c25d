use super::*;

const SERVICE: &str = r#"use hecate_om::prelude::*;

/// The service.
#[derive(Default)]
pub struct Weather;

// Its description is the package's.
#[hecate_service(name = "hecate-weather")]
impl Weather {
    /// Greets.
    #[capability(version = 1)]
    pub async fn greet(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hecate_om::testing::{block_on, start};

    use super::*;
}
"#;

fn found() -> Found {
    source::read(SERVICE).unwrap().unwrap()
}

fn wanted(name: &str) -> Result<Wanted, String> {
    Wanted::new(name, &found()).map_err(|failure| failure.told(false))
}

fn added(name: &str) -> String {
    let insertions = insertions(&wanted(name).unwrap(), &found(), SERVICE).unwrap();
    diff::applied(SERVICE, &insertions)
}

#[test]
fn a_capability_comes_with_its_messages_and_a_test() {
    let text = added("repeat");
    let after = |one: &str, other: &str| {
        assert!(text.find(one).unwrap() < text.find(other).unwrap(), "{one} comes before {other} in\n{text}");
    };
    after("pub struct Weather;", "pub struct RepeatRequest");
    after("pub struct RepeatReply", "// Its description");
    after("pub async fn greet", "#[capability(version = 1, timeout = \"5s\", idempotent)]\n    pub async fn repeat");
    after("pub async fn repeat", "#[cfg(test)]");
    after("use super::*;", "fn repeat_says_back_what_it_is_sent");
    let read = source::read(&text).unwrap().unwrap();
    assert_eq!(read.functions, ["greet", "repeat"]);
}

#[test]
fn the_name_is_said_where_the_method_does_not_say_it() {
    assert!(added("weather.repeat").contains("#[capability(version = 1,"));
    assert!(added("city.repeat@3").contains("#[capability(name = \"weather.city.repeat\", version = 3,"));
    assert!(added("greet@2").contains(
        "#[capability(name = \"weather.greet\", version = 2, timeout = \"5s\", idempotent)]\n    pub async fn greet_v2"
    ));
    assert!(added("match").contains("#[capability(name = \"weather.match\", version = 1,"));
    assert!(added("start").contains("async fn start_it"));
}

#[test]
fn what_cannot_be_a_capability_is_refused_with_what_can() {
    for (name, why, help) in [
        ("greet", "the service has it", "weather.greet@2"),
        ("weather.greet", "the service has it", "weather.greet@2"),
        ("Repeat", "lower snake", "weather.repeat"),
        ("SayBack", "lower snake", "weather.say_back"),
        ("say-back", "lower snake", "weather.say_back"),
        ("say..back", "lower snake", "weather.repeat"),
        ("", "lower snake", "weather.repeat"),
        ("1st", "lower snake", "weather.repeat"),
        ("weather/repeat", "lower snake", "`weather.repeat`"),
        ("repeat ", "lower snake", "`weather.repeat`"),
        ("$(id)\n", "lower snake", "weather."),
        ("describe", "the runtime's", "weather.describe_it"),
        ("city.info", "the runtime's", "weather.city.info_it"),
        ("repeat@0", "a version is", "repeat@2"),
        ("repeat@x", "a version is", "repeat@2"),
        ("repeat@70000", "a version is", "repeat@2"),
    ] {
        let told = wanted(name).unwrap_err();
        assert!(told.contains(why) && told.split("help: ").nth(1).unwrap().contains(help), "{name}: {told}");
    }
    assert!(wanted(&"a".repeat(121)).is_err() && wanted(&"a".repeat(120)).is_ok());
}
