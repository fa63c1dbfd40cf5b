//! The application: what each command does, from a request to its outcome.
//!
//! ```text
//!  context, reporter    what every use case gets: connection, environment, signals; where its lines go
//!  error, outcome       how a use case ends
//!  run, trial, …        RunRequest  ─► RunOutcome, and the same for every command
//!  run_context          settings, variables and providers of a run
//!  journal_file, …      the files that a run reads and writes
//!  output_lock          keeps two runs from writing the same output
//! ```
//!
//! Nothing here parses a command line, writes to a standard stream, or knows the number of an exit code.

pub(crate) mod atomic_file;
pub(crate) mod base_experiment;
pub(crate) mod ci;
pub(crate) mod comparison;
pub(crate) mod completion_helper;
mod context;
pub(crate) mod demo;
pub(crate) mod discover;
pub(crate) mod doctor;
pub(crate) mod embedded_cluster;
mod error;
mod events_file;
pub(crate) mod init;
mod journal_file;
mod kustomize;
pub(crate) mod load_journals;
pub(crate) mod manifest_files;
pub(crate) mod notify;
mod outcome;
mod output_lock;
pub(crate) mod publish;
pub(crate) mod recover;
pub(crate) mod report_files;
mod reporter;
pub(crate) mod results_dir;
pub(crate) mod run;
pub(crate) mod run_context;
pub(crate) mod search_path;
mod signals;
pub(crate) mod trial;
pub(crate) mod validate;

pub(crate) use context::{AppContext, ConnectionOptions, JournalExitCode, new_run_id};
pub(crate) use error::AppError;
#[cfg(test)]
pub(crate) use error::default_outcome;
pub(crate) use outcome::Outcome;
pub(crate) use reporter::{ProgressDisplay, Reporter};
pub(crate) use run_context::{RunContext, VariableInputs};
pub(crate) use signals::Signals;
