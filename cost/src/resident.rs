//! What the kernel says of this process: how much of its memory is resident.

/// Resident bytes of this process but for what it maps of files, its code among that; counted page by page. `None` where the system
/// does not say it: Linux does since 4.14.
///
/// `/proc/self/statm` takes less time, but what it says is "inaccurate" (`proc_pid_statm(5)`): on some kernels it is off by pages
/// of each processor.
#[must_use]
pub fn resident() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/smaps_rollup").ok()?)
}

/// What `smaps_rollup` has as `Anonymous`, in bytes (Linux, Documentation/filesystems/proc.rst).
fn resident_in(smaps_rollup: &str) -> Option<u64> {
    let line = smaps_rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_text_is_read() {
        let head = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\n";
        for (text, expected) in [
            ("Anonymous:                1234 kB\nLazyFree:              0 kB\n", Some(1_234 << 10)),
            ("Rss:                 567 kB\n", None),
            ("Anonymous:                1234 MB\n", None),
            ("Anonymous:                many kB\n", None),
            ("", None),
        ] {
            assert_eq!(resident_in(&format!("{head}{text}")), expected, "{text}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_is_written_to_is_resident() {
        const BYTES: u64 = 64 << 20;
        let grown = || {
            let before = resident().expect("Linux says it");
            let memory = std::hint::black_box(vec![1_u8; BYTES as usize]);
            let now = resident().expect("Linux says it");
            drop(memory);
            now.saturating_sub(before)
        };
        // The other tests of this process take memory and give it back meanwhile.
        let seen = Vec::from_iter((0..20).map(|_| grown()).take_while(|grown| *grown < BYTES * 9 / 10));
        assert!(seen.len() < 20, "{seen:?}");
    }
}
