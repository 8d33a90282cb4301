//! A place in the file system for the sockets and files of one case.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// A folder of one case, removed with all that is in it at the end.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one, which nobody else has.
    ///
    /// # Panics
    /// Where the folder for temporary files takes none.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short: the path of a socket has some hundred bytes at most.
        let folder = env::temp_dir().join(format!("ldm-{}-{number}", process::id()));
        fs::create_dir(&folder).expect("a folder for a test");
        Self(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path for one socket in it; nothing is there yet.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("dsd.socket")
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
