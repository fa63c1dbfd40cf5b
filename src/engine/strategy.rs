//! Resolves the strategies of a run: command line, then experiment, then settings.

use crate::config::Settings;
use crate::error_code::{Coded, ErrorCode};
use crate::event::RunPlan;
use crate::experiment::{Experiment, HypothesisStrategy, RollbackStrategy};

/// Strategies of the command line.
#[derive(Clone, Debug, Default)]
pub struct StrategyOverrides {
    pub hypothesis: Option<HypothesisStrategy>,
    pub rollbacks: Option<RollbackStrategy>,
}

/// The experiment or the settings have an invalid strategy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    #[error("unknown hypothesis strategy '{0}'")]
    UnknownHypothesis(String),
}

impl Coded for StrategyError {
    fn code(&self) -> ErrorCode {
        ErrorCode::ExperimentInvalid
    }
}

/// Resolves the strategies of a run.
///
/// A `runtime` in the experiment replaces all strategies of the settings, even those that it does not set. An unknown
/// hypothesis strategy is an error; an unknown rollback strategy means "never", as in the Chaos Toolkit.
pub fn resolve_strategies(
    experiment: &Experiment,
    settings: &Settings,
    asked: &StrategyOverrides,
) -> Result<RunPlan, StrategyError> {
    let runtime = &experiment.runtime;
    let (hypothesis, rollbacks) = if runtime.present {
        (&runtime.hypothesis, &runtime.rollbacks)
    } else {
        (&settings.hypothesis_strategy, &settings.rollback_strategy)
    };
    let hypothesis = match (asked.hypothesis, hypothesis) {
        (Some(asked), _) => asked,
        (None, Some(name)) => HypothesisStrategy::from_name(name)
            .ok_or_else(|| StrategyError::UnknownHypothesis(name.clone()))?,
        (None, None) => HypothesisStrategy::Default,
    };
    let rollbacks = match (&asked.rollbacks, rollbacks) {
        (Some(asked), _) => asked.clone(),
        (None, Some(name)) => RollbackStrategy::from_name(name),
        (None, None) => RollbackStrategy::Default,
    };
    Ok(RunPlan {
        hypothesis,
        has_hypothesis: experiment.checked_hypothesis().is_some(),
        rollbacks,
        declared_rollbacks: experiment.rollbacks.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::json;

    #[test]
    fn command_line_overrides_experiment_and_settings() {
        let check = |runtime: &str,
                     settings: [Option<&str>; 2],
                     asked: StrategyOverrides,
                     expected: Result<(&str, &str), StrategyError>| {
            let text = format!(r#"{{"title": "t", "description": "d", "method": []{runtime}}}"#);
            let experiment = Experiment::read(&json::read(&text, "f").unwrap()).unwrap();
            let settings = Settings {
                hypothesis_strategy: settings[0].map(str::to_owned),
                rollback_strategy: settings[1].map(str::to_owned),
                ..Settings::default()
            };
            let result = resolve_strategies(&experiment, &settings, &asked);
            let result =
                result.map(|plan| (plan.hypothesis.name().to_owned(), plan.rollbacks.name().to_owned()));
            let expected = expected.map(|(h, r)| (h.to_owned(), r.to_owned()));
            assert_eq!(result, expected, "{runtime}");
        };
        let nothing = StrategyOverrides::default;
        check("", [None, None], nothing(), Ok(("default", "default")));
        check("", [Some("continuously"), Some("always")], nothing(), Ok(("continuously", "always")));
        let rollbacks = r#", "runtime": {"rollbacks": {"strategy": "never"}}"#;
        check(rollbacks, [Some("continuously"), Some("always")], nothing(), Ok(("default", "never")));
        check(r#", "runtime": {}"#, [Some("skip"), None], nothing(), Ok(("skip", "default")));
        let asked = || StrategyOverrides {
            hypothesis: Some(HypothesisStrategy::AfterMethodOnly),
            rollbacks: Some(RollbackStrategy::Always),
        };
        check(rollbacks, [Some("skip"), None], asked(), Ok(("after-method-only", "always")));
        let unknown = r#", "runtime": {"hypothesis": {"strategy": "x"}, "rollbacks": {"strategy": "y"}}"#;
        check(unknown, [None, None], nothing(), Err(StrategyError::UnknownHypothesis("x".to_owned())));
        check(unknown, [None, None], asked(), Ok(("after-method-only", "always")));
    }
}
