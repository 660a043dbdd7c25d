//! Keeps `target/debug/hecate/hecate-echo.manifest.json` in step with the service.

fn main() {
    hecate_om_build::manifest();
}
