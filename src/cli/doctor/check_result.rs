//! The result of a check: state, message, hint. Pure.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::app::Outcome;
use crate::cli::table::{Table, TableRow};

const SCHEMA: &str = "kubectl-chaos/doctor/v1";

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckState {
    Ok,
    /// Works, but needs attention.
    Warning,
    /// Does not work.
    Error,
}

impl CheckState {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CheckResult {
    pub(super) check: &'static str,
    pub(super) state: CheckState,
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// Whether the cause is that the cluster is unreachable or rejects the connection.
    #[serde(skip)]
    pub(super) unreachable: bool,
}

impl CheckResult {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: CheckState::Ok, message: message.into(), hint: None, unreachable: false }
    }

    pub(super) fn warning(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, hint: Some(hint.into()), ..Self::ok(check, message) }
    }

    pub(super) fn error(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Error, ..Self::warning(check, message, hint) }
    }

    /// Downgrades an unreachable cluster to a warning, for experiments that need no cluster.
    pub(super) fn downgrade(&mut self) {
        if self.unreachable {
            self.state = CheckState::Warning;
            self.hint = Some("the experiment needs no cluster".to_owned());
        }
    }
}

/// Returns the exit status: success, failure, or only the cluster is unreachable.
pub(super) fn exit_status(findings: &[CheckResult]) -> Outcome {
    let errors: Vec<&CheckResult> =
        findings.iter().filter(|finding| finding.state == CheckState::Error).collect();
    if errors.is_empty() {
        Outcome::Success
    } else if errors.iter().all(|finding| finding.unreachable) {
        Outcome::Unreachable
    } else {
        Outcome::Deviated
    }
}

/// Returns the results as a table.
pub(super) fn to_table(findings: &[CheckResult]) -> Table {
    let line = |finding: &CheckResult| TableRow {
        name: finding.check.to_owned(),
        cells: vec![finding.check.to_owned(), finding.state.name().to_owned(), finding.message.clone()],
        wide_cells: vec![finding.hint.clone().unwrap_or_default()],
    };
    Table {
        heads: &["CHECK", "STATE", "MESSAGE"],
        wide_heads: &["HINT"],
        lines: findings.iter().map(line).collect(),
    }
}

/// Formats the hints, one line each.
pub(super) fn format_hints(findings: &[CheckResult]) -> String {
    let line = |finding: &CheckResult| {
        let hint = finding.hint.as_ref()?;
        Some(format!("{} ({}): {hint}", finding.check, finding.state.name()))
    };
    let mut lines: Vec<String> = findings.iter().filter_map(line).collect();
    // show a hint once if several results share it
    lines.dedup();
    if lines.is_empty() {
        return String::new();
    }
    let all = lines.iter().map(|line| crate::console::sanitize(line) + "\n");
    std::iter::once("\n".to_owned()).chain(all).collect()
}

/// Returns the results as JSON.
pub(super) fn to_json(findings: &[CheckResult]) -> Json {
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(CheckState::Ok);
    json!({"schema": SCHEMA, "state": worst, "findings": findings})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_separates_unreachable_cluster() {
        let away = || CheckResult { unreachable: true, ..CheckResult::error("cluster", "away", "wait") };
        let check = |findings: &[CheckResult], expected: Outcome| assert_eq!(exit_status(findings), expected);
        check(&[CheckResult::ok("a", ""), CheckResult::warning("b", "", "")], Outcome::Success);
        check(&[CheckResult::warning("b", "", ""), away()], Outcome::Unreachable);
        check(&[CheckResult::error("plugin", "", ""), away()], Outcome::Deviated);
        check(&[], Outcome::Success);
    }

    #[test]
    fn hints_are_listed_below_the_table() {
        let error = |message: &str| CheckResult::error("b", message, "fix\u{1b} it");
        let findings = [CheckResult::ok("a", "fine"), error("bad"), error("bad, too")];
        assert_eq!(format_hints(&findings), "\nb (error): fix^[ it\n");
        assert_eq!(format_hints(&findings[..1]), "");
        let document = to_json(&findings);
        assert_eq!((&document["state"], &document["findings"][0]["hint"]), (&json!("error"), &json!(null)));
    }
}
