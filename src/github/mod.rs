//! GitHub Actions: the job, its event, its outputs, and pull-request comments.
//!
//! ```text
//!  job                environment variables of the runner
//!  event              event file; typed, partly untrusted
//!  workflow_command   workflow commands, annotations, outputs: pure text
//!  summary            job summary, with a size limit
//!  api                four endpoints: bounded, with retries, one host only
//!  pull_requests      pull request of a workflow run
//!  comment            one comment per experiment, identified by a hidden line and its author
//!  request_error      errors of requests
//!  error              errors of all of these
//! ```
//!
//! Text from a pull request is untrusted: it never becomes a command, a marker or a URL.

pub mod api;
pub mod comment;
mod error;
pub mod event;
pub mod job;
pub mod pull_requests;
mod request_error;
pub mod summary;
pub mod workflow_command;

pub use api::GithubApi;
pub use error::Error;
pub use event::WorkflowEvent;
pub use job::{Repository, WorkflowJob, WorkflowRunId};
pub use request_error::{RequestError, RequestErrorKind};
