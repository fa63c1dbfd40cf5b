//! A control is called before and after every level of a run, and can interrupt it.

use futures_util::future::BoxFuture;

use crate::event::Interrupt;
use crate::experiment::{Activity, ControlSide, Hypothesis};

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
