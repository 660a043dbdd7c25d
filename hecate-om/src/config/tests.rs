//! What holds of the layers as a whole, without a process for each.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use tempfile::TempDir;

use super::*;
use crate::service::{IdentitySpec, ServiceInfo, StartError};

static INFO: ServiceInfo = ServiceInfo::new(
    "hecate-library",
    "1.0.0",
    "Lends books",
    "library::Library",
    "src/lib.rs:1",
    &[],
    IdentitySpec::new("library", &[], &[], 1),
    8470,
    "",
)
.volumes("/etc/hecate/secrets", "/var/lib/hecate-library");

fn blueprint<T: Settings>() -> Blueprint {
    Blueprint {
        info: &INFO,
        settings: SettingsType::of::<T>(),
        contracts: Vec::new,
        start: |_| Box::pin(std::future::ready(Err(StartError::retry("never")))),
    }
}

fn read(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    Config::load(&blueprint::<()>(), Sources::only(variables.iter().copied()))
}

/// Files and variables of a box that is only a test's.
struct Layers {
    folder: TempDir,
    sources: Sources,
}

impl Layers {
    fn new(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().copied().chain([("HECATE_RUNTIME_DIR", "/run/x")]);
        Self { folder: tempfile::tempdir().unwrap(), sources: Sources::only(variables) }
    }

    fn with(mut self, variable: &str, value: &str) -> Self {
        let set = [("HECATE_RUNTIME_DIR", "/run/x"), (variable, value)];
        self.sources = Sources::only(set.into_iter().skip(usize::from(variable == set[0].0)));
        self
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn site(mut self, text: &str) -> Self {
        self.sources.site = Some(self.write("site.toml", text));
        self
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        let path = self.write(name, text);
        self.sources.flags.files.push(path);
        self
    }

    fn strict(mut self) -> Self {
        self.sources.flags.is_strict = true;
        self
    }

    fn load<T: Settings>(&self) -> Result<Loaded, ConfigError> {
        Config::load(&blueprint::<T>(), self.sources.clone())
    }

    /// The lines of a report, or nothing.
    fn problems<T: Settings>(&self) -> Vec<String> {
        let told = self.load::<T>().err().map(|error| error.to_string()).unwrap_or_default();
        told.lines().skip(1).map(|line| self.short(line.trim())).collect()
    }

    /// Without the folder of this test.
    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

#[derive(Deserialize, JsonSchema, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Library {
    /// The town.
    town: String,
    /// How many books a person may have.
    #[serde(default = "five")]
    books: u8,
    #[serde(default)]
    branches: Vec<String>,
    #[serde(default)]
    token: Option<u32>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    model: Option<Model>,
}

#[derive(Deserialize, JsonSchema, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Model {
    size: u8,
    #[serde(default)]
    api_key: Option<u8>,
}

fn five() -> u8 {
    5
}

#[test]
fn nothing_set_is_fine() {
    let loaded = read(&[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/x")]).unwrap();
    assert_eq!(loaded.config.runtime_dir, Path::new("/run/user/7/hecate"));
    assert_eq!(loaded.config.data_dir, Path::new("/home/x/.local/state/hecate/hecate-library"));
    assert_eq!(loaded.config.secrets_dir, Path::new("/etc/hecate/secrets"));
    assert_eq!(loaded.config.health, HealthAddress::Default(8470));
    assert_eq!(loaded.config.stop_timeout, Duration::from_secs(30));
    assert_eq!(loaded.config.degraded_status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(loaded.config.start_timeout, Duration::from_secs(300));
    assert_eq!(loaded.listing.runtime.len(), setting::ALL.len() - 1, "no address and a socket both");
}

#[test]
fn folders_come_from_whoever_manages_the_service() {
    let all = [
        ("HECATE_RUNTIME_DIR", "/run/x"),
        ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials/x"),
        ("XDG_STATE_HOME", "/state"),
        ("HOME", "/home/x"),
    ];
    let config = read(&all).unwrap().config;
    assert_eq!(config.data_dir, Path::new("/var/lib/a"));
    assert_eq!(config.secrets_dir, Path::new("/run/credentials/x"));
    let config = read(&[all[0], all[3], all[4]]).unwrap().config;
    assert_eq!(config.data_dir, Path::new("/state/hecate/hecate-library"));
    assert_eq!(read(&all[..1]).unwrap().config.data_dir, Path::new("/var/lib/hecate-library"), "and no error");
    let root = Sources { is_root: true, ..Sources::only([("HOME", "/root"), ("XDG_STATE_HOME", "/state")]) };
    let config = Config::load(&blueprint::<()>(), root).unwrap().config;
    assert_eq!(config.runtime_dir, Path::new("/run/hecate"));
    assert_eq!(config.data_dir, Path::new("/var/lib/hecate-library"));
}

#[test]
fn folders_are_the_volumes_of_the_manifest_where_nobody_says_otherwise() {
    static MOVED: ServiceInfo = {
        let identity = IdentitySpec::new("moved", &[], &[], 1);
        ServiceInfo::new("hecate-moved", "1.0.0", "", "", "", &[], identity, 8470, "")
            .volumes("/srv/moved/secrets", "/srv/moved/state")
    };
    let folders = |variables: &[(&str, &str)], is_root| {
        let sources = Sources { is_root, ..Sources::only(variables.iter().copied()) };
        let config = Config::load(&Blueprint { info: &MOVED, ..blueprint::<()>() }, sources).unwrap().config;
        (config.data_dir.display().to_string(), config.secrets_dir.display().to_string())
    };
    let is = |data: &str, secrets: &str| (data.to_owned(), secrets.to_owned());
    let (runtime, home) = (("HECATE_RUNTIME_DIR", "/run/x"), ("HOME", "/home/x"));
    assert_eq!(folders(&[runtime, home], true), is("/srv/moved/state", "/srv/moved/secrets"));
    assert_eq!(folders(&[runtime], false), is("/srv/moved/state", "/srv/moved/secrets"));
    assert_eq!(folders(&[runtime, home], false), is("/home/x/.local/state/hecate/hecate-moved", "/srv/moved/secrets"));
    let told = [runtime, home, ("HECATE_DATA_DIR", "/data"), ("HECATE_SECRETS_DIR", "/secrets")];
    assert_eq!(folders(&told, true), is("/data", "/secrets"));
}

#[test]
fn every_problem_is_told_at_once_with_what_to_write() {
    let error = read(&[
        ("HECATE_RUNTIME_DIR", "relative"),
        ("HECATE_HEALTH_ADDR", "8470"),
        ("HECATE_STOP_TIMEOUT", "30"),
        ("HECATE_HEALTH_DEGRADED_STATUS", "404"),
        ("HECATE_LOG", ""),
        ("HECATE_HEALTH_SOCKET", "${SOCKET}"),
        ("HECATE_STOP_TIMEOT", "5s"),
    ])
    .unwrap_err();
    let report = error.to_string();
    for expected in [
        "7 problems",
        "HECATE_RUNTIME_DIR holds `relative`; help: it takes an absolute folder",
        "HECATE_HEALTH_ADDR holds `8470`; help: it takes an address and port",
        "HECATE_STOP_TIMEOUT holds `30`; help: it takes a time from 1s to 600s",
        "HECATE_HEALTH_DEGRADED_STATUS holds `404`; help: it takes the HTTP status",
        "HECATE_LOG is set and empty; help: unset it",
        "HECATE_HEALTH_SOCKET holds the unexpanded `${SOCKET}`",
        "HECATE_STOP_TIMEOT is no setting; help: did you mean HECATE_STOP_TIMEOUT?",
    ] {
        assert!(report.contains(expected), "{expected:?} is missing from:\n{report}");
    }
}

#[test]
fn without_a_place_to_be_a_service_says_which_to_set() {
    let error = read(&[]).unwrap_err().to_string();
    assert!(error.contains("HECATE_RUNTIME_DIR is not set, and neither is HOME"), "{error}");
}

#[test]
fn the_log_of_others_is_a_default_and_never_an_error() {
    let log = |variables: &[(&str, &str)]| {
        let loaded = read(&[&[("HOME", "/h")], variables].concat()).unwrap();
        (loaded.config.log.to_string(), loaded.warnings.len())
    };
    assert_eq!(log(&[("RUST_LOG", "debug")]), ("debug".to_owned(), 0));
    assert_eq!(log(&[("RUST_LOG", "debug"), ("HECATE_LOG", "warn")]), ("warn".to_owned(), 0));
    assert_eq!(log(&[("RUST_LOG", "[span]=/x"), ("HECATE_LOG", "warn")]), ("warn".to_owned(), 0));
    assert_eq!(log(&[("RUST_LOG", "dbug")]), ("info".to_owned(), 1));
    assert_eq!(log(&[("RUST_LOG", "")]), ("info".to_owned(), 0));
}

#[test]
fn a_stronger_layer_wins_and_the_weaker_ones_are_told() {
    let layers = Layers::new(&[("HECATE_LOG", "warn"), ("LIBRARY_BOOKS", "9")])
        .site("log = \"error\"\nstop_timeout = \"10s\"\n[service]\ntown = \"Gent\"\nbooks = 1\n")
        .file("a.toml", "stop_timeout = \"20s\"\n[service]\nbooks = 2")
        .file("b.toml", "stop_timeout = \"40s\"");
    let loaded = layers.load::<Library>().unwrap();
    assert_eq!(loaded.config.stop_timeout, Duration::from_secs(40));
    assert_eq!(loaded.config.log.to_string(), "warn");
    let library: &Library = loaded.config.settings.get().unwrap();
    assert_eq!((library.town.as_str(), library.books), ("Gent", 9));
    let expected = "\
runtime_dir             /run/x                   environment HECATE_RUNTIME_DIR
data_dir                /var/lib/hecate-library  default
secrets_dir             /etc/hecate/secrets      default
health_addr             port 8470 on loopback    default
health_degraded_status  503                      default
log                     warn                     environment HECATE_LOG
                          over error from site.toml:1
start_timeout           300s                     default
stop_timeout            40s                      --config b.toml:1
                          over 20s from --config a.toml:1
                          over 10s from site.toml:2
mesh                    auto                     default
org                     hecate-library           default
profile                 pq_pure                  default
resolve                 nearest                  default
realm                   none                     default
realm_key               none                     default
station_seeds           none                     default
station_node_ids        none                     default
peers                   none                     default

[service]
books                   9                        environment LIBRARY_BOOKS
                          over 2 from --config a.toml:3
                          over 1 from site.toml:5
branches                []                       default
model                   none                     default
port                    none                     default
token                   none                     default
town                    Gent                     site.toml:4
";
    assert_eq!(layers.short(&loaded.listing.text()), expected);
}

/// What is wrong with these settings of the mesh.
fn mesh_problems(variables: &[(&str, &str)]) -> Vec<String> {
    Layers::new(variables).problems::<()>()
}

#[test]
fn a_mesh_that_is_required_names_each_setting_that_it_lacks() {
    let told = mesh_problems(&[("HECATE_MESH", "required")]);
    let missing = ["MACULA_STATION_SEEDS", "MACULA_STATION_NODE_IDS", "HECATE_REALM", "HECATE_REALM_KEY"];
    if cfg!(feature = "macula") {
        assert_eq!(told.len(), missing.len(), "{told:?}");
    }
    for variable in missing {
        let line = told.iter().find(|line| line.starts_with(&format!("{variable} is not set"))).unwrap();
        assert!(line.contains("HECATE_MESH is `required`; help: give it "), "{line}");
    }
}

#[test]
fn settings_of_stations_come_together_or_not_at_all() {
    let node = "ab".repeat(32);
    let all = [
        ("MACULA_STATION_SEEDS", "[::1]:9000, station.example"),
        ("MACULA_STATION_NODE_IDS", &*format!("{node},{node}")),
        ("HECATE_REALM", "io.example"),
        ("HECATE_REALM_KEY", "0102"),
    ];
    let mesh = Layers::new(&all).load::<()>().unwrap().config.mesh;
    let stations: Vec<_> = mesh.stations.iter().map(|station| (station.host.as_str(), station.port)).collect();
    assert_eq!(stations, [("::1", 9000), ("station.example", 4433)]);
    assert_eq!(mesh.realm.unwrap().key, [1, 2]);
    for (index, (left_out, _)) in all.into_iter().enumerate() {
        let rest: Vec<_> =
            all.iter().copied().enumerate().filter(|(other, _)| *other != index).map(|(_, set)| set).collect();
        let told = mesh_problems(&rest);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("{left_out} is not set, and other settings of the mesh are")), "{told:?}");
    }
    let off: Vec<_> = all[..1].iter().copied().chain([("HECATE_MESH", "off")]).collect();
    assert_eq!(mesh_problems(&off), [""; 0], "nothing is dialed");
}

#[test]
fn stations_and_their_node_ids_are_paired() {
    let node = "ab".repeat(32);
    let told = mesh_problems(&[
        ("MACULA_STATION_SEEDS", "a.example,b.example"),
        ("MACULA_STATION_NODE_IDS", &node),
        ("HECATE_REALM", "io.example"),
        ("HECATE_REALM_KEY", "0102"),
    ]);
    let expected =
        "MACULA_STATION_NODE_IDS holds 1 node ids for 2 stations; help: give it one for each station, in their order";
    assert_eq!(told, [expected]);
}

#[test]
fn a_realm_that_nothing_expanded_is_told_as_that() {
    let told = mesh_problems(&[("HECATE_REALM", "${HECATE_REALM}"), ("MACULA_STATION_SEEDS", "fd00::2:4433")]);
    let [realm, seeds, ..] = told.as_slice() else { panic!("{told:?}") };
    assert!(realm.starts_with("HECATE_REALM holds the unexpanded `${HECATE_REALM}`; help: "), "{realm}");
    assert!(seeds.contains("MACULA_STATION_SEEDS holds `fd00::2:4433`") && seeds.contains("in brackets"), "{seeds}");
}

/// Each setting, so that none is in the table and read by nobody.
#[test]
fn no_setting_is_taken_that_is_empty_or_was_not_expanded() {
    for setting in setting::ALL {
        for (value, words) in
            [("", "is set and empty"), (" ", "is set and empty"), ("${X}", "holds the unexpanded `${X}`")]
        {
            let told = Layers::new(&[]).with(setting.variable, value).problems::<()>();
            let line = told.iter().find(|line| line.starts_with(&format!("{} {words}; help: ", setting.variable)));
            assert!(line.is_some(), "{}={value:?}: {told:?}", setting.variable);
        }
    }
}

#[test]
fn what_the_mesh_is_told_is_one_of_a_few_words_or_a_name() {
    let cases: [(&str, &[&str]); 5] = [
        ("HECATE_ORG", &["_", "-acme", "Acme", "acme/rag", "acme rag", "acme@1", "*", &"a".repeat(65)]),
        ("HECATE_MESH", &["on", "true", "Required", "optional"]),
        ("HECATE_PROFILE", &["pq", "PQ_PURE", "hybrid", "none"]),
        ("HECATE_RESOLVE", &["local", "box", "Nearest"]),
        ("HECATE_PEERS", &["hecate-echo=_", "_=acme", "hecate-echo:acme"]),
    ];
    for (variable, values) in cases {
        for value in values {
            let told = mesh_problems(&[(variable, value)]);
            assert_eq!(told.len(), 1, "{variable}={value}: {told:?}");
            assert!(
                told[0].starts_with(&format!("{variable} holds `")) && told[0].contains("; help: it takes "),
                "{told:?}"
            );
        }
    }
}

#[test]
fn reading_again_sees_what_the_files_say_now() {
    let layers = Layers::new(&[]).site("log = \"error\"");
    let blueprint = blueprint::<()>();
    let config = Config::load(&blueprint, layers.sources.clone()).unwrap().config;
    assert_eq!(config.log.to_string(), "error");
    layers.write("site.toml", "log = \"trace\"");
    assert_eq!(config.reload(&blueprint).unwrap().config.log.to_string(), "trace");
    layers.write("site.toml", "log = \"loud\"");
    config.reload(&blueprint).unwrap_err();
}

#[test]
fn what_is_wrong_in_files_variables_and_settings_is_one_report() {
    let layers = Layers::new(&[
        ("HECATE_LOG", "loud"),
        ("LIBRARY_BOOKS", "many"),
        ("LIBRARY_TOKEN", "hunter2"),
        ("LIBRARY_BRNCHES", "north"),
    ])
    .site("stop_timeout = 30\nlgo = \"info\"\nHECATE_DATA_DIR = \"/x\"\nhealth_addr = [1]\n")
    .file("a.toml", "[service]\n  model = { size = 300 }\n  boks = 3\n  port = \"http\"\n");
    assert_eq!(
        layers.problems::<Library>(),
        [
            "site.toml:2:1: lgo is no setting; help: did you mean `log`?",
            "site.toml:3:1: HECATE_DATA_DIR is no setting; help: did you mean `data_dir`?",
            "LIBRARY_BRNCHES is no setting; help: did you mean LIBRARY_BRANCHES?",
            "site.toml:4:15: health_addr holds a list; help: it takes an address and port, such as `127.0.0.1:8470` or `[::]:8470`",
            "HECATE_LOG holds `loud`; help: it takes a level and those of targets, such as `info` or `warn,hecate_om=debug`",
            "site.toml:1:16: stop_timeout holds `30`; help: it takes a time from 1s to 600s, such as `30s`",
            "a.toml:3:3: service.boks is no setting; help: did you mean `books`?",
            "LIBRARY_TOWN is not set; help: give it a text, or write `town` in the table `[service]` of a TOML file: The town.",
            "a.toml:2:20: service.model.size holds `300`; help: it takes a whole number from 0 to 255",
            "a.toml:4:10: service.port holds `\"http\"`; help: it takes a whole number from 0 to 65535",
            "LIBRARY_BOOKS holds `many`; help: it takes a whole number from 0 to 255",
            "LIBRARY_TOKEN holds something that does not fit (it is not shown); help: it takes a whole number, at least 0",
        ]
    );
}

#[test]
fn mistakes_within_tables_are_told_where_they_are() {
    for (text, expected) in [
        ("model = { size = 1, szie = 2 }", "szie`, which is no setting; help: did you mean `size`?"),
        ("model = {}", "service.model lacks `size`"),
        ("model = 3", "service.model holds `3`; help: it takes a table, in TOML"),
        ("branches = [\"a\", 3]", "service.branches.1 holds `3`; help: it takes a text"),
        ("model = { size = 1, api_key = \"hunter2\" }", "service.model.api_key holds something that does not fit"),
        ("books = \"5\"", "service.books holds `\"5\"`; help: it takes a whole number from 0 to 255"),
        ("books = 99999999999999999999", "service.books holds `99999999999999999999`"),
    ] {
        let layers = Layers::new(&[]).site(&format!("[service]\ntown = \"Gent\"\n{text}"));
        let problems = layers.problems::<Library>();
        assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
        assert!(problems[0].starts_with("site.toml:3:") && !problems[0].contains("hunter2"), "{problems:?}");
    }
    let problems = Layers::new(&[("LIBRARY_TOWN", "${TOWN}"), ("LIBRARY_TOKEN", "${TOKEN}")]).problems::<Library>();
    assert!(problems.len() == 2 && problems.iter().all(|problem| problem.contains("unexpanded `${TO")), "{problems:?}");
    let layers = Layers::new(&[("LIBRARY_MODEL", "x"), ("LIBRARY_TOWN", "Gent")]);
    let expected = "LIBRARY_MODEL is set, and no variable can hold a table; help: give it in a TOML file, \
                    as `model` in the table `[service]`";
    assert_eq!(layers.problems::<Library>(), [expected]);
}

#[test]
fn unknown_settings_are_warnings_unless_they_must_not_be() {
    let layers = Layers::new(&[("HECATE_REGISTRY_URL", "x"), ("LIBRARY_TOWN", "Gent"), ("LIBRARY_HOME", "x")])
        .site("colour = 1\n[service]\nshelf = 2");
    let warnings: Vec<_> = layers.load::<Library>().unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(|warning| layers.short(warning)).collect();
    let expected = [
        "site.toml:1:1: colour is no setting of this service and is ignored",
        "HECATE_REGISTRY_URL is no setting of this service and is ignored",
        "LIBRARY_HOME is no setting of this service and is ignored",
        "site.toml:3:1: service.shelf is no setting of this service and is ignored",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    assert!(expected.iter().all(|expected| warnings.iter().any(|warning| warning == expected)), "{warnings:?}");
    let problems = layers.strict().problems::<Library>();
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    assert!(problems[0].ends_with("help: remove it, or leave out `--strict`"), "{problems:?}");
}

#[test]
fn variables_of_the_mesh_are_for_others_too_unless_they_are_nearly_ours() {
    let others = Layers::new(&[("MACULA_TRACE_FILE", "x")]).strict();
    assert!(others.load::<()>().unwrap().warnings.is_empty());
    let misspelt = Layers::new(&[("MACULA_STATION_SEED", "station.example")]);
    let told = "MACULA_STATION_SEED is no setting; help: did you mean MACULA_STATION_SEEDS?";
    assert_eq!(misspelt.problems::<()>(), [told], "it would be on a mesh of its own otherwise");
}

#[test]
fn variables_of_a_service_without_settings_are_its_own_affair() {
    let layers = Layers::new(&[("LIBRARY_TWON", "x")]).site("[service]\na = 1");
    let warnings = layers.load::<()>().unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("site.toml:1:1: service is for settings of its own"), "{warnings:?}");
}

#[test]
fn links_to_other_services_are_passed_over() {
    let layers = Layers::new(&[
        ("HECATE_HEALTH_PORT", "tcp://10.0.0.1:80"),
        ("HECATE_HEALTH_ADD_PORT", "tcp://10.0.0.1:80"),
        ("LIBRARY_TOWN", "Gent"),
        ("LIBRARY_PORT", "tcp://10.0.0.1:80"),
        ("LIBRARY_SERVICE_HOST", "10.0.0.1"),
        ("LIBRARY_PORT_80_TCP_ADDR", "10.0.0.1"),
    ])
    .strict();
    let loaded = layers.load::<Library>().unwrap();
    assert_eq!(loaded.config.settings.get::<Library>().unwrap().port, None);
    let layers = Layers::new(&[("LIBRARY_TOWN", "Gent"), ("LIBRARY_PORT", "80")]);
    assert_eq!(layers.load::<Library>().unwrap().config.settings.get::<Library>().unwrap().port, Some(80));
}

#[test]
fn secrets_are_not_listed() {
    let layers = Layers::new(&[("LIBRARY_TOKEN", "1234567"), ("LIBRARY_TOWN", "http://ada:1234567@gent")])
        .site("[service]\ntoken = 7654321\nmodel = { size = 1, api_key = 99 }");
    let loaded = layers.load::<Library>().unwrap();
    let told = format!("{}{}{loaded:?}", loaded.listing.text(), loaded.listing.json(&[]));
    for secret in ["1234567", "7654321", "99"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    assert!(told.contains("{ size = 1, api_key = *** }") && told.contains("http://ada:***@gent"), "{told}");
}

#[test]
fn two_places_for_health_are_one_too_many_in_one_layer() {
    let both = [("HECATE_HEALTH_ADDR", "[::]:1"), ("HECATE_HEALTH_SOCKET", "/s")];
    let problems = Layers::new(&both).problems::<()>();
    assert_eq!(problems, ["HECATE_HEALTH_SOCKET is set together with HECATE_HEALTH_ADDR; help: unset one of them"]);
    let loaded = Layers::new(&both[1..]).site("health_addr = \"[::]:1\"").load::<()>().unwrap();
    assert_eq!(loaded.config.health, HealthAddress::Unix("/s".into()));
    assert!(loaded.listing.text().contains("over health_addr = [::]:1 from "), "{}", loaded.listing.text());
    let loaded = Layers::new(&both[..1]).site("health_socket = \"/s\"").load::<()>().unwrap();
    assert_eq!(loaded.config.health, HealthAddress::Tcp("[::]:1".parse().unwrap()));
}

#[test]
fn bytes_that_are_no_text_name_their_variable() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = || OsString::from_vec(b"\xff".to_vec());
    let variables = [("HECATE_RUNTIME_DIR", bytes()), ("LIBRARY_TOWN", bytes()), ("OTHER", bytes())];
    let error = Config::load(&blueprint::<Library>(), Sources::only(variables)).unwrap_err().to_string();
    for expected in ["HECATE_RUNTIME_DIR holds bytes that are no UTF-8", "LIBRARY_TOWN holds bytes that are no UTF-8"] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(error.contains("2 problems"), "{error}");
}

#[test]
fn a_file_that_is_missing_has_an_exit_code_of_its_own() {
    let mut layers = Layers::new(&[]);
    layers.sources.flags.files.push("/nowhere/x.toml".into());
    let error = layers.load::<()>().unwrap_err();
    assert_eq!(error.exit_code(), 66);
    assert!(error.to_string().contains("/nowhere/x.toml is not there; help: make it"), "{error}");
    layers.sources.site = Some("/nowhere/site.toml".into());
    layers.sources.flags.files.clear();
    layers.load::<()>().unwrap();
}

#[test]
fn settings_that_were_given_are_not_read() {
    let library = Library { town: "Gent".to_owned(), books: 1, branches: vec![], token: None, port: None, model: None };
    let sources = Sources::only([("HOME", "/h"), ("LIBRARY_BOOKS", "x")]).with_settings(ServiceSettings::new(library));
    let loaded = Config::load(&blueprint::<Library>(), sources).unwrap();
    assert_eq!(loaded.config.settings.get::<Library>().unwrap().town, "Gent");
}

#[test]
fn a_password_in_an_address_is_in_no_report() {
    #[derive(Deserialize, JsonSchema)]
    #[serde(try_from = "String")]
    struct Address(#[allow(dead_code)] String);

    impl TryFrom<String> for Address {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            Err(format!("`{text}` is no address"))
        }
    }

    #[derive(Deserialize, JsonSchema)]
    struct Lent {
        #[allow(dead_code)]
        database: Address,
    }

    for address in ["postgres://ada:hunter2@db", "postgres://ada:hunter2@${HOST}/db"] {
        let sources = Sources::only([("HECATE_RUNTIME_DIR", "/run/x"), ("LIBRARY_DATABASE", address)]);
        let error = Config::load(&blueprint::<Lent>(), sources).unwrap_err().to_string();
        assert!(error.contains("postgres://ada:***@") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_somebody_wrote_forges_no_line_of_a_report_or_listing() {
    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Odd {
        #[serde(default)]
        by_name: std::collections::BTreeMap<String, u8>,
    }
    let odd = "a\\nb\\u202e";
    let layers = Layers::new(&[("HOME", "/x\ny"), ("RUST_LOG", "a\u{1b}=info")]);
    let wrong = layers.file("wrong.toml", &format!("[service.by_name]\n\"{odd}\" = \"x\"\n"));
    let problems = wrong.problems::<Odd>();
    assert!(problems.len() == 1 && problems[0].contains("service.by_name.a\\nb\\u{202e} holds"), "{problems:?}");

    let layers = Layers::new(&[("HOME", "/x\ny"), ("RUST_LOG", "a\u{1b}=info")]);
    let right = layers.file("right.toml", &format!("[service.by_name]\n\"{odd}\" = 1\n"));
    let text = right.load::<Odd>().unwrap().listing.text();
    assert!(text.contains("{ a\\nb\\u{202e} = 1 }") && text.contains("a\\u{1b}=info"), "{text}");
    assert!(!text.replace('\n', "").chars().any(crate::telemetry::text::acts), "{text:?}");
}
