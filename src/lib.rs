//! Runs chaos experiments in the Chaos Toolkit format, and verifies that every fault took effect.
//!
//! # Floors
//!
//! A module uses modules of its own floor and of the floors below it. `docs/architecture.md` follows an experiment and
//! a trial through the files.
//!
//! ```text
//!  4  commands   cli                            command line, terminal, exit codes
//!  3  use cases  app                            from a request to its outcome; no clap, no printing
//!  2  runs       engine  sampling  trial        order of activities, samples, variants; no provider, no printing
//!  1  I/O        provider  chaosk8s  k8s  http_client  github  source  config  embedded  demo_app
//!     views      console  compare  report       text from events and journals
//!  0  data       experiment  substitution  tolerance  event  journal  series  mutation  statistics  sort
//!                value  arm  diagnostic  error_code  panic_guard  clock  rng  text   pure: no I/O, no async runtime
//! ```
//!
//! # Dependencies
//!
//! `tests/it/architecture` compares the code with this table.
//!
//! | module | floor | may use |
//! |---|---|---|
//! | arm | 0 | – |
//! | value | 0 | – |
//! | clock | 0 | – |
//! | diagnostic | 0 | – |
//! | mutation | 0 | clock |
//! | rng | 0 | – |
//! | sort | 0 | – |
//! | text | 0 | – |
//! | statistics | 0 | rng |
//! | substitution | 0 | sort, value |
//! | experiment | 0 | diagnostic, error_code, substitution, text, value |
//! | tolerance | 0 | error_code, experiment, substitution, value |
//! | event | 0 | clock, error_code, mutation, experiment, tolerance, value |
//! | error_code | 0 | – |
//! | panic_guard | 0 | error_code |
//! | journal | 0 | clock, error_code, event, experiment, mutation, series, value |
//! | series | 0 | – |
//! | compare | 1 | arm, clock, error_code, experiment, journal, mutation, series, statistics, text, value |
//! | console | 1 | clock, error_code, mutation, event, experiment, text, tolerance, value |
//! | report | 1 | clock, compare, error_code, journal, mutation, series, text, value |
//! | http_client | 1 | error_code, experiment, substitution |
//! | github | 1 | clock, error_code, experiment, http_client, text |
//! | config | 1 | diagnostic, error_code, experiment, http_client, value |
//! | source | 1 | config, diagnostic, error_code, experiment, http_client |
//! | k8s | 1 | config, error_code, http_client, mutation, sort, substitution, value |
//! | chaosk8s | 1 | clock, diagnostic, error_code, experiment, k8s, mutation, rng, sort, tolerance, value |
//! | embedded | 1 | clock, demo_app, error_code, rng, sort |
//! | demo_app | 1 | clock, error_code, experiment, http_client |
//! | provider | 1 | chaosk8s, config, diagnostic, error_code, experiment, http_client, k8s, mutation, panic_guard, series, sort, substitution, text, value |
//! | engine | 2 | clock, config, error_code, event, experiment, http_client, mutation, panic_guard, provider, substitution, text, tolerance, value |
//! | sampling | 2 | chaosk8s, clock, engine, error_code, event, experiment, mutation, panic_guard, provider, series, substitution, tolerance, value |
//! | trial | 2 | arm, chaosk8s, compare, error_code, experiment, k8s, mutation, provider, rng, statistics, substitution, value |
//! | app | 3 | chaosk8s, clock, compare, config, console, diagnostic, embedded, engine, error_code, event, experiment, github, http_client, journal, k8s, mutation, provider, report, sampling, series, sort, source, statistics, substitution, text, trial, value |
//! | cli | 4 | everything |

pub mod app;
pub mod arm;
pub mod chaosk8s;
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
pub mod k8s;
pub mod mutation;
pub mod panic_guard;
pub mod provider;
pub mod report;
pub mod rng;
pub mod sampling;
pub mod series;
pub mod sort;
pub mod source;
pub mod statistics;
pub mod substitution;
pub mod text;
pub mod tolerance;
pub mod trial;
pub mod value;
