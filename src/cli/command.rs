//! The command line: all commands and the global flags.
//!
//! kubectl's flags keep kubectl's spelling, the Chaos Toolkit's flags keep theirs. Global flags are accepted before
//! and after the command.

use clap::{Parser, Subcommand};

use super::ci::args::CiArgs;
use super::compare::CompareArgs;
use super::completion::CompletionArgs;
use super::connection_args::ConnectionArgs;
use super::demo::DemoArgs;
use super::demo_app::DemoAppCommand;
use super::discover::DiscoverArgs;
use super::doctor::DoctorArgs;
use super::embedded::EmbeddedCommand;
use super::exit_code::EXIT_CODE_HELP;
use super::init::InitArgs;
use super::path_conflicts::PathSet;
use super::publish::args::Publish;
use super::recover::RecoverArgs;
use super::report::RenderArgs;
use super::run::args::RunArgs;
use super::shared_args::GlobalArgs;
use super::trial::TrialArgs;
use super::validate::ValidateArgs;
use super::version::VERSION;

/// Command line.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-chaos",
    version = VERSION.as_str(),
    about = "Run Chaos Toolkit experiments natively, against the current kubeconfig context",
    after_help = EXIT_CODE_HELP,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run experiments and write their journals
    Run(Box<RunArgs>),
    /// Run an experiment or a trial in CI, with safe limits for pull requests and clusters
    Ci(Box<CiArgs>),
    /// Compare two sets of runs of one experiment
    Compare(CompareArgs),
    /// Install kubectl plugin completion, or print a shell completion script
    Completion(CompletionArgs),
    /// Run a demo experiment before and after a fix; needs no cluster
    Demo(DemoArgs),
    /// List the functions for experiments, with their arguments and RBAC permissions
    Discover(DiscoverArgs),
    /// Check installation, cluster access and RBAC permissions, and suggest fixes
    Doctor(DoctorArgs),
    /// Run an in-memory Kubernetes API server to try experiments on
    Embedded {
        #[command(subcommand)]
        command: EmbeddedCommand,
    },
    /// Write an experiment from flags or prompts
    Init(InitArgs),
    /// List the global flags
    Options,
    /// Publish results to GitHub: job summary, annotations and one pull-request comment
    Publish(Box<Publish>),
    /// Clean up after killed trials: delete their objects, restore originals
    Recover(RecoverArgs),
    /// Render journals as text, JUnit XML, Markdown or HTML
    Report(RenderArgs),
    /// Run an experiment before and after a change, several times each, and compare the runs
    Trial(Box<TrialArgs>),
    /// Report all errors in experiments without running them
    Validate(ValidateArgs),
    /// Run the demo application
    #[command(hide = true)]
    SampleApp {
        #[command(subcommand)]
        part: DemoAppCommand,
    },
    /// Unknown command: refused with a suggestion.
    #[command(external_subcommand)]
    Other(Vec<String>),
}

impl Cli {
    /// Returns the files and directories that the command line names.
    pub(super) fn paths(&self) -> PathSet {
        let paths = match &self.command {
            Command::Run(args) => args.files(),
            Command::Trial(args) => args.files(),
            Command::Ci(args) => args.files(),
            Command::Compare(args) => args.files(),
            Command::Report(args) => args.files(),
            Command::Publish(args) => args.files(),
            Command::Init(args) => args.files(),
            Command::Validate(args) => args.files(),
            Command::Doctor(args) => args.files(),
            Command::Completion(_)
            | Command::Demo(_)
            | Command::Discover(_)
            | Command::Embedded { .. }
            | Command::Options
            | Command::Recover(_)
            | Command::SampleApp { .. }
            | Command::Other(_) => PathSet::default(),
        };
        let kubeconfig = self.connection.kubeconfig();
        let paths = if matches!(self.command, Command::Embedded { .. }) {
            paths.writes("the kubeconfig", kubeconfig)
        } else {
            paths.reads("the kubeconfig", kubeconfig)
        };
        paths.reads("the settings file", [&self.global.settings]).writes_log(self.global.log_file.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn cli_debug_assert() {
        Cli::command().debug_assert();
    }

    #[test]
    fn number_flag_with_invalid_value_names_the_range() {
        let line = ["k", "trial", "e", "--before", "a", "--after", "b", "--repeat", "zwei"];
        let message = Cli::try_parse_from(line).unwrap_err().to_string();
        assert!(message.contains("expected an integer from 1 to 100"), "{message}");
        let message = Cli::try_parse_from(["k", "run", "e", "--seed", "abc"]).unwrap_err().to_string();
        assert!(message.contains("expected an integer >= 0"), "{message}");
    }

    #[test]
    fn global_flags_are_accepted_before_and_after_the_command() {
        let parse =
            |line: &[&str]| Cli::try_parse_from(line).map(|cli| (cli.global.strict, cli.global.verbosity));
        assert_eq!(parse(&["k", "--strict=false", "-v=6", "run", "e.json"]).unwrap(), (false, 6));
        assert_eq!(parse(&["k", "run", "e.json", "--strict=false", "--v=6"]).unwrap(), (false, 6));
        assert_eq!(parse(&["k", "run", "--strict", "e.json", "-v", "2"]).unwrap(), (true, 2));
    }
}
