//! Owns: how much memory this command took at most.
//! Never: a limit.

/// The most that was resident at once; None where the kernel does not tell.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_tells_the_peak() {
        assert!(super::peak_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
