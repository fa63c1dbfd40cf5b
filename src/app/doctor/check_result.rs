//! The result of a check: state, message, hint. Pure.

use serde::Serialize;

use crate::app::Outcome;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CheckState {
    Ok,
    /// Works, but needs attention.
    Warning,
    /// Does not work.
    Error,
}

impl CheckState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CheckResult {
    pub(crate) check: &'static str,
    pub(crate) state: CheckState,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Whether the cause is that the cluster is unreachable or rejects the connection.
    #[serde(skip)]
    pub(crate) unreachable: bool,
}

impl CheckResult {
    pub(crate) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: CheckState::Ok, message: message.into(), hint: None, unreachable: false }
    }

    pub(crate) fn warning(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { state: CheckState::Warning, hint: Some(hint.into()), ..Self::ok(check, message) }
    }

    pub(crate) fn error(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
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

/// Returns the outcome: success, failure, or only the cluster is unreachable.
pub(super) fn outcome_of(findings: &[CheckResult]) -> Outcome {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_cluster_has_its_own_outcome() {
        let unreachable =
            || CheckResult { unreachable: true, ..CheckResult::error("cluster", "away", "wait") };
        let check = |findings: &[CheckResult], expected: Outcome| assert_eq!(outcome_of(findings), expected);
        check(&[CheckResult::ok("a", ""), CheckResult::warning("b", "", "")], Outcome::Success);
        check(&[CheckResult::warning("b", "", ""), unreachable()], Outcome::Unreachable);
        check(&[CheckResult::error("plugin", "", ""), unreachable()], Outcome::Deviated);
        check(&[], Outcome::Success);
    }
}
