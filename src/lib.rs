//! kubectl-chaos runs chaos experiments in the Chaos Toolkit format, natively, and never calls a fault that did
//! nothing a success.
//!
//! # The house
//!
//! Arrows point down only: a floor uses those below it.
//!
//! ```text
//!  FLOOR 3   main ─► cli/        what the user types, files and terminal, exit codes; puts the rest together
//!                      │
//!  FLOOR 2   engine/   the run: order, strategies, background, controls, interrupts. Emits RunEvents;
//!                      │         knows the trait Provider, and no provider
//!            sampling/            looks at the probes over and over beside a run
//!            trial/               runs of both arms: in which order, with what, within which bounds
//!                      ▼
//!  FLOOR 1   ports     provider/  kubernetes/  http_client/  settings/  source/       I/O lives here, asynchronous
//!            github/                          the job, its events and commands, one comment on the pull request
//!            sample_app/  embedded/           the application of the examples; a small Kubernetes of our own
//!            views     console/  compare/  report/                       pure: events in, lines out; journals in,
//!                                                                        an answer out
//!                      ▼
//!  FLOOR 0   experiment/  tolerance/  substitution/  journal/  event/    the vocabulary: pure, no I/O,
//!            value/  sample/  statistics/  effect  diagnostic  clock     no runtime, no terminal
//!            lot
//! ```
//!
//! # One activity, from file to journal
//!
//! ```text
//!  source      bytes from a file, standard input, or a server
//!  experiment  ├─ document + json, yaml   values that know their line and column
//!              ├─ validate                every fault at once, each with its place     ─► Diagnostic
//!              ├─ Experiment              what the engine runs: activities, strategies, controls
//!              └─ resolve                 one activity, its placeholders filled        ─► Call
//!  provider    prepare ─► (engine records) ─► apply ─► confirm                         ─► Output | ActivityError, Effect
//!  tolerance   evaluate                   is the output within it?                     ─► Verdict
//!  engine      bus                        one stream of RunEvents, in order
//!              ├─► journal    a fold of the events, on disk soon after, whatever kills the run; judged at the end
//!              ├─► console    lines for a person, progress on a terminal
//!              └─► controls   the only watchers that may interrupt
//! ```
//!
//! An activity that fails is data in the journal. An `Err` out of a run means only that it could not start.
//!
//! # Who may use whom
//!
//! A test reads `src` and holds it to this table.
//!
//! | module | floor | may use |
//! |---|---|---|
//! | value | 0 | – |
//! | clock | 0 | – |
//! | diagnostic | 0 | – |
//! | effect | 0 | clock |
//! | lot | 0 | – |
//! | statistics | 0 | lot |
//! | substitution | 0 | value |
//! | experiment | 0 | diagnostic, substitution, value |
//! | tolerance | 0 | experiment, substitution, value |
//! | event | 0 | clock, effect, experiment, tolerance, value |
//! | journal | 0 | clock, effect, event, experiment, sample, value |
//! | sample | 0 | – |
//! | compare | 1 | effect, experiment, journal, sample, statistics, value |
//! | console | 1 | clock, effect, event, experiment, value |
//! | report | 1 | clock, compare, console, journal, sample |
//! | http_client | 1 | experiment |
//! | github | 1 | clock, experiment, http_client |
//! | settings | 1 | diagnostic, experiment, http_client, value |
//! | source | 1 | diagnostic, experiment, http_client, settings |
//! | kubernetes | 1 | clock, diagnostic, effect, experiment, lot, settings, tolerance, value |
//! | embedded | 1 | clock, lot |
//! | sample_app | 1 | clock, experiment, http_client |
//! | provider | 1 | diagnostic, effect, experiment, http_client, kubernetes, sample, settings, substitution, value |
//! | engine | 2 | clock, effect, event, experiment, http_client, provider, settings, substitution, tolerance, value |
//! | sampling | 2 | clock, effect, engine, event, experiment, kubernetes, provider, sample, substitution, tolerance, value |
//! | trial | 2 | effect, experiment, kubernetes, lot, provider, substitution, value |
//! | cli | 3 | everything |

pub mod cli;
pub mod clock;
pub mod compare;
pub mod console;
pub mod diagnostic;
pub mod effect;
pub mod embedded;
pub mod engine;
pub mod event;
pub mod experiment;
pub mod github;
pub mod http_client;
pub mod journal;
pub mod kubernetes;
pub mod lot;
pub mod provider;
pub mod report;
pub mod sample;
pub mod sample_app;
pub mod sampling;
pub mod settings;
pub mod source;
pub mod statistics;
pub mod substitution;
pub mod tolerance;
pub mod trial;
pub mod value;
