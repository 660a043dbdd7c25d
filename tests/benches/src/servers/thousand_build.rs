//! Writes the service with 1,000 capabilities: a macro_rules macro cannot make that many names.

use std::fmt::Write as _;
use std::path::Path;

/// All of them, the measured one included.
const CAPABILITIES: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src/servers/thousand_build.rs");
    let mut block = String::from("#[hecate_service(name = \"hecate-thousand\", scope = \"echo\")]\nimpl Echo {\n");
    for index in 0..CAPABILITIES {
        // The measured one is neither the first nor the last.
        let method = if index == CAPABILITIES / 2 { "say".to_owned() } else { format!("say_{index}") };
        write!(
            block,
            "    /// Says it back.
    #[capability(version = 1)]
    async fn {method}(&self, request: Say) -> Result<Said, EchoRefusal> {{
        if request.text.is_empty() {{ Err(EchoRefusal::Silence) }} else {{ Ok(Said {{ text: request.text }}) }}
    }}
"
        )?;
    }
    block.push_str("}\n");
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&folder).join("thousand.rs"), block)?;
    Ok(())
}
