//! Numbers of this process, from `/proc` on Linux.

/// Returns the resident memory in bytes.
pub(super) fn resident_memory() -> Option<f64> {
    resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Returns the number of open file descriptors.
pub(super) fn open_files() -> Option<f64> {
    let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // The listing itself uses a descriptor.
    u32::try_from(files.saturating_sub(1)).ok().map(f64::from)
}

/// Reads the line `VmRSS:  1234 kB`.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kibibytes) * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_resident_memory() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2_097_152.0));
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
