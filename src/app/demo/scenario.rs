//! The scenarios of the demo.

use crate::app::Outcome;

/// The scenarios of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DemoScenario {
    /// A circuit breaker hides the failure of a provider from users
    CircuitBreaker,
    /// A circuit breaker setting that the application ignores
    UnreadSwitch,
    /// A second Pod keeps the service available while one Pod is killed
    KilledPod,
}

/// The files and the expected results of a scenario.
pub(super) struct ScenarioSpec {
    pub(super) before: &'static str,
    pub(super) after: &'static str,
    pub(super) experiment: &'static str,
    /// The probe that represents a user; it is sampled.
    pub(super) probe: &'static str,
    /// Manifests: path and text.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Names and values.
    pub(super) variables: &'static [(&'static str, i128)],
    /// The expected outcome of the run after the change. The run before it always deviates.
    pub(super) outcome_after: Outcome,
    pub(super) lesson: &'static str,
}

macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../examples/service-down-not-visible-to-users/", $path))
    };
}

/// The manifests that do not change: path and text.
pub(super) static SERVICES: [(&str, &str); 2] = [
    ("services/consumer-service.yaml", example!("services/consumer-service.yaml")),
    ("services/provider-service.yaml", example!("services/provider-service.yaml")),
];
const CONSUMER: &str = example!("01-before/consumer-deployment.yaml");
const PROVIDER: &str = example!("01-before/provider-deployment.yaml");

impl DemoScenario {
    /// Returns the specification of the scenario.
    pub(super) fn spec(self) -> ScenarioSpec {
        match self {
            Self::CircuitBreaker => ScenarioSpec {
                before: "a consumer that depends on its provider",
                after: "the same consumer, with a circuit breaker",
                experiment: example!("experiment.json"),
                probe: "consumer-service-must-still-respond",
                files: &[
                    ("01-before/consumer-deployment.yaml", CONSUMER),
                    ("01-before/provider-deployment.yaml", PROVIDER),
                    ("03-after/consumer-deployment.yaml", example!("03-after/consumer-deployment.yaml")),
                    ("03-after/provider-deployment.yaml", PROVIDER),
                ],
                variables: &[("settle_seconds", 2)],
                outcome_after: Outcome::Success,
                lesson: "The provider was down in both runs. Without the circuit breaker users got an error; with it they got the \
                         fallback text of the consumer.",
            },
            Self::UnreadSwitch => ScenarioSpec {
                before: "a consumer that depends on its provider",
                after: "the same consumer, with a circuit breaker setting that it ignores",
                experiment: example!("experiment.json"),
                probe: "consumer-service-must-still-respond",
                files: &[
                    ("01-before/consumer-deployment.yaml", CONSUMER),
                    ("01-before/provider-deployment.yaml", PROVIDER),
                    (
                        "03-after/consumer-deployment.yaml",
                        include_str!("consumer-with-an-unread-switch.yaml"),
                    ),
                    ("03-after/provider-deployment.yaml", PROVIDER),
                ],
                variables: &[("settle_seconds", 2)],
                outcome_after: Outcome::Deviated,
                lesson: "The change did NOT help: users got the same error as before. The manifest has the setting, but the \
                         application ignores it; only the experiment shows that.",
            },
            Self::KilledPod => ScenarioSpec {
                before: "a provider with one Pod that needs two seconds to start",
                after: "the same provider with two Pods",
                experiment: include_str!("killed-pod.json"),
                probe: "provider-must-answer",
                files: &[
                    ("01-before/provider-deployment.yaml", include_str!("provider-1.yaml")),
                    ("03-after/provider-deployment.yaml", include_str!("provider-2.yaml")),
                ],
                variables: &[],
                outcome_after: Outcome::Success,
                lesson: "One Pod was killed in both runs. With one Pod the service was down until the replacement was ready; \
                         with two Pods the other one responded.",
            },
        }
    }
}
