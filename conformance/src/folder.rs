//! A folder for the sockets and files of one case.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// The folder of one case. Dropping it removes the folder and everything in it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a new, empty folder.
    ///
    /// # Panics
    /// If it cannot be made in the folder for temporary files.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short, because the path of a socket may have only about a hundred bytes.
        let folder = env::temp_dir().join(format!("ldm-{}-{number}", process::id()));
        fs::create_dir(&folder).expect("a folder for a test");
        Self(folder)
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in the folder for one socket. The socket is not made.
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
        // An error does no harm: the folder then stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}
