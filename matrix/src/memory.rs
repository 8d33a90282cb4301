//! The memory of this process.

use std::fs;

use crate::course::Trouble;

/// What it has now, and the most that it had, in bytes (`VmRSS` and `VmHWM`, proc_pid_status(5)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessMemory {
    pub(crate) resident: u64,
    pub(crate) most: u64,
}

impl ProcessMemory {
    pub(crate) fn now() -> Result<Self, Trouble> {
        let status = fs::read_to_string("/proc/self/status")?;
        let bytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            let kibibytes: Option<u64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            kibibytes.map(|count| count << 10).ok_or_else(|| format!("the scenario itself: no {key} in {status:?}"))
        };
        Ok(Self { resident: bytes("VmRSS")?, most: bytes("VmHWM")? })
    }
}
