//! What this process takes up.

use std::fs;

use crate::course::Trouble;

/// What Linux says of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// Memory that is there, in KiB.
    pub(crate) resident: u64,
}

impl Resources {
    pub(crate) fn now() -> Result<Self, Trouble> {
        let status = fs::read_to_string("/proc/self/status")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()).and_then(|word| word.parse().ok());
            number.ok_or_else(|| Trouble::Lacks(format!("/proc/self/status has no {name}: Linux has")))
        };
        // The folder that is read is open meanwhile.
        let descriptors = fs::read_dir("/proc/self/fd")?.count() - 1;
        Ok(Self { descriptors, threads: field("Threads:")? as usize, resident: field("VmRSS:")? })
    }
}
