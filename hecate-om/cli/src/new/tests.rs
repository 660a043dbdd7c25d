use std::collections::BTreeMap;

use super::*;

fn render_all(
    name: &str,
    description: &str,
    om: &OmSource,
    org: Option<&str>,
    slices: bool,
) -> BTreeMap<String, String> {
    let name = ServiceName::new(name).unwrap();
    let summary = super::description(description).unwrap();
    let image = Image::new(org, None, name.as_str()).unwrap();
    let service = Deployment::new(name.as_str(), "0.1.0", &summary, &name.scope(), image.reference, 8470);
    let shape = Shape { slices, is_below_a_workspace: slices };
    let files = files(&name, &service, om, &image.registry, shape).unwrap();
    files.into_iter().map(|file| (file.path, file.text)).collect()
}

fn version() -> OmSource {
    OmSource::Version("0.1.0".to_owned())
}

fn sources() -> [OmSource; 3] {
    [OmSource::Path("/x/checkout".to_owned()), OmSource::Git("https://example.com/x.git".to_owned()), version()]
}

#[test]
fn a_project_has_these_files() {
    let plain = render_all("hecate-weather", "Forecasts", &version(), None, false);
    let expected = [
        ".github/workflows/build-push.yml",
        ".github/workflows/ci.yml",
        ".gitignore",
        "AGENTS.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "Containerfile",
        "LICENSE",
        "README.md",
        "build.rs",
        "contract.lock.json",
        "deploy/compose.yml",
        "quadlet/hecate-weather.container",
        "rust-toolchain.toml",
        "src/main.rs",
        "src/service.rs",
        "tests/contract.rs",
    ];
    assert_eq!(plain.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    let desks = render_all("hecate-weather", "Forecasts", &version(), None, true);
    let more: Vec<_> = desks.keys().filter(|path| !expected.contains(&path.as_str())).collect();
    assert_eq!(more, ["src/greet_visitor.rs", "src/project_visitors.rs", "src/query_visitors.rs"]);
}

/// Nothing of ours in a stranger's project, and nothing that is not finished.
#[test]
fn a_stranger_finds_nothing_of_ours_and_nothing_unfinished() {
    for om in sources() {
        for slices in [false, true] {
            for (path, text) in render_all("acme-widgets", "Widgets", &om, Some("acme"), slices) {
                let lower =
                    text.to_lowercase().replace("hecate-om", "").replace("hecate_om", "").replace("hecate_service", "");
                for word in [
                    "todo",
                    "fixme",
                    "unimplemented",
                    "placeholder",
                    "hecate-services",
                    "hecate-weather",
                    "codeberg",
                    "<@",
                    "<%",
                    "changeme",
                ] {
                    assert!(!lower.contains(word), "{path} holds `{word}`");
                }
                assert!(!text.contains("\n\n\n"), "{path} has a gap");
                assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{path} ends oddly");
                assert!(text.lines().all(|line| line == line.trim_end()), "{path} has blanks at the end of a line");
            }
        }
    }
}

#[test]
fn a_lock_is_written_as_locks_are_whatever_the_name() {
    for name in ["acme-widgets", "hecate-weather-of-the-whole-wide-world", "a-b"] {
        for slices in [false, true] {
            let text = &render_all(name, "Widgets", &version(), None, slices)["contract.lock.json"];
            let lock = contract_lock::ContractLock::parse(text).unwrap();
            assert_eq!(lock.to_json(), *text);
            let names: Vec<_> = lock.services[name].capabilities.keys().map(|(name, _)| name.clone()).collect();
            let scope = ServiceName::new(name).unwrap().scope();
            let expected = if slices { &["greet", "visitors"][..] } else { &["greet"] };
            assert_eq!(names, expected.iter().map(|last| format!("{scope}.{last}")).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_first_commands_are_the_same_wherever_they_are_told() {
    let (name, version) = (ServiceName::new("hecate-weather").unwrap(), version());
    let summary = "Forecasts";
    let service = Deployment::new(name.as_str(), "0.1.0", summary, &name.scope(), "localhost/x".to_owned(), 8470);
    let above = tempfile::tempdir().unwrap();
    let place = Place::find(Some(&above.path().join(name.as_str())), name.as_str()).unwrap();
    let told = Told { place: &place, files: &[], om: &version, call: call(&service), is_dry: false };
    let next = told.next();
    let first =
        ["cargo test", "cargo run", "hecate-om call weather.greet@1 '{\"name\":\"Ada\"}'", "hecate-om render quadlet"];
    assert_eq!(next[1..], first);
    let help = crate::line::command().render_help().to_string();
    let readme = &render_all(name.as_str(), summary, &version, None, false)["README.md"];
    for text in [help.as_str(), readme] {
        let found: Vec<_> = first.iter().map(|command| text.find(command)).collect();
        assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{found:?} in {text}");
    }
    assert!(help.contains("hecate-om new hecate-weather"), "{help}");
}

#[test]
fn a_shell_can_go_where_the_project_is() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("it's mine/hecate-weather");
    let place = Place::find(Some(&folder), "hecate-weather").unwrap();
    let told = Told { place: &place, files: &[], om: &version(), call: String::new(), is_dry: false };
    let script = format!("cd() {{ printf %s \"$1\"; }}; {}", told.next()[0]);
    let gone = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(gone.stdout).unwrap(), folder.display().to_string());
}

#[test]
fn a_main_is_tiny_and_workflows_keep_their_own_templates() {
    let files = render_all("hecate-weather", "Forecasts", &version(), Some("acme"), false);
    assert!(files["src/main.rs"].lines().count() <= 8);
    assert!(files[".github/workflows/build-push.yml"].contains("${{ github.ref }}"));
    assert!(files["Containerfile"].contains("${RUST}"));
}

/// What people write into a description, and what attackers do; each is one that `new` takes.
const DESCRIPTIONS: &[&str] = &[
    "it's \"quoted\", `ticked` and 100 %",
    "%i %n %%",
    "$(id) `id` $HOME ${HOME:?} $$",
    "{{ name }} {% x %} ${{ secrets.TOKEN }} <@ x @> <% y %>",
    "# no comment; - item: value, [a] {b} & *c !d | e > f",
    "\\ back \\\\ slash \\\" quote",
    "<b>x</b> [l](http://x) *a* _b_ ~~c~~ | d |",
    "é ü 漢字 🦀 👩\u{200d}🔬",
    "'",
    "\"",
    "%",
    "$",
    "1. one",
    "= x",
    "---",
    "null",
    "yes",
    "@x",
    "*/ x",
    "\"]",
];

#[test]
fn a_description_is_read_back_from_every_file_as_it_was_written() {
    for description in DESCRIPTIONS {
        let files = render_all("hecate-weather", description, &version(), None, false);
        let cargo: toml::Table = files["Cargo.toml"].parse().unwrap();
        assert_eq!(cargo["package"]["description"].as_str(), Some(*description));
        assert_eq!(cargo["dependencies"]["hecate-om"].as_str(), Some("0.1.0"));
        let unit = &files["quadlet/hecate-weather.container"];
        let found: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix("Description=")).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].replace("%%", "%"), format!("hecate-weather: {description}"));
        let compose = &yaml_rust2::YamlLoader::load_from_str(&files["deploy/compose.yml"]).unwrap()[0];
        let label = &compose["services"]["hecate-weather"]["labels"]["org.opencontainers.image.description"];
        assert_eq!(label.as_str().unwrap().replace("$$", "$"), *description);
        for workflow in [".github/workflows/ci.yml", ".github/workflows/build-push.yml"] {
            assert!(!files[workflow].contains(description) || description.len() < 4, "{workflow}");
        }
        for path in ["build.rs", "src/main.rs", "src/service.rs", "tests/contract.rs"] {
            syn::parse_file(&files[path]).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        let service =
            Deployment::new("hecate-weather", "0.1.0", description, "weather", "localhost/x".to_owned(), 8470);
        let om = version();
        let sources = Sources { package: "hecate-weather", toolchain: TOOLCHAIN, om: &om, build_script: None };
        let objects = render::file(Kind::K8s, &service, sources).unwrap();
        let objects = yaml_rust2::YamlLoader::load_from_str(&objects).unwrap();
        assert_eq!(objects[1]["metadata"]["annotations"]["description"].as_str(), Some(*description));
    }
}

#[test]
fn a_description_that_no_line_can_hold_is_refused() {
    let long = "x".repeat(201);
    for (text, why) in [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("two\nlines", "`\\u{a}`, which is a control character"),
        ("a\u{202e}b", "`\\u{202e}`, which changes the direction"),
        ("a\u{200b}b", "cannot be seen"),
        ("a\u{1b}[31m", "control character"),
        ("ends with \\", "ends with `\\`"),
        (&long, "has 201 bytes"),
    ] {
        let told = super::description(text).unwrap_err().told(false);
        assert!(told.contains(why) && told.contains("help: "), "{text:?}: {told}");
        assert!(!told.contains('\u{202e}') && !told.contains('\u{1b}'));
    }
}

#[test]
fn hecate_om_comes_from_where_it_was_said() {
    let cargo = |om: &OmSource| -> toml::Table {
        render_all("hecate-weather", "Forecasts", om, None, false)["Cargo.toml"].parse().unwrap()
    };
    for (table, name, folder) in
        [("dependencies", "hecate-om", "hecate-om"), ("build-dependencies", "hecate-om-build", "hecate-om/build")]
    {
        let [path, git, version] = sources().map(|om| cargo(&om)[table][name].clone());
        assert_eq!(path["path"].as_str(), Some(&*format!("/x/checkout/{folder}")));
        assert_eq!(git["git"].as_str(), Some("https://example.com/x.git"));
        assert_eq!(version.as_str(), Some("0.1.0"));
    }
}

#[test]
fn a_project_in_the_folder_of_a_workspace_is_one_of_its_own() {
    let above = tempfile::tempdir().unwrap();
    let is_below = |text: &str| {
        std::fs::write(above.path().join("Cargo.toml"), text).unwrap();
        Place::find(Some(&above.path().join("some/made")), "made").unwrap().is_below_a_workspace()
    };
    assert!(is_below("[workspace]\nmembers = []\n"));
    assert!(!is_below("[package]\nname = \"x\"\n"));
    for slices in [false, true] {
        let files = render_all("hecate-weather", "Forecasts", &version(), None, slices);
        let cargo: toml::Table = files["Cargo.toml"].parse().unwrap();
        assert_eq!(cargo.contains_key("workspace"), slices);
    }
}

#[test]
fn the_toolchain_and_the_profile_are_those_that_this_was_tested_with() {
    let files = render_all("hecate-weather", "Forecasts", &version(), None, false);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ours: toml::Table = std::fs::read_to_string(root.join("rust-toolchain.toml")).unwrap().parse().unwrap();
    assert_eq!(ours["toolchain"]["channel"].as_str(), Some(TOOLCHAIN));
    let theirs: toml::Table = files["rust-toolchain.toml"].parse().unwrap();
    assert_eq!(ours, theirs);
    let ours: toml::Table = std::fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let theirs: toml::Table = files["Cargo.toml"].parse().unwrap();
    assert_eq!(ours["profile"]["dev"]["package"], theirs["profile"]["dev"]["package"]);
}
