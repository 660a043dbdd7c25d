//! What a service says of an environment that is wrong: everything, at once, with what to write.

use hecate_om_tests::Launch;
use rustix::process::Signal;

fn lab() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-lab"))
}

/// The report of a service that cannot start, line by line.
fn report(launch: &Launch) -> Vec<String> {
    let (code, stdout, stderr) = launch.run(&[]);
    assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "one report: {stderr}");
    assert!(!launch.home().exists(), "nothing was made");
    stderr.lines().map(str::to_owned).collect()
}

#[test]
fn everything_that_is_wrong_is_in_one_report_with_the_fix() {
    let launch = lab()
        .with("HECATE_RUNTIME_DIR", "relative/path")
        .with("HECATE_HEALTH_ADDR", "${HEALTH_ADDR}")
        .with("HECATE_STOP_TIMEOUT", "30")
        .with("HECATE_LOG", "")
        .with("HECATE_HEALTH_ADR", "127.0.0.1:1");
    let (code, stdout, stderr) = launch.run(&[]);
    assert_eq!((code, stdout.as_str()), (78, ""), "{stderr}");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines[0], "error: the configuration has 5 problems:", "{stderr}");
    for (variable, found, fix) in [
        ("HECATE_RUNTIME_DIR", "holds `relative/path`", "an absolute folder"),
        ("HECATE_HEALTH_ADDR", "holds the unexpanded `${HEALTH_ADDR}`", "such as `127.0.0.1:8470`"),
        ("HECATE_STOP_TIMEOUT", "holds `30`", "such as `30s`"),
        ("HECATE_LOG", "is set and empty", "unset it, or give it a level"),
        ("HECATE_HEALTH_ADR", "is no setting", "did you mean HECATE_HEALTH_ADDR?"),
    ] {
        let line = lines.iter().find(|line| line.trim_start().starts_with(&format!("{variable} ")));
        let line = line.unwrap_or_else(|| panic!("{variable} is not in the report:\n{stderr}"));
        assert!(line.contains(found) && line.contains(fix) && line.contains("; help: "), "{line}");
    }
}

#[test]
fn each_value_that_cannot_be_meant_is_refused() {
    let long = format!("/{}", "x".repeat(107));
    let cases = [
        (
            "HECATE_HEALTH_ADDR",
            vec!["8470", "localhost:8470", ":8470", "127.0.0.1", "127.0.0.1:65536", "::1:8470", " "],
        ),
        ("HECATE_STOP_TIMEOUT", vec!["0s", "999ms", "601s", "1h", "-1s", "ten", "1e3s"]),
        ("HECATE_LOG", vec!["loud", "info,,=", "hecate_om=loud", "=info", "info=warn=debug"]),
        ("HECATE_RUNTIME_DIR", vec![".", "~/hecate", "run"]),
        ("HECATE_HEALTH_SOCKET", vec!["health.sock", &long]),
    ];
    for (variable, values) in cases {
        for value in values {
            let launch = lab().without("HECATE_HEALTH_ADDR").with(variable, value);
            let (code, _, stderr) = launch.run(&[]);
            assert_eq!(code, 78, "{variable}={value}: {stderr}");
            assert!(stderr.contains("has 1 problem:") && stderr.contains(variable), "{variable}={value}: {stderr}");
        }
    }
}

#[test]
fn a_value_is_shown_on_one_line_and_not_whole() {
    let launch = lab().with("HECATE_STOP_TIMEOUT", format!("\u{1b}[31m\n{}", "9".repeat(5000)));
    let lines = report(&launch);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(!lines[1].contains('\u{1b}') && lines[1].len() < 250, "{:?}", lines[1]);
}

#[test]
fn two_places_for_health_are_one_too_many() {
    let launch = lab().with("HECATE_HEALTH_SOCKET", "/tmp/never-made.sock");
    assert!(report(&launch)[1].contains("unset one of them"));
}

#[test]
fn the_folder_of_a_session_is_place_enough() {
    let launch = lab().without("HECATE_RUNTIME_DIR");
    let session = launch.folder().join("session");
    std::fs::create_dir(&session).unwrap();
    let (code, ..) = launch.with("XDG_RUNTIME_DIR", session.to_str().unwrap()).run(&["health"]);
    assert_eq!(code, 2, "it looked there, and nobody is there");
}

#[test]
fn a_setting_of_somebody_else_is_a_warning_and_a_near_miss_is_an_error() {
    let mut process = lab().with("HECATE_REGISTRY_URL", "https://x").ready();
    let log = process.log();
    let warned = log.iter().find(|line| line["level"] == "WARN").unwrap_or_else(|| panic!("{log:?}"));
    assert_eq!(warned["message"], "HECATE_REGISTRY_URL is no setting of this service and is ignored");
    process.signal(Signal::TERM);
    assert_eq!(process.exit_code(), 0);

    for (near, meant) in [
        ("HECATE_LOGS", "HECATE_LOG"),
        ("HECATE_STOP_TIMOUT", "HECATE_STOP_TIMEOUT"),
        ("HECATE_RUNTIME_DRI", "HECATE_RUNTIME_DIR"),
        ("HECATE_HEALTH_SOCKT", "HECATE_HEALTH_SOCKET"),
    ] {
        let lines = report(&lab().with(near, "x"));
        assert_eq!(lines[1].trim(), format!("{near} is no setting; help: did you mean {meant}?"));
    }
}

mod needy {
    use hecate_om::prelude::*;

    #[settings]
    pub struct Needs {
        /// The town of the library.
        pub town: String,
        #[serde(default)]
        pub books: u8,
    }

    pub struct Needy;

    /// Needs a town.
    #[hecate_service(name = "hecate-needy", settings = Needs)]
    impl Needy {
        async fn start(context: Context<Self>) -> Result<Self, StartError> {
            panic!("started with {} and {}", context.settings().town, context.settings().books)
        }
    }

    #[settings]
    pub struct Wishes {
        #[serde(default = "five")]
        pub books: u8,
    }

    fn five() -> u8 {
        5
    }

    pub struct Content {
        context: Context<Self>,
    }

    #[message]
    pub struct Books {
        pub books: u8,
    }

    /// Is content with what it has.
    #[hecate_service(name = "hecate-content", settings = Wishes)]
    impl Content {
        async fn start(context: Context<Self>) -> Result<Self, StartError> {
            Ok(Self { context })
        }

        /// How many books there are.
        #[capability(version = 1)]
        pub async fn count(&self) -> Result<Books> {
            Ok(Books { books: self.context.settings().books })
        }
    }
}

#[test]
fn a_service_in_a_test_has_its_defaults_or_says_what_it_lacks() {
    hecate_om::testing::block_on(async {
        let service = hecate_om::testing::start::<needy::Content>().await.unwrap();
        assert_eq!(service.call(needy::Content::COUNT, ()).await.unwrap().books, 5);
        let error = hecate_om::testing::start::<needy::Needy>().await.err().unwrap();
        assert_eq!(error.exit_code, 78);
        let report = error.to_string();
        assert!(report.contains("NEEDY_TOWN is not set; help: give it a text"), "{report}");
    });
}

fn library() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_hecate-shelves")).service("hecate-library")
}

/// A file in the folder of a launch.
fn file(launch: &Launch, name: &str, text: &str) -> String {
    let path = launch.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn files_and_variables_reach_a_service_that_runs() {
    let launch = library().with("LIBRARY_BRANCHES", "north, south,").with("LIBRARY_BOOKS", "9");
    let first = file(&launch, "a.toml", "[service]\ntown = \"Gent\"\nbooks = 1\ntone = \"loud\"\n");
    let second =
        file(&launch, "b.toml", "log = \"debug\"\n[service]\nshelves = { high = 2, low = 1 }\napi_token = 7\n");
    let launch = launch.argument("--config").argument(&first).argument("--config").argument(&second);
    let process = launch.ready();
    let (code, reply, stderr) = process.launch.run(&["call", "library.tell"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "a shell that calls needs none of its settings");
    let expected =
        r#"{"town":"Gent","books":9,"branches":["north","south"],"opens":true,"port":null,"tone":"loud","shelves":3}"#;
    assert_eq!(reply.trim_end(), expected);
}

#[test]
fn every_layer_is_in_one_report() {
    let launch = library()
        .with("HECATE_LOG", "loud")
        .with("LIBRARY_BOOKS", "1000")
        .with("LIBRARY_TONE", "shrill")
        .with("LIBRARY_API_TOKEN", "hunter2");
    let path =
        file(&launch, "a.toml", "stop_timeout = 5\nstart_timeot = \"5s\"\n\n[service]\nshelves = { high = -1 }\n");
    let lines = report(&launch.argument("--config").argument(&path));
    assert_eq!(lines[0], "error: the configuration has 8 problems:", "{lines:#?}");
    for expected in [
        "a.toml:1:16: stop_timeout holds `5`; help: it takes a time from 1s to 600s, such as `30s`",
        "a.toml:2:1: start_timeot is no setting; help: did you mean `start_timeout`?",
        "a.toml:5:20: service.shelves.high holds `-1`; help: it takes a whole number",
        "HECATE_LOG holds `loud`; help: it takes a level",
        "LIBRARY_BOOKS holds `1000`; help: it takes a whole number from 0 to 255",
        "LIBRARY_TONE holds `shrill`; help: it takes `soft` or `loud`",
        "LIBRARY_API_TOKEN holds something that does not fit (it is not shown)",
        "LIBRARY_TOWN is not set; help: give it a text, or write `town` in the table `[service]` of a TOML file: The town",
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected} is missing: {lines:#?}");
    }
    assert!(!lines.concat().contains("hunter2"));
}

#[test]
fn what_is_no_regular_file_is_refused_and_waits_for_nobody() {
    let launch = lab();
    let fifo = launch.folder().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (path, said) in [
        (fifo.to_str().unwrap(), "is no regular file"),
        ("/dev/zero", "is no regular file"),
        ("/tmp", "is a folder"),
        (&*file(&launch, "large.toml", &"#".repeat((1 << 20) + 1)), "is longer than 1048576 bytes"),
    ] {
        let lines = report(&launch.clone().argument("--config").argument(path));
        assert!(lines.len() == 2 && lines[1].contains(said) && lines[1].contains(path), "{lines:?}");
    }
    let (code, _, stderr) = launch.run(&["--config", "/nowhere/x.toml"]);
    assert_eq!(code, 66);
    assert!(stderr.contains("/nowhere/x.toml is not there; help: make it"), "{stderr}");
    // Kubernetes gives its files as links.
    let (link, path) = (launch.folder().join("link.toml"), file(&launch, "a.toml", "log = \"warn\""));
    std::os::unix::fs::symlink(path, &link).unwrap();
    let (code, listed, _) = launch.run(&["config", "--config", link.to_str().unwrap()]);
    assert!(code == 0 && listed.contains("link.toml:1"), "{listed}");
}

#[test]
fn each_value_is_told_with_where_it_comes_from() {
    let launch = library().with("LIBRARY_API_TOKEN", "1234567").with("HECATE_REGISTRY_URL", "x");
    let path = file(&launch, "a.toml", "stop_timeout = \"40s\"\n[service]\ntown = \"Gent\"\napi_token = 7654321\n");
    let (code, listed, stderr) = launch.run(&["config", "--config", &path]);
    assert_eq!(code, 0);
    assert_eq!(stderr, "warning: HECATE_REGISTRY_URL is no setting of this service and is ignored\n");
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    let toml = |line: u8| format!("{path}:{line}");
    for expected in [
        vec!["health_addr", "127.0.0.1:0", "environment", "HECATE_HEALTH_ADDR"],
        vec!["start_timeout", "300s", "default"],
        vec!["stop_timeout", "40s", "--config", &toml(1)],
        vec!["[service]"],
        vec!["town", "Gent", "--config", &toml(3)],
        vec!["books", "5", "default"],
        vec!["api_token", "***", "environment", "LIBRARY_API_TOKEN"],
        vec!["over", "***", "from", "--config", &toml(4)],
    ] {
        assert!(lines.contains(&expected), "{expected:?} is missing:\n{listed}");
    }
    let (code, json, _) = launch.run(&["config", "--json", "--config", &path]);
    assert_eq!(code, 0);
    assert!(!json.contains("1234567") && !json.contains("7654321"), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let town = json["service"].as_array().unwrap().iter().find(|listed| listed["key"] == "town").unwrap();
    assert_eq!((&town["value"], &town["variable"]), (&"Gent".into(), &"LIBRARY_TOWN".into()));
    assert_eq!(town["doc"], "The town of the library.");
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn links_to_other_services_are_passed_over_and_strict_refuses_the_rest() {
    let launch = library()
        .with("LIBRARY_TOWN", "Gent")
        .with("LIBRARY_PORT", "tcp://10.0.0.1:80")
        .with("LIBRARY_SERVICE_HOST", "10.0.0.1")
        .with("HECATE_HEALTH_PORT", "tcp://10.0.0.1:80")
        .with("HECATE_HEALTH_SERVICE_PORT_HTTP", "80");
    let (code, listed, stderr) = launch.run(&["config", "--strict"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{listed}");
    let (code, _, stderr) = launch.with("HECATE_REGISTRY_URL", "x").run(&["config", "--strict"]);
    assert_eq!(code, 78);
    assert!(stderr.contains("HECATE_REGISTRY_URL is no setting of this service; help: unset it, or"), "{stderr}");
}

#[test]
fn check_ends_with_the_code_of_a_boot_and_starts_nothing() {
    let good = library().with("LIBRARY_TOWN", "Gent");
    let (code, found, _) = good.run(&["check"]);
    assert_eq!(code, 0, "{found}");
    for (level, subject) in [
        ("ok", "configuration"),
        ("ok", "contract"),
        ("ok", "runtime folder"),
        ("ok", "data folder"),
        ("ok", "secrets folder"),
        ("ok", "health"),
    ] {
        assert!(found.lines().any(|line| line.starts_with(&format!("{level:<7}{subject}"))), "{subject}:\n{found}");
    }
    assert!(!good.home().exists() && !good.folder().join("run").exists(), "nothing was made");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let open = library().with("LIBRARY_TOWN", "Gent");
    std::fs::create_dir(open.folder().join("run")).unwrap();
    std::fs::set_permissions(open.folder().join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let running = good.clone().ready();
    for (launch, code, subject, said) in [
        (library(), 78, "configuration", "LIBRARY_TOWN is not set"),
        (good.clone().with("HECATE_HEALTH_ADDR", &address), 75, "runtime folder", "another process"),
        (library().with("LIBRARY_TOWN", "Gent").with("HECATE_HEALTH_ADDR", &address), 75, "health", &address),
        (open, 77, "runtime folder", "chmod 700"),
        (Launch::of(env!("CARGO_BIN_EXE_hecate-twins")).with("TWIN", "left"), 70, "contract", "`twin.hello` version 1"),
        (good.clone().argument("--config").argument("/nowhere"), 66, "configuration", "/nowhere is not there"),
    ] {
        let (found, told, _) = launch.clone().argument("check").run(&[]);
        assert_eq!(found, code, "{told}");
        let line = told.lines().find(|line| line.starts_with(&format!("error  {subject}")));
        assert!(line.is_some_and(|line| line.contains(said)), "{said}:\n{told}");
        assert!(told.contains(&format!("`run` would end with exit code {code}: ")), "{told}");
        let (boot, _, stderr) = launch.run(&[]);
        assert_eq!(boot, code, "a boot ends alike: {stderr}");
    }
    drop(running);
}

#[test]
fn every_command_that_needs_the_environment_reports_it_alike() {
    for arguments in [["health", "--ready"], ["call", "lab.nothing"]] {
        let (code, _, stderr) = lab().with("HECATE_LOG", "").run(&arguments);
        assert_eq!(code, 78, "{arguments:?}");
        assert!(stderr.contains("HECATE_LOG is set and empty"), "{arguments:?}: {stderr}");
    }
    // Those that only tell what is in the binary do not.
    let (code, ..) = lab().with("HECATE_LOG", "").run(&["manifest"]);
    assert_eq!(code, 0);
}
