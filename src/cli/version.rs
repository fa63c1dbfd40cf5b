//! What `--version` says: which release, of which commit, for which kind of machine. Floor 3, pure.

use std::sync::LazyLock;

/// The version, as `--version` says it after the name.
pub(super) static VERSION: LazyLock<String> =
    LazyLock::new(|| told(env!("CARGO_PKG_VERSION"), option_env!("KUBECTL_CHAOS_COMMIT"), &target()));

/// How much of a commit's name is shown.
const ENOUGH: usize = 12;

fn told(version: &str, commit: Option<&str>, target: &str) -> String {
    // a release sets it; who builds it by hand knows what he built
    let commit = commit.filter(|commit| commit.len() >= 7 && commit.chars().all(|c| c.is_ascii_hexdigit()));
    match commit {
        Some(commit) => format!("{version} (commit {}, {target})", &commit[..commit.len().min(ENOUGH)]),
        None => format!("{version} ({target})"),
    }
}

/// The target by its usual name, as far as the compiler tells.
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
    fn a_commit_is_named_where_it_is_known() {
        let check = |commit: Option<&str>, expected: &str| {
            assert_eq!(told("1.2.3", commit, "x86_64-unknown-linux-musl"), expected);
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
