//! The controls of a run, applied in order.
//!
//! The format's controls are Python modules. Built-in modules are applied; others are refused before the run, or
//! ignored by lenient runs.

use std::sync::{Arc, Weak};

use super::Engine;
use super::control::{ControlPoint, ControlScope, RunControl};
use super::safeguards::Safeguards;
use crate::error_code::Coded as _;
use crate::event::Interrupt;
use crate::experiment::{ControlDeclaration as Declared, Experiment, SAFEGUARDS};
use crate::panic_guard;

/// Whether a control of the module is built in.
pub(super) fn is_native(module: &str) -> bool {
    module == SAFEGUARDS
}

/// Declared control with its implementation.
struct BoundControl {
    declared: Declared,
    control: Arc<dyn RunControl>,
}

/// The controls of a run.
pub(super) struct Controls {
    global: Vec<BoundControl>,
    experiment: Vec<BoundControl>,
    /// Controls of the hypothesis and of single activities; their declaration's pointer identifies them.
    local: Vec<BoundControl>,
}

impl Controls {
    pub(super) fn new(experiment: &Experiment, global: &[Declared], engine: &Weak<Engine>) -> Self {
        let implement = |declared: &Declared| {
            let module = declared.module.as_deref().filter(|module| is_native(module))?;
            let control: Arc<dyn RunControl> = match module {
                SAFEGUARDS => Arc::new(Safeguards::new(declared, engine.clone())),
                _ => return None,
            };
            Some(BoundControl { declared: declared.clone(), control })
        };
        let all = |declared: &[Declared]| declared.iter().filter_map(implement).collect::<Vec<_>>();
        let hypothesis = experiment.hypothesis.iter();
        let steps = experiment.method.iter().chain(&experiment.rollbacks);
        let steps = steps.chain(hypothesis.clone().flat_map(|hypothesis| &hypothesis.probes));
        let activities = steps.filter_map(|step| step.activity.as_ref().ok());
        let local =
            hypothesis.flat_map(|h| h.controls.clone()).chain(activities.flat_map(|a| a.controls.clone()));
        let local: Vec<Declared> = local.collect();
        Self { global: all(global), experiment: all(&experiment.controls), local: all(&local) }
    }

    /// Applies the controls of a control point, up to the first interrupt.
    pub(super) async fn apply(&self, moment: &ControlPoint<'_>) -> Result<(), Interrupt> {
        if self.global.is_empty() && self.experiment.is_empty() && self.local.is_empty() {
            return Ok(());
        }
        for applied in self.controls_for(moment.level) {
            if applied.declared.scope.is_none_or(|scope| scope == moment.side) {
                let name = applied.declared.name.as_str();
                panic_guard::catch_async(applied.control.apply(moment)).await.unwrap_or_else(|panic| {
                    Err(Interrupt::tool_failure(panic.code(), name, panic.to_string()))
                })?;
            }
        }
        Ok(())
    }

    /// Returns the controls of a level, in order.
    ///
    /// A control of the experiment is applied once; the Chaos Toolkit applies it once per control that is present.
    fn controls_for(&self, level: ControlScope<'_>) -> Vec<&BoundControl> {
        let automatic = || self.experiment.iter().filter(|applied| applied.declared.automatic);
        let declared = match level {
            ControlScope::Experiment => return self.global.iter().chain(&self.experiment).collect(),
            ControlScope::Method | ControlScope::Rollbacks if self.experiment.is_empty() => {
                return self.global.iter().collect();
            }
            ControlScope::Method | ControlScope::Rollbacks => return automatic().collect(),
            ControlScope::Hypothesis(hypothesis) => &hypothesis.controls,
            ControlScope::Activity(activity) => &activity.controls,
        };
        let named_so =
            |applied: &&BoundControl| !declared.iter().any(|control| control.name == applied.declared.name);
        let local = declared
            .iter()
            .filter_map(|control| self.local.iter().find(|applied| applied.declared.at == control.at));
        automatic().filter(named_so).chain(&self.global).chain(local).collect()
    }
}
