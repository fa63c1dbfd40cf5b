//! Controls: they are told of every level of a run, before and after, and may interrupt it. Floor 2.
//!
//! The format's controls are Python modules. A module that is built in under its own name is applied; any
//! other one is refused before the run, or passed over where the run is lenient.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;

use super::Engine;
use super::safeguards::Safeguards;
use crate::event::Interrupt;
use crate::experiment::{Activity, Control as Declared, Experiment, Hypothesis, SAFEGUARDS, Side};

/// A level of a run.
#[derive(Clone, Copy)]
pub enum Level<'a> {
    /// The run as a whole.
    Experiment,
    /// A look at the hypothesis.
    Hypothesis(&'a Hypothesis),
    /// The method.
    Method,
    /// The rollbacks.
    Rollbacks,
    /// One activity.
    Activity(&'a Activity),
}

/// One side of a level.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The level.
    pub level: Level<'a>,
    /// Before or after it.
    pub side: Side,
}

impl<'a> Moment<'a> {
    /// Before a level.
    pub fn before(level: Level<'a>) -> Self {
        Self { level, side: Side::Before }
    }

    /// After a level.
    pub fn after(level: Level<'a>) -> Self {
        Self { level, side: Side::After }
    }
}

/// Something that is told of the levels of a run.
pub trait Control: Send + Sync {
    /// Is told of a moment. An error interrupts the run.
    fn apply<'a>(&'a self, moment: &'a Moment<'a>) -> BoxFuture<'a, Result<(), Interrupt>>;
}

/// Whether a control of that module is built in.
pub(super) fn is_native(module: &str) -> bool {
    module == SAFEGUARDS
}

/// A control as declared, with what implements it.
struct Applied {
    declared: Declared,
    control: Arc<dyn Control>,
}

/// The controls of a run.
pub(super) struct Controls {
    global: Vec<Applied>,
    experiment: Vec<Applied>,
    /// Those of the hypothesis and of single activities, found again by where they are declared.
    own: Vec<Applied>,
}

impl Controls {
    pub(super) fn new(experiment: &Experiment, global: &[Declared], engine: &Weak<Engine>) -> Self {
        let implement = |declared: &Declared| {
            let module = declared.module.as_deref().filter(|module| is_native(module))?;
            let control: Arc<dyn Control> = match module {
                SAFEGUARDS => Arc::new(Safeguards::new(declared, engine.clone())),
                _ => return None,
            };
            Some(Applied { declared: declared.clone(), control })
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

    /// Applies everything that belongs to a moment; the first interrupt ends it.
    pub(super) async fn apply(&self, moment: &Moment<'_>) -> Result<(), Interrupt> {
        if self.global.is_empty() && self.experiment.is_empty() && self.own.is_empty() {
            return Ok(());
        }
        for applied in self.at(moment.level) {
            if applied.declared.scope.is_none_or(|scope| scope == moment.side) {
                applied.control.apply(moment).await?;
            }
        }
        Ok(())
    }

    /// The controls of a level, in their order. One of the experiment is applied once, also where the original
    /// applies it once for every control that is already there.
    fn at(&self, level: Level<'_>) -> Vec<&Applied> {
        let automatic = || self.experiment.iter().filter(|applied| applied.declared.automatic);
        let declared = match level {
            Level::Experiment => return self.global.iter().chain(&self.experiment).collect(),
            Level::Method | Level::Rollbacks if self.experiment.is_empty() => {
                return self.global.iter().collect();
            }
            Level::Method | Level::Rollbacks => return automatic().collect(),
            Level::Hypothesis(hypothesis) => &hypothesis.controls,
            Level::Activity(activity) => &activity.controls,
        };
        let named_so = |applied: &&Applied| !declared.iter().any(|own| own.name == applied.declared.name);
        let own =
            declared.iter().filter_map(|own| self.own.iter().find(|applied| applied.declared.at == own.at));
        automatic().filter(named_so).chain(&self.global).chain(own).collect()
    }
}
