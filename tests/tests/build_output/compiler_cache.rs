//! A compiler cache answers instead of rustc: the macro runs only in its search for dependencies.

use std::fs;

use crate::dependencies;
use crate::package::{BUILD_SCRIPT, Package, cargo_toml, service};

/// What sccache does, for one crate: first rustc for the dependencies alone, without `--out-dir`,
/// then either rustc proper, whose outputs it keeps, or the outputs that it kept.
const CACHE: &str = r#"#!/bin/sh
rustc=$1; shift
for argument; do
    case $previous in --crate-name) crate=$argument ;; --out-dir) out=$argument ;; esac
    case $argument in extra-filename=*) extra=${argument#*=} ;; esac
    previous=$argument
done
[ "$crate" = greeter ] && [ -n "$out" ] || exec "$rustc" "$@"
(
    count=$#
    while [ "$count" -gt 0 ]; do
        argument=$1; shift; count=$((count - 1))
        case $argument in
            --emit=*) ;;
            --out-dir) shift; count=$((count - 1)) ;;
            *) set -- "$@" "$argument" ;;
        esac
    done
    exec "$rustc" "$@" --emit dep-info -o "$CACHE/pass.d"
) 2>/dev/null || exit
if [ -d "$CACHE/kept" ]; then
    cp "$CACHE"/kept/* "$out" && cat "$CACHE/told" >&2 && echo hit >>"$CACHE/hits"
    exit
fi
"$rustc" "$@" 2>"$CACHE/told"; code=$?
cat "$CACHE/told" >&2
mkdir "$CACHE/kept" && cp "$out"/*"greeter$extra"* "$CACHE/kept"
exit "$code"
"#;

#[test]
fn with_the_build_script_a_compiler_cache_leaves_the_manifest_too() {
    use std::os::unix::fs::PermissionsExt;

    let package = Package::new();
    package.write("Cargo.toml", &cargo_toml("greeter"));
    package.write("src/lib.rs", &service("greeter"));
    package.write("build.rs", BUILD_SCRIPT);
    package.write("cache/rustc.sh", CACHE);
    let (cache, wrapper) = (package.path("cache"), package.path("cache/rustc.sh"));
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let build = || {
        let mut cargo = package.command("build");
        crate::package::output(cargo.env("RUSTC_WRAPPER", &wrapper).env("CACHE", &cache));
        package.read("target/debug/hecate/greeter.manifest.json")
    };

    let compiled = build();
    assert!(!package.has("cache/hits"));
    fs::remove_dir_all(package.path("target")).unwrap();
    dependencies::provide(&package.path("target"));
    assert_eq!(build(), compiled);
    assert_eq!(package.read("cache/hits"), "hit\n");
}
