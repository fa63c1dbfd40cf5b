//! Validates controls.
//!
//! Verbatim: chaostoolkit-lib 1.45 (messages that chaoslib has)

use super::Validator;
use super::activity::ActivityPosition;
use super::placeholder::PlaceholderConsumer;
use super::provider_kind;
use crate::experiment::document::{SpannedKind, SpannedValue};
use crate::experiment::model::{child_pointer, list_items};
use crate::experiment::{PROBES_POINTER, SAFEGUARDS};
use crate::value::Value;

impl Validator<'_> {
    /// Checks all controls: of the experiment, the hypothesis, then each activity.
    pub(super) fn check_controls(&mut self, root: &SpannedValue) {
        self.check_controls_of(root, "");
        let hypothesis = root.get("steady-state-hypothesis");
        if let Some(hypothesis) = hypothesis {
            self.check_controls_of(hypothesis, "/steady-state-hypothesis");
        }
        let probes = hypothesis.map(|hypothesis| (list_items(hypothesis, "probes"), PROBES_POINTER));
        let others = [(list_items(root, "method"), "/method"), (list_items(root, "rollbacks"), "/rollbacks")];
        for (activities, at) in probes.into_iter().chain(others) {
            for (index, activity) in activities.iter().enumerate() {
                self.check_controls_of(activity, &format!("{at}/{index}"));
            }
        }
    }

    /// Checks the controls of the experiment, the hypothesis or an activity.
    fn check_controls_of(&mut self, owner: &SpannedValue, at: &str) {
        let Some(controls) = owner.get("controls") else { return };
        let path = child_pointer(at, "controls");
        let SpannedKind::List(controls) = &controls.kind else {
            self.report_wrong_shape(controls, &path, "controls", "a list of mappings");
            return;
        };
        for (index, control) in controls.iter().enumerate() {
            self.check_control(control, &format!("{path}/{index}"));
        }
    }

    fn check_control(&mut self, control: &SpannedValue, at: &str) {
        if let Some(name) = control.get("ref").and_then(SpannedValue::as_text) {
            let declared = list_items(&self.document.root, "controls").iter();
            if !declared
                .filter_map(|c| c.get("name").and_then(SpannedValue::as_text))
                .any(|known| known == name)
            {
                self.error(control, at, format!("Control reference '{name}' declaration cannot be found"));
            }
            return;
        }
        let Some(name) = control.get("name").map(|name| name.to_value().python_text().into_owned()) else {
            self.error(control, at, "A control must have a `name` property");
            return;
        };
        let Some(provider) = control.get("provider") else {
            self.error(control, at, format!("Control '{name}' must have a `provider` property"));
            return;
        };
        if let Some(scope) = control.get("scope").filter(|scope| scope.is_truthy())
            && !matches!(scope.as_text(), Some("before" | "after"))
        {
            let message = format!("Control '{name}' scope property must be 'before' or 'after' only");
            self.error(scope, &child_pointer(at, "scope"), message);
        }
        self.warn_unknown_keys(control, at, &["name", "provider", "scope", "automatic", "ref"]);
        if provider.get("type").and_then(SpannedValue::as_text) != Some("python") {
            let message = format!("control '{name}' has no effect: its provider is not of type python");
            self.warning(provider, &child_pointer(at, "provider"), message);
            return;
        }
        if let Some(arguments) = provider.get("arguments") {
            self.check_placeholders(
                arguments,
                &child_pointer(&child_pointer(at, "provider"), "arguments"),
                PlaceholderConsumer::None,
            );
        }
        match provider.get("module").and_then(SpannedValue::as_text).filter(|module| !module.is_empty()) {
            None => {
                self.error(
                    provider,
                    &child_pointer(at, "provider"),
                    format!("Control '{name}' must have a module path"),
                );
            }
            Some(SAFEGUARDS) => self.check_safeguards(&name, provider, &child_pointer(at, "provider")),
            Some(module) if self.rules.control(module) => {}
            Some(module) if self.rules.strict() => {
                let message =
                    format!("control '{name}' needs Python module '{module}', but Python is not supported");
                self.error(provider, &child_pointer(at, "provider"), message).hint =
                    Some("remove the control, or pass --strict=false to run without it".to_owned());
            }
            Some(module) => {
                let message = format!(
                    "Could not find Python module '{module}' in control '{name}'. Did you install the Python module? \
                     The experiment will carry on running nonetheless."
                );
                self.warning(provider, &child_pointer(at, "provider"), message).inherited = true;
            }
        }
    }

    /// Checks the probes of safeguards.
    fn check_safeguards(&mut self, name: &str, provider: &SpannedValue, at: &str) {
        let at = child_pointer(&child_pointer(at, "arguments"), "probes");
        let probes = provider.get("arguments").and_then(|arguments| arguments.get("probes"));
        let Some(SpannedKind::List(probes)) = probes.map(|probes| &probes.kind) else {
            let message = format!("control '{name}' has no effect: it has no list of probes");
            self.doubt(probes.unwrap_or(provider), &at, message).expected =
                Some("\"arguments\": {\"probes\": [PROBE, …]}".to_owned());
            return;
        };
        for (index, probe) in probes.iter().enumerate() {
            self.check_safeguard(probe, &child_pointer(&at, &index.to_string()));
        }
    }

    fn check_safeguard(&mut self, probe: &SpannedValue, at: &str) {
        if probe.get("ref").is_some_and(|reference| !reference.is_null()) {
            let message = "a safeguard cannot refer to another probe";
            self.doubt(probe, &child_pointer(at, "ref"), message).hint =
                Some("define the probe here".to_owned());
            return;
        }
        self.check_activity(probe, at, ActivityPosition::Safeguard);
        if probe.get("type").and_then(SpannedValue::as_text) == Some("action") {
            let kind = probe.get("type").unwrap_or(probe);
            self.doubt(kind, &child_pointer(at, "type"), "a safeguard must be a probe, not an action").hint =
                Some("move the action to the method".to_owned());
        }
        let tolerance = child_pointer(at, "tolerance");
        match probe.get("tolerance") {
            Some(given) => self.check_tolerance(given, &tolerance, provider_kind(probe)),
            None if matches!(probe.kind, SpannedKind::Map(_)) => {
                self.doubt(probe, &tolerance, "a safeguard needs a tolerance").expected =
                    Some("an entry \"tolerance\"".to_owned());
            }
            None => {}
        }
        let is_valid = |node: &SpannedValue| match &node.kind {
            SpannedKind::Scalar(Value::Null) => true,
            SpannedKind::Scalar(value @ (Value::Int(_) | Value::Float(_))) => {
                value.as_f64().is_some_and(|seconds| seconds > 0.0 && seconds.is_finite())
            }
            _ => false,
        };
        if let Some(frequency) = probe.get("frequency").filter(|frequency| !is_valid(frequency)) {
            let message = "the frequency of a safeguard must be a number greater than 0; without one it is checked only once";
            self.doubt(frequency, &child_pointer(at, "frequency"), message).expected =
                Some("seconds between checks".to_owned());
        }
    }
}
