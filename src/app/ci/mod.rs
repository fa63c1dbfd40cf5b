//! A run or a trial as part of a CI job, restricted by the policy for pull requests.
//!
//! The policy is decided before any request to a cluster.

mod policy;
mod step_outputs;

use std::path::{Path, PathBuf};

use super::base_experiment::{HashReference, hash_of};
use super::context::AppContext;
use super::error::AppError;
use super::outcome::Outcome;
use super::run::RunRequest;
use super::trial::TrialRequest;
use crate::console::{ConsoleLine, LineLevel, sanitize};
use crate::error_code::{ErrorCode, message_chain};
use crate::github::workflow_command::{Annotation, AnnotationLevel, format_outputs};
use crate::github::{self, WorkflowJob};
use policy::check_event;

pub(crate) use policy::context_allowlist;
pub(crate) use step_outputs::{JOURNAL_FILE, StepOutputs, clear_results};

/// Default output directory.
pub(crate) const OUTPUT_DIR: &str = "chaos-results";

/// What a job does, and what it may use.
#[derive(Clone, Debug)]
pub(crate) struct CiRequest {
    pub(crate) task: CiTask,
    pub(crate) output_dir: PathBuf,
    /// Copy of the experiment from the base branch.
    pub(crate) base_experiment: Option<PathBuf>,
    /// Patterns of allowed contexts, besides those of disposable clusters.
    pub(crate) allow_context: Vec<String>,
}

/// What a job runs.
#[derive(Clone, Debug)]
pub(crate) enum CiTask {
    Run(Box<RunRequest>),
    Trial(Box<TrialRequest>),
}

impl CiTask {
    fn experiment(&self) -> &str {
        match self {
            Self::Run(request) => &request.sources[0],
            Self::Trial(request) => &request.source,
        }
    }
}

/// Checks everything that needs no cluster. Returns the context with the restrictions of the job.
pub(crate) fn prepare(
    context: &AppContext,
    job: &WorkflowJob,
    request: &CiRequest,
) -> Result<AppContext, AppError> {
    let allowlist = check_event(&*context.reporter, job, &request.allow_context)?;
    let restricted = AppContext {
        connection: context.connection.restricted(allowlist),
        // configuration of an untrusted experiment must not read the credentials of the job
        environment: context.environment.clone().without_withheld(),
        ..context.clone()
    };
    warn_if_changed(context, request);
    // a trial creates its directory itself
    if matches!(request.task, CiTask::Run(_)) {
        std::fs::create_dir_all(&request.output_dir).map_err(|error| {
            let message = format!("cannot create directory {}: {error}", request.output_dir.display());
            AppError::new(ErrorCode::FileNotWritable, message).with_outcome(Outcome::Usage)
        })?;
    }
    Ok(restricted)
}

/// Warns if the experiment differs from the base branch.
fn warn_if_changed(context: &AppContext, request: &CiRequest) {
    let Some(base) = &request.base_experiment else { return };
    let experiment = Path::new(request.task.experiment());
    let hashes = hash_of(base).and_then(|base| Ok((base, hash_of(experiment)?)));
    let note = match hashes {
        Ok((base, current)) => base.changed_by(&current, HashReference::Base),
        Err(error) => Some(format!("cannot tell whether the experiment changed: {}", message_chain(&error))),
    };
    if let Some(note) = note {
        let annotation = Annotation::new(AnnotationLevel::Warning, "kubectl-chaos", note.clone());
        context.reporter.send_command(&annotation.command());
        context.reporter.show(&ConsoleLine::note(LineLevel::Warning, sanitize(&note)));
    }
}

/// Appends outputs of the step to their file.
pub(crate) fn append_outputs(file: &Path, pairs: &[(&str, String)]) -> Result<(), github::Error> {
    use std::io::Write as _;
    let opened = std::fs::File::options().create(true).append(true).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(format_outputs(pairs).as_bytes()));
    let variable = "GITHUB_OUTPUT";
    written.map_err(|source| github::Error::WriteFile { variable, path: file.to_owned(), source })
}
