//! The version: release, commit and target.

use std::sync::LazyLock;

/// Version, as `--version` shows it after the name.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    format_version(env!("CARGO_PKG_VERSION"), option_env!("KUBECTL_CHAOS_COMMIT"), &target())
});

/// Number of shown digits of the commit.
const COMMIT_DIGITS: usize = 12;

fn format_version(version: &str, commit: Option<&str>, target: &str) -> String {
    // only release builds set it
    let commit = commit.filter(|commit| commit.len() >= 7 && commit.chars().all(|c| c.is_ascii_hexdigit()));
    match commit {
        Some(commit) => {
            format!("{version} (commit {}, {target})", &commit[..commit.len().min(COMMIT_DIGITS)])
        }
        None => format!("{version} ({target})"),
    }
}

/// Returns the target triple, as far as the compiler knows it.
fn target() -> String {
    let system = if cfg!(target_os = "macos") {
        "apple-darwin"
    } else if cfg!(all(windows, target_env = "gnu")) {
        "pc-windows-gnu"
    } else if cfg!(windows) {
        "pc-windows-msvc"
    } else if cfg!(all(target_os = "linux", target_env = "musl")) {
        "unknown-linux-musl"
    } else if cfg!(target_os = "linux") {
        "unknown-linux-gnu"
    } else {
        std::env::consts::OS
    };
    format!("{}-{system}", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_contains_a_valid_commit() {
        let check = |commit: Option<&str>, expected: &str| {
            assert_eq!(format_version("1.2.3", commit, "x86_64-unknown-linux-musl"), expected);
        };
        check(None, "1.2.3 (x86_64-unknown-linux-musl)");
        check(Some(""), "1.2.3 (x86_64-unknown-linux-musl)");
        check(Some("unknown"), "1.2.3 (x86_64-unknown-linux-musl)");
        check(Some("abcdef1"), "1.2.3 (commit abcdef1, x86_64-unknown-linux-musl)");
        check(
            Some("abcdef123456789012345678901234567890abcd"),
            "1.2.3 (commit abcdef123456, x86_64-unknown-linux-musl)",
        );
    }
}
