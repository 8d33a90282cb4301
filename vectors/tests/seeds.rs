//! Seeds lie where somebody replays them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// In a folder of another name a seed would be read by nobody.
#[test]
fn each_folder_of_seeds_is_that_of_a_fuzz_target() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let targets = names(&here.join("../fuzz/fuzz_targets"));
    let folders = names(&here.join("seeds"));
    let strange: Vec<_> = folders.difference(&targets).collect();
    assert!(!folders.is_empty() && strange.is_empty(), "no fuzz target has the name of these folders: {strange:?}");
}

/// Of all that is in a folder, without their ends.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let stem = |entry: fs::DirEntry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    entries.filter_map(|entry| stem(entry.expect("a readable folder"))).collect()
}
