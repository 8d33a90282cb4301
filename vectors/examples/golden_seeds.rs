//! Writes every golden case as a fuzz seed: `cargo run -p loaddensity-metrics-vectors --example golden_seeds FOLDER`.

use std::path::PathBuf;
use std::{env, fs, io};

use loaddensity_metrics_vectors::check::seed;
use loaddensity_metrics_vectors::golden::Case;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::other("say which folder the seeds shall be written to"))?;
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    fs::create_dir_all(&folder).map_err(named)?;
    for case in Case::all() {
        fs::write(folder.join(format!("golden-{}", case.name)), seed::of_case(&case)).map_err(named)?;
    }
    Ok(())
}
