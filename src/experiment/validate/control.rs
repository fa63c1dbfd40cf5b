//! The faults of controls. Floor 0.

use super::Validator;
use super::placeholder::Reader;
use crate::experiment::PROBES;
use crate::experiment::activity::{child, items};
use crate::experiment::document::{Kind, Node};

impl<'a> Validator<'a> {
    /// All controls: of the experiment, the hypothesis, then each activity.
    pub(super) fn controls(&mut self, root: &'a Node) {
        self.controls_of(root, "");
        let hypothesis = root.get("steady-state-hypothesis");
        if let Some(hypothesis) = hypothesis {
            self.controls_of(hypothesis, "/steady-state-hypothesis");
        }
        let probes = hypothesis.map(|hypothesis| (items(hypothesis, "probes"), PROBES));
        let others = [(items(root, "method"), "/method"), (items(root, "rollbacks"), "/rollbacks")];
        for (activities, at) in probes.into_iter().chain(others) {
            for (index, activity) in activities.iter().enumerate() {
                self.controls_of(activity, &format!("{at}/{index}"));
            }
        }
    }

    /// The controls declared on the experiment, the hypothesis or an activity.
    fn controls_of(&mut self, owner: &'a Node, at: &str) {
        let Some(controls) = owner.get("controls") else { return };
        let path = child(at, "controls");
        let Kind::List(controls) = &controls.kind else {
            self.wrong_shape(controls, &path, "controls", "a list of mappings");
            return;
        };
        for (index, control) in controls.iter().enumerate() {
            self.control(control, &format!("{path}/{index}"));
        }
    }

    fn control(&mut self, control: &'a Node, at: &str) {
        if let Some(name) = control.get("ref").and_then(Node::as_text) {
            let declared = items(&self.document.root, "controls").iter();
            if !declared.filter_map(|c| c.get("name").and_then(Node::as_text)).any(|known| known == name) {
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
            self.error(scope, &child(at, "scope"), message);
        }
        self.unknown_keys(control, at, &["name", "provider", "scope", "automatic", "ref"]);
        if provider.get("type").and_then(Node::as_text) != Some("python") {
            let message = format!("control '{name}' has no provider of type python, so it would do nothing");
            self.warning(provider, &child(at, "provider"), message);
            return;
        }
        if let Some(arguments) = provider.get("arguments") {
            self.placeholders(arguments, &child(&child(at, "provider"), "arguments"), Reader::Nobody);
        }
        match provider.get("module").and_then(Node::as_text).filter(|module| !module.is_empty()) {
            None => {
                self.error(
                    provider,
                    &child(at, "provider"),
                    format!("Control '{name}' must have a module path"),
                );
            }
            Some(module) if self.rules.control(module) => {}
            Some(module) if self.rules.strict() => {
                let message =
                    format!("control '{name}' needs the Python module '{module}', and no Python runs here");
                self.error(provider, &child(at, "provider"), message).hint =
                    Some("remove the control, or say --strict=false to run without it".to_owned());
            }
            Some(module) => {
                let message = format!(
                    "Could not find Python module '{module}' in control '{name}'. Did you install the Python module? \
                     The experiment will carry on running nonetheless."
                );
                self.warning(provider, &child(at, "provider"), message).inherited = true;
            }
        }
    }
}
