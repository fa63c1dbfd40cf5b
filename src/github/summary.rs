//! Job summary: a file to which every command of a step appends.
//!
//! GitHub drops a summary that exceeds the limit, so existing content counts.

use std::io::Write as _;
use std::path::Path;

use super::Error;

/// Limit of GitHub: 1 MiB.
const LIMIT: u64 = 1024 * 1024;
/// Bytes reserved for later commands of the step.
const SPARE: u64 = 48 * 1024;

/// Returns how many bytes can be appended.
pub fn remaining_bytes(path: &Path) -> usize {
    let existing = std::fs::metadata(path).map_or(0, |meta| meta.len());
    usize::try_from(LIMIT.saturating_sub(SPARE).saturating_sub(existing)).unwrap_or(usize::MAX)
}

/// Appends Markdown, separated from existing content.
pub fn append(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source: std::io::Error| Error::WriteFile {
        variable: "GITHUB_STEP_SUMMARY",
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::File::options().create(true).append(true).open(path).map_err(failed)?;
    let gap = if file.metadata().map_err(failed)?.len() > 0 { "\n\n" } else { "" };
    file.write_all(format!("{gap}{}\n", text.trim_end()).as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_summary_is_kept_and_counts() {
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
        assert!(matches!(append(folder.path(), "x"), Err(Error::WriteFile { .. })));
    }
}
