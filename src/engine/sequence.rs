//! Sequences of activities: the method and the rollbacks. Floor 2.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Engine;
use super::activity::{Cut, Executed, Place};
use super::control::{Level, Moment};
use crate::event::{Interrupt, Phase, RunEvent};
use crate::experiment::Step;

/// How a sequence ended.
enum Sequence {
    Finished,
    Interrupted(Interrupt),
    Aborted(String),
}

impl Engine {
    /// The method, with the hypothesis beside it where that is wanted.
    pub(super) async fn method(self: &Arc<Self>) {
        let (stop, stopped) = watch::channel(false);
        let plan = &self.options.plan;
        let mut continuous = None;
        if plan.has_hypothesis && plan.hypothesis.during() {
            let mut watching = Box::pin(Arc::clone(self).watch_continuously(stopped));
            if begin(&mut watching).await.is_pending() {
                continuous = Some(tokio::spawn(watching));
            }
        }
        let experiment = Arc::clone(&self.experiment);
        self.emit(&RunEvent::MethodStarted { activities: experiment.method.len() });
        let cut = Cut { known: 0, by: Interrupt::cuts };
        let ended = self.sequence(&experiment.method, Phase::Method, Level::Method, cut).await;
        stop.send_replace(true);
        if let Sequence::Aborted(error) = &ended {
            self.aborted(Phase::Method, error);
        }
        if let Some(continuous) = continuous {
            // it ends after the look that is under way; an interrupt cuts that one too
            let _ = continuous.await;
        }
        self.emit(&RunEvent::MethodFinished);
        // a control or a safeguard may have spoken up beside the method
        let beside = self.board.find(0, Interrupt::cuts);
        match (ended, beside) {
            (Sequence::Interrupted(interrupt), _) | (Sequence::Finished, Some(interrupt)) => {
                self.interrupted(Phase::Method, interrupt);
            }
            _ => {}
        }
    }

    /// The rollbacks.
    pub(super) async fn rollbacks(self: &Arc<Self>) {
        let experiment = Arc::clone(&self.experiment);
        self.puts_back.store(true, Ordering::Relaxed);
        self.emit(&RunEvent::RollbacksStarted { activities: experiment.rollbacks.len() });
        let cut = Cut { known: self.board.count(), by: Interrupt::cuts_rollbacks };
        let ended = self.sequence(&experiment.rollbacks, Phase::Rollbacks, Level::Rollbacks, cut).await;
        self.emit(&RunEvent::RollbacksFinished);
        match ended {
            Sequence::Finished => {}
            Sequence::Interrupted(interrupt) => self.interrupted(Phase::Rollbacks, interrupt),
            Sequence::Aborted(error) => self.aborted(Phase::Rollbacks, &error),
        }
    }

    async fn sequence(
        self: &Arc<Self>,
        steps: &[Step],
        phase: Phase,
        level: Level<'_>,
        cut: Cut,
    ) -> Sequence {
        if let Err(interrupt) = self.controls.apply(&Moment::before(level)).await {
            return Sequence::Interrupted(interrupt);
        }
        let mut background = JoinSet::new();
        let mut ended = self.steps(steps, phase, cut, &mut background).await;
        self.await_background(background).await;
        if let Err(interrupt) = self.controls.apply(&Moment::after(level)).await
            && matches!(ended, Sequence::Finished)
        {
            ended = Sequence::Interrupted(interrupt);
        }
        ended
    }

    async fn steps(
        self: &Arc<Self>,
        steps: &[Step],
        phase: Phase,
        cut: Cut,
        background: &mut JoinSet<()>,
    ) -> Sequence {
        for step in steps {
            if let Some(interrupt) = self.board.find(cut.known, cut.by) {
                return Sequence::Interrupted(interrupt);
            }
            if phase == Phase::Rollbacks {
                let name =
                    step.name.as_ref().filter(|_| step.activity.as_ref().is_ok_and(|a| a.at == step.at));
                let name = name.map(|name| self.redactor.text(name).into_owned());
                self.emit(&RunEvent::RollbackReached { name });
            }
            if step.background {
                let engine = Arc::clone(self);
                let step = step.clone();
                let known = self.board.count();
                // background activities are waited for, unless somebody insists
                let cut = Cut { known, by: Interrupt::abandons_background };
                let mut activity = Box::pin(async move {
                    // an unexpected error of a background activity leaves its entry without a status
                    let _ = engine.execute(&step, Place { phase, background: true, cut }).await;
                });
                if begin(&mut activity).await.is_pending() {
                    background.spawn(activity);
                }
            } else {
                match self.execute(step, Place { phase, background: false, cut }).await {
                    Executed::Finished(_) => {}
                    Executed::Errored(error) => return Sequence::Aborted(error),
                    Executed::Cut(interrupt) => return Sequence::Interrupted(interrupt),
                }
            }
            // the hypothesis beside the method may have ended it
            if phase == Phase::Method && !self.state.lock().goes_on() {
                break;
            }
        }
        Sequence::Finished
    }

    async fn await_background(&self, mut background: JoinSet<()>) {
        if background.is_empty() {
            return;
        }
        self.emit(&RunEvent::BackgroundAwaited { activities: background.len() });
        while background.join_next().await.is_some() {}
    }
}

/// Begins something that is to go on beside the run, so that what follows here also begins after it.
async fn begin<F: Future<Output = ()> + Send>(future: &mut Pin<Box<F>>) -> Poll<()> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}
