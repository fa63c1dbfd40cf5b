//! What was looked at, what was seen, and what to do about it. Floor 3, pure.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::cli::exit_code::ExitStatus;
use crate::cli::table::{Table, TableRow};

/// The schema of the answer.
const SCHEMA: &str = "kubectl-chaos/doctor/v1";

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckState {
    /// As it should be.
    Ok,
    /// Nothing is in the way; somebody should look.
    Warning,
    /// Something is in the way.
    Error,
}

impl CheckState {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "wrong",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CheckResult {
    /// What was looked at.
    pub(super) check: &'static str,
    pub(super) state: CheckState,
    /// What was seen.
    pub(super) message: String,
    /// What to do; nothing where all is well.
    pub(super) hint: Option<String>,
    /// Whether it is that the cluster cannot be reached, or refuses.
    #[serde(skip)]
    pub(super) unreachable: bool,
}

impl CheckResult {
    /// All is well.
    pub(super) fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, state: CheckState::Ok, message: seen.into(), hint: None, unreachable: false }
    }

    /// Somebody should look.
    pub(super) fn warning(check: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, hint: Some(advice.into()), ..Self::ok(check, seen) }
    }

    /// Something is in the way.
    pub(super) fn error(check: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: CheckState::Error, ..Self::warning(check, seen, advice) }
    }

    /// That a cluster is away is nothing to those who need none.
    pub(super) fn downgrade(&mut self) {
        if self.unreachable {
            self.state = CheckState::Warning;
            self.hint = Some("the experiment needs no cluster".to_owned());
        }
    }
}

/// How the program ends: nothing is wrong, something is, or only that the cluster cannot be reached.
pub(super) fn exit_status(findings: &[CheckResult]) -> ExitStatus {
    let wrong: Vec<&CheckResult> =
        findings.iter().filter(|finding| finding.state == CheckState::Error).collect();
    if wrong.is_empty() {
        ExitStatus::Fine
    } else if wrong.iter().all(|finding| finding.unreachable) {
        ExitStatus::Unreachable
    } else {
        ExitStatus::Deviated
    }
}

/// The findings as lines of a table.
pub(super) fn to_table(findings: &[CheckResult]) -> Table {
    let line = |finding: &CheckResult| TableRow {
        name: finding.check.to_owned(),
        cells: vec![finding.check.to_owned(), finding.state.name().to_owned(), finding.message.clone()],
        wide_cells: vec![finding.hint.clone().unwrap_or_default()],
    };
    Table {
        heads: &["CHECK", "STATE", "SEEN"],
        wide_heads: &["WHAT TO DO"],
        lines: findings.iter().map(line).collect(),
    }
}

/// What to do, in a line for each finding that asks for something.
pub(super) fn format_hints(findings: &[CheckResult]) -> String {
    let line = |finding: &CheckResult| {
        let advice = finding.hint.as_ref()?;
        Some(format!("{} ({}): {advice}", finding.check, finding.state.name()))
    };
    let mut lines: Vec<String> = findings.iter().filter_map(line).collect();
    // what several ask for is said once
    lines.dedup();
    if lines.is_empty() {
        return String::new();
    }
    let all = lines.iter().map(|line| crate::console::sanitize(line) + "\n");
    std::iter::once("\n".to_owned()).chain(all).collect()
}

/// The findings for machines.
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
        let check =
            |findings: &[CheckResult], expected: ExitStatus| assert_eq!(exit_status(findings), expected);
        check(&[CheckResult::ok("a", ""), CheckResult::warning("b", "", "")], ExitStatus::Fine);
        check(&[CheckResult::warning("b", "", ""), away()], ExitStatus::Unreachable);
        check(&[CheckResult::error("plugin", "", ""), away()], ExitStatus::Deviated);
        check(&[], ExitStatus::Fine);
    }

    #[test]
    fn hints_are_listed_below_the_table() {
        let wrong = |seen: &str| CheckResult::error("b", seen, "mend\u{1b} it");
        let findings = [CheckResult::ok("a", "fine"), wrong("bad"), wrong("bad, too")];
        assert_eq!(format_hints(&findings), "\nb (wrong): mend^[ it\n");
        assert_eq!(format_hints(&findings[..1]), "");
        let document = to_json(&findings);
        assert_eq!((&document["state"], &document["findings"][0]["advice"]), (&json!("wrong"), &json!(null)));
    }
}
