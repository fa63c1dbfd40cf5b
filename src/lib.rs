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
//!  FLOOR 1   ports     provider/  kubernetes/  http_client/  config/  source/       I/O lives here, asynchronous
//!            github/                          the job, its events and commands, one comment on the pull request
//!            demo_app/  embedded/           the application of the examples; a small Kubernetes of our own
//!            views     console/  compare/  report/                       pure: events in, lines out; journals in,
//!                                                                        an answer out
//!                      ▼
//!  FLOOR 0   experiment/  tolerance/  substitution/  journal/  event/    the vocabulary: pure, no I/O,
//!            value/  series/  statistics/  mutation  diagnostic  clock   no runtime, no terminal
//!            rng  error_code  text/
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
//! | mutation | 0 | clock |
//! | rng | 0 | – |
//! | text | 0 | – |
//! | statistics | 0 | rng |
//! | substitution | 0 | value |
//! | experiment | 0 | diagnostic, error_code, substitution, text, value |
//! | tolerance | 0 | error_code, experiment, substitution, value |
//! | event | 0 | clock, mutation, experiment, tolerance, value |
//! | error_code | 0 | – |
//! | journal | 0 | clock, error_code, event, experiment, mutation, series, value |
//! | series | 0 | – |
//! | compare | 1 | error_code, experiment, journal, mutation, series, statistics, text, value |
//! | console | 1 | clock, error_code, mutation, event, experiment, text, value |
//! | report | 1 | clock, compare, error_code, journal, series, text |
//! | http_client | 1 | error_code, experiment |
//! | github | 1 | clock, error_code, experiment, http_client |
//! | config | 1 | diagnostic, error_code, experiment, http_client, value |
//! | source | 1 | config, diagnostic, error_code, experiment, http_client |
//! | kubernetes | 1 | clock, config, diagnostic, error_code, experiment, mutation, rng, tolerance, value |
//! | embedded | 1 | clock, error_code, rng |
//! | demo_app | 1 | clock, error_code, experiment, http_client |
//! | provider | 1 | config, diagnostic, error_code, experiment, http_client, kubernetes, mutation, series, substitution, value |
//! | engine | 2 | clock, config, error_code, event, experiment, http_client, mutation, provider, substitution, tolerance, value |
//! | sampling | 2 | clock, engine, error_code, event, experiment, kubernetes, mutation, provider, series, substitution, tolerance, value |
//! | trial | 2 | error_code, experiment, kubernetes, mutation, provider, rng, substitution, value |
//! | cli | 3 | everything |

pub mod cli;
pub mod clock;
pub mod compare;
pub mod config;
pub mod console;
pub mod demo_app;
pub mod diagnostic;
pub mod embedded;
pub mod engine;
pub mod error_code;
pub mod event;
pub mod experiment;
pub mod github;
pub mod http_client;
pub mod journal;
pub mod kubernetes;
pub mod mutation;
pub mod provider;
pub mod report;
pub mod rng;
pub mod sampling;
pub mod series;
pub mod source;
pub mod statistics;
pub mod substitution;
pub mod text;
pub mod tolerance;
pub mod trial;
pub mod value;
