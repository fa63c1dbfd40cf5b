//! `kubectl chaos init`: flags and prompts for a new experiment.

mod prompt;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::CommandContext;
use super::parse::integer_in;
use super::path_conflicts::PathSet;
use crate::app;
use crate::app::init::{FaultKind, InitOutcome, InitPrompts, InitRequest};
use crate::console::{ConsoleLine, LineLevel, sanitize};
use prompt::Prompter;

const STANDARD_OUTPUT: &str = "-";

/// `init`. Missing values are prompted for at a terminal.
#[derive(Args, Debug)]
pub(super) struct InitArgs {
    /// Title of the experiment, as a question
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// URL that must respond with status 200
    #[arg(long, value_name = "URL", conflicts_with = "service")]
    url: Option<String>,
    /// Service that must respond with status 200, as NAME[:PORT][/PATH]; it need not be exposed
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Fault to inject
    #[arg(long, value_enum, value_name = "FAULT")]
    fault: Option<FaultArg>,
    /// kill-pods: label selector; one of the selected Pods is killed
    #[arg(short = 'l', long, visible_alias = "selector", value_name = "SELECTOR")]
    label_selector: Option<String>,
    /// scale-to-zero: name of the Deployment; delete-service: name of the Service
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// scale-to-zero: replicas to restore [default: the current number]
    #[arg(long, value_name = "N", value_parser = integer_in(1..=u32::MAX))]
    replicas: Option<u32>,
    /// delete-service: manifest to recreate the Service from [default: read from the cluster]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// process: command that injects the fault
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// process: command that undoes the fault
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_undo")]
    undo: Option<String>,
    /// process: the fault needs no undo
    #[arg(long)]
    no_undo: bool,
    /// File to write (.json, .yaml or .yml); - is standard output
    #[arg(long, alias = "experiment-path", value_name = "FILE", default_value = "experiment.json")]
    output: PathBuf,
    /// Overwrite existing files
    #[arg(long)]
    force: bool,
}

impl InitArgs {
    /// Returns the files that the command reads and writes.
    pub(super) fn files(&self) -> PathSet {
        PathSet::default().reads("the manifest", &self.manifest).writes("the experiment", [&self.output])
    }

    /// Converts the flags.
    fn request(&self) -> InitRequest {
        InitRequest {
            title: self.title.clone(),
            url: self.url.clone(),
            service: self.service.clone(),
            fault: self.fault.map(Into::into),
            label_selector: self.label_selector.clone(),
            target: self.target.clone(),
            replicas: self.replicas,
            manifest: self.manifest.clone(),
            command: self.command.clone(),
            undo: self.undo.clone(),
            needs_no_undo: self.no_undo,
            output: Some(self.output.clone()).filter(|file| file != Path::new(STANDARD_OUTPUT)),
            force: self.force,
        }
    }
}

/// The fault of the new experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FaultArg {
    /// Kill a Pod
    KillPods,
    /// Scale a Deployment to zero
    ScaleToZero,
    /// Delete a Service
    DeleteService,
    /// Run a command
    Process,
}

impl From<FaultArg> for FaultKind {
    fn from(fault: FaultArg) -> Self {
        match fault {
            FaultArg::KillPods => Self::KillPods,
            FaultArg::ScaleToZero => Self::ScaleToZero,
            FaultArg::DeleteService => Self::DeleteService,
            FaultArg::Process => Self::Process,
        }
    }
}

/// Writes an experiment. Returns the exit code.
pub(super) fn init(session: &CommandContext, args: &InitArgs) -> u8 {
    let mut prompter = std::io::stdin().is_terminal().then(Prompter::from_stdin);
    let prompts = prompter.as_mut().map(|prompter| prompter as &mut dyn InitPrompts);
    match session.block_on(app::init::init(&session.app, args.request(), prompts)) {
        Err(code) => code,
        Ok(Ok(outcome)) => report(session, &outcome),
        Ok(Err(error)) => session.fail(error),
    }
}

/// Names the files that were written, or shows the experiment. Returns the exit code.
fn report(session: &CommandContext, outcome: &InitOutcome) -> u8 {
    let manifest = outcome.manifest.as_ref().map(|path| {
        let path = sanitize(&path.display().to_string());
        format!("wrote {path} (recreates the Service)")
    });
    let Some(file) = &outcome.path else {
        if let Some(text) = manifest {
            session.terminal.show(&ConsoleLine::note(LineLevel::Info, text));
        }
        return session.write_result(&outcome.text);
    };
    let manifest = manifest.map(|text| text + "\n").unwrap_or_default();
    let file = file.display().to_string();
    let argument = shlex::try_quote(&file).unwrap_or_default();
    let (file, argument) = (sanitize(&file), sanitize(&argument));
    session.write_result(&format!("{manifest}wrote {file}\nnext: {} run {argument}\n", session.shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_has_the_same_name_as_its_flag_value() {
        let faults = FaultArg::value_variants();
        assert_eq!(faults.len(), FaultKind::ALL.len());
        for (flag, kind) in faults.iter().zip(FaultKind::ALL) {
            assert_eq!(FaultKind::from(*flag), kind);
            assert_eq!(flag.to_possible_value().unwrap().get_name(), kind.name());
        }
    }
}
