//! Builds the programs of `core/no-std-proof` in release mode, with the cargo that runs the tests, and looks into them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Links a program; what the linker says where it does not link.
pub(crate) fn link(program: &str, features: &[&str]) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-std-proof");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("no-std-proof/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--bin", program, "--features", &features.join(",")])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target)
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .expect("cargo runs");
    if output.status.success() {
        Ok(target.join("release").join(program))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Those of these names that a program has.
pub(crate) fn symbols_in(program: &Path, symbols: &[&'static str]) -> Vec<&'static str> {
    let bytes = std::fs::read(program).expect("the program can be read");
    let is_there = |symbol: &&&'static str| bytes.windows(symbol.len()).any(|window| window == symbol.as_bytes());
    symbols.iter().filter(is_there).copied().collect()
}
