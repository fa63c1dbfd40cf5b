//! `kubectl chaos run`.

pub(super) mod args;
mod document;

use std::path::Path;

use super::CommandContext;
use super::duration::parse_duration;
use super::report_args::write_reports;
use super::shared_args::RunOutputFormat;
use crate::app::report_files::{ReportFiles, ReportLocks, STANDARD_OUTPUT, standard_output_conflict};
use crate::app::run::{FinishedRun, RejectedRun, RunOutcome, RunRequest};
use crate::app::{self, AppError, Outcome};
use crate::console::sanitize;
use crate::error_code::ErrorCode;
use crate::journal::{Keyword, Record};
use args::RunArgs;
use document::{document_of, to_text};

pub(super) use args::paths_of;

/// Runs experiments one after the other. Returns the exit code.
pub(super) fn run(session: &CommandContext, args: &RunArgs) -> u8 {
    let output = RunOutput {
        format: args.output,
        reports: args.reports.report_files(),
        has_sample_without_period: args.sampling.sample == Some(None),
    };
    run_and_report(session, &args.request(), &output)
}

/// What is written about the runs.
pub(super) struct RunOutput {
    /// Format of standard output.
    pub(super) format: RunOutputFormat,
    pub(super) reports: ReportFiles,
    /// Whether the first experiment may be the period of `--sample`.
    pub(super) has_sample_without_period: bool,
}

/// Runs experiments, and writes their results. Returns the exit code.
pub(super) fn run_and_report(session: &CommandContext, request: &RunRequest, output: &RunOutput) -> u8 {
    let result = session.block_on(async {
        // held until the reports are written
        let locks = check_outputs(request, output);
        let outcome = match &locks {
            Ok(_) => app::run::run(&session.app, request).await,
            Err(error) => RejectedRun::new(&request.sources[0], "runtime", error.clone()).into(),
        };
        report(session, request, output, outcome)
    });
    result.unwrap_or_else(|code| code)
}

/// Checks that at most one result goes to standard output, and that every report can be written.
fn check_outputs(request: &RunRequest, output: &RunOutput) -> Result<ReportLocks, AppError> {
    if request.events_file.as_deref() == Some(Path::new(STANDARD_OUTPUT)) {
        let error = AppError::new(ErrorCode::UsageInvalid, "cannot write events to standard output");
        return Err(error.with_hint("name a file or a device, such as /dev/stdout"));
    }
    let conflicts = [
        output.format != RunOutputFormat::Text,
        request.has_journal_on_standard_output(),
        // each experiment has a journal of its own
        request.has_journal_on_standard_output() && request.sources.len() > 1,
    ];
    match conflicts.into_iter().filter(|taken| *taken).count() {
        taken @ (0 | 1) => output.reports.check(taken == 1),
        _ => Err(standard_output_conflict()),
    }
}

/// Shows and writes what came of the runs. Returns the exit code.
fn report(
    session: &CommandContext,
    request: &RunRequest,
    output: &RunOutput,
    RunOutcome { finished, rejected }: RunOutcome,
) -> u8 {
    let rejected = rejected.map(|rejected| with_period_hint(output, rejected));
    if let Some(rejected) = &rejected {
        rejected.show(&*session.terminal);
    }
    let codes = finished.iter().map(|run| (run.outcome.severity(), code_of(session, run)));
    let rejected_code =
        rejected.iter().map(|run| (run.error.outcome.severity(), session.code(run.error.outcome)));
    let code = codes.chain(rejected_code).max().map_or(0, |(_, code)| code);
    let mut errors = report_finished(session, request, output, &finished);
    let text = match output.format {
        RunOutputFormat::Text if output.reports.is_on_standard_output() => String::new(),
        RunOutputFormat::Text if request.has_journal_on_standard_output() => {
            finished.iter().map(|run| run.journal.to_json()).collect()
        }
        RunOutputFormat::Text => finished.iter().map(summary).collect(),
        format => {
            let documents = finished.iter().map(|run| document::of_finished(session, request, format, run));
            let rejected = rejected
                .iter()
                .map(|run| document::of_rejected(run, session.code(run.error.outcome), format));
            to_text(format, &document_of(documents.chain(rejected).collect()))
        }
    };
    if !text.is_empty() {
        errors.extend(session.terminal.write_result(&text).err().map(AppError::from));
    }
    let error_code = errors.iter().map(|error| session.show_error(error)).max();
    if code == 0 { error_code.unwrap_or(code) } else { code }
}

/// Returns the exit code of a run.
fn code_of(session: &CommandContext, run: &FinishedRun) -> u8 {
    (session.app.journal_exit_code)(&run.journal, run.outcome)
}

/// Adds a hint to a source that may be the period of `--sample`.
fn with_period_hint(output: &RunOutput, rejected: RejectedRun) -> RejectedRun {
    let is_period = output.has_sample_without_period
        && rejected.stage == "load"
        && !rejected.diagnostics.is_empty()
        && parse_duration(&rejected.source).is_ok();
    if !is_period {
        return rejected;
    }
    let hint = format!("write the period as --sample={}", rejected.source);
    rejected.with_hint(&hint)
}

/// Writes the reports of the runs that ended. Returns the errors.
fn report_finished(
    session: &CommandContext,
    request: &RunRequest,
    output: &RunOutput,
    finished: &[FinishedRun],
) -> Vec<AppError> {
    if finished.is_empty() {
        return Vec::new();
    }
    let name = |run: &FinishedRun| {
        // where the reader may have stored it
        let default = RunRequest::default().journal_path;
        let is_stored = !request.has_journal_on_standard_output();
        if is_stored { &run.journal_path } else { &default }.display().to_string()
    };
    let read = |run: &FinishedRun| Record::read(&name(run), run.journal.to_json());
    match finished.iter().map(read).collect::<Result<Vec<_>, _>>() {
        Ok(records) => write_reports(&output.reports, &session.terminal, &records, None),
        Err(error) => vec![AppError::from(error).with_outcome(Outcome::NotWritten)],
    }
}

/// Returns the verdict, the reason and the journal path, as text.
fn summary(run: &FinishedRun) -> String {
    let extension = run.journal.extension.as_ref();
    let verdict = extension.and_then(|extension| extension.verdict.as_ref()).map_or("", Keyword::as_str);
    let reason = extension.and_then(|extension| extension.reason.as_ref());
    let reason = reason.map(|reason| format!(": {}", sanitize(reason))).unwrap_or_default();
    format!("{verdict}{reason}\njournal: {}\n", sanitize(&run.journal_path.display().to_string()))
}
