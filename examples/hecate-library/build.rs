//! Keeps `target/debug/hecate/hecate-library.manifest.json` in step with the service.

fn main() {
    hecate_om_build::manifest();
}
