//! Controls, which are called before and after every level of a run and can interrupt it.
//!
//! The format's controls are Python modules. Built-in modules are applied; others are refused before the run, or
//! ignored by lenient runs.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;

use super::Engine;
use super::safeguards::Safeguards;
use crate::error_code::Coded as _;
use crate::event::Interrupt;
use crate::experiment::{
    Activity, ControlDeclaration as Declared, ControlSide, Experiment, Hypothesis, SAFEGUARDS,
};
use crate::panic_guard;

/// Level of a run.
#[derive(Clone, Copy)]
pub enum ControlScope<'a> {
    /// The run as a whole.
    Experiment,
    /// A check of the hypothesis.
    Hypothesis(&'a Hypothesis),
    /// The method.
    Method,
    /// The rollbacks.
    Rollbacks,
    /// One activity.
    Activity(&'a Activity),
}

/// Start or end of a level.
#[derive(Clone, Copy)]
pub struct ControlPoint<'a> {
    /// The level.
    pub level: ControlScope<'a>,
    /// Before or after it.
    pub side: ControlSide,
}

impl<'a> ControlPoint<'a> {
    /// Before a level.
    pub fn before(level: ControlScope<'a>) -> Self {
        Self { level, side: ControlSide::Before }
    }

    /// After a level.
    pub fn after(level: ControlScope<'a>) -> Self {
        Self { level, side: ControlSide::After }
    }
}

/// Control that is called at the levels of a run.
pub trait RunControl: Send + Sync {
    /// Handles a control point. An error interrupts the run.
    fn apply<'a>(&'a self, moment: &'a ControlPoint<'a>) -> BoxFuture<'a, Result<(), Interrupt>>;
}

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
    own: Vec<BoundControl>,
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
        let own =
            hypothesis.flat_map(|h| h.controls.clone()).chain(activities.flat_map(|a| a.controls.clone()));
        let own: Vec<Declared> = own.collect();
        Self { global: all(global), experiment: all(&experiment.controls), own: all(&own) }
    }

    /// Applies the controls of a control point, up to the first interrupt.
    pub(super) async fn apply(&self, moment: &ControlPoint<'_>) -> Result<(), Interrupt> {
        if self.global.is_empty() && self.experiment.is_empty() && self.own.is_empty() {
            return Ok(());
        }
        for applied in self.at(moment.level) {
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
    fn at(&self, level: ControlScope<'_>) -> Vec<&BoundControl> {
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
            |applied: &&BoundControl| !declared.iter().any(|own| own.name == applied.declared.name);
        let own =
            declared.iter().filter_map(|own| self.own.iter().find(|applied| applied.declared.at == own.at));
        automatic().filter(named_so).chain(&self.global).chain(own).collect()
    }
}
