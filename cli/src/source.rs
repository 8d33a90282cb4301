//! Where documents come from.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A document, not yet read as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentSource {
    /// Shown before its errors: a path, `stdin`, or `run-str` for the command line.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl DocumentSource {
    pub(crate) fn argument(json: String) -> Self {
        Self { name: "run-str".into(), text: json }
    }

    /// All of stdin.
    pub(crate) fn stdin() -> Result<Self, SourceError> {
        let text = io::read_to_string(io::stdin()).map_err(|source| SourceError::Read("stdin".into(), source))?;
        Ok(Self { name: "stdin".into(), text })
    }

    pub(crate) fn file(path: &Path) -> Result<Self, SourceError> {
        let text = fs::read_to_string(path).map_err(|source| SourceError::Read(path.into(), source))?;
        Ok(Self { name: path.display().to_string(), text })
    }

    /// Every `*.json` below `dir`, sorted by path. Symbolic links to folders are not followed: they may form a ring.
    pub(crate) fn below(dir: &Path) -> Result<Vec<Self>, SourceError> {
        let mut files = Vec::new();
        collect(dir, &mut files)?;
        if files.is_empty() {
            return Err(SourceError::Empty(dir.into()));
        }
        files.sort();
        files.iter().map(|path| Self::file(path)).collect()
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let failed = |source| SourceError::Read(dir.into(), source);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum SourceError {
    Read(PathBuf, io::Error),
    Empty(PathBuf),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, source) => write!(f, "{}: {source}", path.display()),
            Self::Empty(dir) => write!(f, "{}: no *.json file in it or below it", dir.display()),
        }
    }
}

impl std::error::Error for SourceError {}
