//! The summary of a job: a file to which every command of a step appends. Floor 1.
//!
//! One that is larger than its limit is dropped as a whole, so that what was there before counts.

use std::io::Write as _;
use std::path::Path;

/// The limit that GitHub has: 1 MiB.
const LIMIT: u64 = 1024 * 1024;
/// What is left for whoever appends after us.
const SPARE: u64 = 48 * 1024;

/// How many bytes may be appended.
pub fn remaining_bytes(path: &Path) -> usize {
    let there = std::fs::metadata(path).map_or(0, |meta| meta.len());
    usize::try_from(LIMIT.saturating_sub(SPARE).saturating_sub(there)).unwrap_or(usize::MAX)
}

/// Appends Markdown, apart from what stands before it. An error says why not.
pub fn append(path: &Path, text: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
    let mut file = std::fs::File::options().create(true).append(true).open(path).map_err(failed)?;
    let gap = if file.metadata().map_err(failed)?.len() > 0 { "\n\n" } else { "" };
    file.write_all(format!("{gap}{}\n", text.trim_end()).as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        let empty = remaining_bytes(&path);
        assert_eq!(empty, 976 * 1_024);
        append(&path, "### one\n").unwrap();
        append(&path, "### two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "### one\n\n\n### two\n");
        assert_eq!(remaining_bytes(&path), empty - 18);
        std::fs::write(&path, vec![b'x'; 2_000_000]).unwrap();
        assert_eq!(remaining_bytes(&path), 0);
        assert!(append(folder.path(), "x").unwrap_err().contains("cannot be written"));
    }
}
