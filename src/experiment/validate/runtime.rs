//! Validates the `runtime` of an experiment.

use super::Validator;
use crate::diagnostic::suggestion;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::child_pointer;
use crate::experiment::{HypothesisStrategy, RollbackStrategy};

impl Validator<'_> {
    pub(super) fn check_runtime(&mut self, root: &SpannedValue) {
        let Some(runtime) = root.get("runtime") else { return };
        if !matches!(runtime.kind, SpannedKind::Map(_)) {
            if runtime.is_truthy() {
                self.report_wrong_shape(runtime, "/runtime", "runtime", "a mapping");
            }
            return;
        }
        self.warn_unknown_keys(runtime, "/runtime", &["hypothesis", "rollbacks", "python"]);
        if let Some(python) = runtime.get("python") {
            self.warning(python, "/runtime/python", "runtime.python is ignored: Python is not supported");
        }
        for part in ["hypothesis", "rollbacks"] {
            let Some(node) = runtime.get(part) else { continue };
            let at = child_pointer("/runtime", part);
            if !matches!(node.kind, SpannedKind::Map(_)) {
                self.report_wrong_shape(node, &at, &format!("runtime.{part}"), "a mapping with a strategy");
                continue;
            }
            let Some(strategy) = node.get("strategy") else {
                self.warn_command_line_settings(node, &at);
                self.warn_unknown_keys(node, &at, &["strategy"]);
                continue;
            };
            let name = strategy.to_value().python_text().into_owned();
            let at = child_pointer(&at, "strategy");
            if part == "hypothesis" && HypothesisStrategy::from_name(&name).is_none() {
                let known = HypothesisStrategy::ON_COMMAND_LINE.into_iter().chain([HypothesisStrategy::Skip]);
                let known: Vec<_> = known.map(HypothesisStrategy::name).collect();
                let fault = self.error(strategy, &at, format!("unknown hypothesis strategy '{name}'"));
                fault.expected = Some(format!("one of {}", known.join(", ")));
                fault.hint = suggestion(&name, known.iter().copied());
            }
            if part == "rollbacks"
                && matches!(RollbackStrategy::from_name(&name), RollbackStrategy::Unknown(_))
            {
                let known = RollbackStrategy::ALL;
                let known: Vec<_> = known.iter().map(RollbackStrategy::name).collect();
                let fault = self.doubt(
                    strategy,
                    &at,
                    format!("unknown rollback strategy '{name}': rollbacks would never run"),
                );
                fault.expected = Some(format!("one of {}", known.join(", ")));
                fault.hint = suggestion(&name, known.iter().copied());
            }
            self.warn_command_line_settings(node, &child_pointer("/runtime", part));
            self.warn_unknown_keys(node, &child_pointer("/runtime", part), &["strategy"]);
        }
    }

    /// Warns about settings that only the command line has.
    fn warn_command_line_settings(&mut self, node: &SpannedValue, at: &str) {
        for (key, flag) in [("fail_fast", "--fail-fast"), ("frequency", "--hypothesis-frequency")] {
            if let Some(setting) = node.get(key) {
                let message = format!("\"{key}\" has no effect in an experiment");
                self.warning(setting, &child_pointer(at, key), message).hint = Some(format!("pass {flag}"));
            }
        }
    }
}
