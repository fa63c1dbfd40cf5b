//! Searches everything that a run wrote for secrets.

use super::{ProcessResult, Sandbox};

/// Flags that make a run write every output.
pub const EVERYTHING: [&str; 5] = [
    "--events-file=events.ndjson",
    "--log-file=all.log",
    "--log-file-level=debug",
    "--verbose",
    "--output=json",
];

/// Asserts that a run with [`EVERYTHING`] wrote none of these texts.
#[track_caller]
pub fn leaks_nothing(sandbox: &Sandbox, finished: &ProcessResult, secrets: &[&str]) {
    let written = [
        ("standard output", finished.stdout.clone()),
        ("standard error", finished.stderr.clone()),
        ("the journal", sandbox.read("journal.json")),
        ("the events", sandbox.read("events.ndjson")),
        ("the log", sandbox.read("all.log")),
    ];
    for (place, text) in written {
        assert!(!text.trim().is_empty(), "there is something to look at in {place}");
        for secret in secrets {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} is in {place}");
        }
    }
}
