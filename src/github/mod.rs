//! GitHub: what a job knows of itself, what it may say, and where it says it. Floor 1.
//!
//! ```text
//!  job       what the runner says of the job, in variables          ─► Job
//!  event     what the event file says: typed, and anybody's         ─► Event
//!  command   workflow commands, annotations, outputs: text alone    pure
//!  summary   the job summary, which has a limit
//!  api       four endpoints: bounded, patient, of one host only     ─► Failure
//!  pulls     the pull request that a run belongs to
//!  comment   one comment per experiment, found again by a hidden line and its author
//! ```
//!
//! Whatever comes from a pull request is an attacker's: nothing of it is taken for a command, a marker or an address.

pub mod api;
pub mod comment;
pub mod event;
pub mod job;
pub mod pull_requests;
pub mod summary;
pub mod workflow_command;

pub use api::{GithubApi, RequestError, RequestErrorKind};
pub use event::WorkflowEvent;
pub use job::{Repository, WorkflowJob, WorkflowRunId};
