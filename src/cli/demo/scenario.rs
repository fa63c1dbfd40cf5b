//! What the demo can show. Floor 3.

use clap::ValueEnum;

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DemoScenario {
    /// A circuit breaker keeps the failure of one service from the users of another
    CircuitBreaker,
    /// A circuit breaker that somebody believes to be there, and that does not help
    UnreadSwitch,
    /// A second Pod keeps a service there while the first one is killed
    KilledPod,
}

/// What a scenario consists of, and what it promises to show.
pub(super) struct ScenarioSpec {
    pub(super) before: &'static str,
    pub(super) after: &'static str,
    pub(super) experiment: &'static str,
    /// The probe that asks what a user would; it is sampled.
    pub(super) probe: &'static str,
    /// Manifests: path and text.
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) variables: &'static [&'static str],
    /// The exit code of the second run. The first one always shows the weakness.
    pub(super) after_exit_code: u8,
    pub(super) lesson: &'static str,
}

macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../../examples/service-down-not-visible-to-users/", $path))
    };
}

/// The manifests that stay as they are: path and text.
pub(super) static SERVICES: [(&str, &str); 2] = [
    ("services/consumer-service.yaml", example!("services/consumer-service.yaml")),
    ("services/provider-service.yaml", example!("services/provider-service.yaml")),
];
const CONSUMER: &str = example!("01-before/consumer-deployment.yaml");
const PROVIDER: &str = example!("01-before/provider-deployment.yaml");

impl DemoScenario {
    /// What it consists of.
    pub(super) fn spec(self) -> ScenarioSpec {
        match self {
            Self::CircuitBreaker => ScenarioSpec {
                before: "a consumer that passes on what its provider does",
                after: "the same consumer, with a circuit breaker",
                experiment: example!("experiment.json"),
                probe: "consumer-service-must-still-respond",
                files: &[
                    ("01-before/consumer-deployment.yaml", CONSUMER),
                    ("01-before/provider-deployment.yaml", PROVIDER),
                    ("03-after/consumer-deployment.yaml", example!("03-after/consumer-deployment.yaml")),
                    ("03-after/provider-deployment.yaml", PROVIDER),
                ],
                variables: &["settle_seconds:int=2"],
                after_exit_code: 0,
                lesson: "The provider was down both times. Without the circuit breaker the users saw an error; with it they \
                         read a text of the consumer's own.",
            },
            Self::UnreadSwitch => ScenarioSpec {
                before: "a consumer that passes on what its provider does",
                after: "the same consumer, with a switch for a circuit breaker that it does not read",
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
                variables: &["settle_seconds:int=2"],
                after_exit_code: 1,
                lesson: "The change did NOT help: the users saw the same error as before. The switch is in the manifest, and \
                         nothing reads it; without the experiment everybody would believe in it.",
            },
            Self::KilledPod => ScenarioSpec {
                before: "a provider with one Pod, which takes two seconds to start",
                after: "the same provider with two Pods",
                experiment: include_str!("killed-pod.json"),
                probe: "provider-must-answer",
                files: &[
                    ("01-before/provider-deployment.yaml", include_str!("provider-1.yaml")),
                    ("03-after/provider-deployment.yaml", include_str!("provider-2.yaml")),
                ],
                variables: &[],
                after_exit_code: 0,
                lesson: "One Pod was killed both times. With one Pod nobody answered until the next one was ready; with two \
                         the other one did.",
            },
        }
    }
}
