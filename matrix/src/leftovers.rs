//! What a scenario that was killed could not remove.

use std::path::Path;
use std::{env, fs};

/// Removes the folders of `Folder` whose process is gone: `ldm-`, its id, `-` and a number.
pub(crate) fn sweep() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix("ldm-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            // Another run may be about to do the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
