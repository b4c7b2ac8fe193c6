//! The provider as a process: found among the others, weighed. It knows no resource.

use std::time::Duration;

/// A process's memory in bytes, by the name that the kernel gives the figure.
pub(crate) fn memory(id: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// How long a process has computed so far.
pub(crate) fn computed(id: u32) -> Option<Duration> {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = status.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // The kernel counts hundredths of a second for whoever reads this file.
    Some(Duration::from_millis((user + system) * 10))
}

/// The children of a process that are providers of ours.
pub(crate) fn providers(parent: u32) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_ours = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The program's name, in brackets, may have spaces in it.
        let (name, rest) = status.rsplit_once(") ")?;
        let found: u32 = rest.split(' ').nth(1)?.parse().ok()?;
        Some(found == parent && name.contains("(terraform-prov"))
    };
    ids.filter(|id| is_ours(id).unwrap_or(false)).collect()
}
