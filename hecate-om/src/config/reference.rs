//! `docs/configuration.md`, made of the table of settings.

use std::fmt::Write as _;
use std::path::Path;

use super::setting;
use crate::exit;

fn reference() -> String {
    let mut text = String::from(HEAD);
    for setting in setting::ALL {
        let reload = if setting.reloads { " SIGHUP reads it again." } else { "" };
        let (variable, key, doc, takes, default) =
            (setting.variable, setting.key, setting.doc, setting.takes, setting.default);
        write!(
            text,
            "### `{variable}`\n\n{doc}{reload}\n\n- in TOML: `{key}`\n- takes: {takes}\n- without it: {default}\n\n"
        )
        .unwrap();
    }
    text.push_str(FOOT);
    for (code, when) in exit::ALL {
        writeln!(text, "| {code} | {when} |").unwrap();
    }
    text
}

const HEAD: &str = "\
<!-- Made of hecate-om/src/config/setting.rs and exit.rs. UPDATE_EXPECTED=1 cargo test -p hecate-om reference -->

# Configuration

A service reads, each stronger than the one before:

1. the defaults below;
2. `/etc/hecate/<name>.toml`, if it is there;
3. every file that `--config FILE` names, in that order;
4. the environment;
5. the command line: `--strict` refuses what would be ignored.

`<binary> config` prints every value, where it came from and what it stands before; `--json` does so for
programs. `<binary> check` tells what would keep the service from running, and ends with the exit code that
`run` would end with.

All that is wrong is told in one report, with the file, line and column or the variable, what was found and
what to write. A variable or key that is nearly one of these is a typing mistake, and an error; another one
with our prefix is a warning. What Kubernetes and Docker set to link services (`HECATE_ECHO_PORT=tcp://..`) is
passed over. A file has at most 1 MiB and is a regular one.

## The settings of the runtime

";

const FOOT: &str = "\
## The settings of a service

A service with `#[hecate_service(.., settings = LibrarySettings)]` has settings of its own: in the table
`[service]` of the same files, and in variables with its scope as prefix.

```toml
stop_timeout = \"40s\"

[service]
town = \"Gent\"
branches = [\"north\", \"south\"]
```

```sh
LIBRARY_TOWN=Gent LIBRARY_BRANCHES=north,south hecate-library
```

A variable holds a text, a number, `true` or `false`, the name of a variant, or a list of these with commas;
tables are for TOML only. So are all settings of a service whose scope begins with `hecate` or `macula`: those
prefixes are the runtime's. `<binary> --help` lists them with what they take, and with their defaults.

The values of keys such as `password`, `token`, `secret` and `key` are masked wherever they are told. Where a
secret can be a file in the secrets folder, it should be.

## Exit codes

| code | when |
|---|---|
";

#[test]
fn the_reference_tells_what_the_code_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == reference(), "docs/configuration.md is not what the code does; UPDATE_EXPECTED=1 takes it over");
}
