//! Parses the command line of one command without the arguments of all the others.
//!
//! Building all commands takes more time than a run of one activity. [`super::parse`] builds them only
//! for what this parser does not accept: other commands, help, and errors.

use std::ffi::OsString;

use clap::{Args, FromArgMatches as _};

use super::{ParsedCommandLine, convert_booleans, document_format};
use crate::cli::command::{Cli, Command};
use crate::cli::connection_args::ConnectionArgs;
use crate::cli::shared_args::GlobalArgs;

/// Parses a command line of one of the commands known here. `None` means that the full parser has to decide.
pub(super) fn parse(words: &[OsString]) -> Option<ParsedCommandLine> {
    let mut parser = words.iter().skip(1).find_map(|word| parser(word.to_str()?))?;
    let words = convert_booleans(&parser, words.to_vec());
    let matches = parser.try_get_matches_from_mut(words).ok()?;
    let document = document_format(&matches);
    Some((Cli::from_arg_matches(&matches).ok()?, document))
}

/// The parser of the flags that every command takes and of one command.
fn parser(name: &str) -> Option<clap::Command> {
    let command = subcommand(name)?;
    let root = clap::Command::new("kubectl-chaos")
        .args_override_self(true)
        .disable_help_subcommand(true)
        .subcommand_required(true);
    Some(ConnectionArgs::augment_args(GlobalArgs::augment_args(root)).subcommand(command))
}

/// A command with its arguments. Left out: commands of several parts, and those that read inputs of a CI job.
fn subcommand(name: &str) -> Option<clap::Command> {
    match name {
        "compare" => Some(with_arguments("compare", Command::Compare)),
        "completion" => Some(with_arguments("completion", Command::Completion)),
        "demo" => Some(with_arguments("demo", Command::Demo)),
        "discover" => Some(with_arguments("discover", Command::Discover)),
        "doctor" => Some(with_arguments("doctor", Command::Doctor)),
        "init" => Some(with_arguments("init", Command::Init)),
        "report" => Some(with_arguments("report", Command::Report)),
        "run" => Some(with_arguments("run", Command::Run)),
        "trial" => Some(with_arguments("trial", Command::Trial)),
        "validate" => Some(with_arguments("validate", Command::Validate)),
        _ => None,
    }
}

/// The variant of the command tells the type of its arguments.
fn with_arguments<T: Args>(name: &'static str, _variant: fn(T) -> Command) -> clap::Command {
    T::augment_args(clap::Command::new(name))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::command_line;
    use crate::config::ProcessEnv;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn arguments_are_those_of_the_full_parser() {
        let describe = |command: &clap::Command| {
            let arguments: Vec<_> = command.get_arguments().collect();
            let groups: Vec<_> = command.get_groups().collect();
            format!("{arguments:?} {groups:?}")
        };
        let all_commands = Cli::command();
        let mut simple = 0;
        for command in all_commands.get_subcommands() {
            let Some(root) = parser(command.get_name()) else { continue };
            let names: Vec<&str> = root.get_subcommands().map(clap::Command::get_name).collect();
            assert_eq!(names, [command.get_name()]);
            assert_eq!(describe(root.find_subcommand(command.get_name()).unwrap()), describe(command));
            let root_arguments: Vec<_> = root.get_arguments().collect();
            assert_eq!(
                format!("{root_arguments:?}"),
                format!("{:?}", all_commands.get_arguments().collect::<Vec<_>>())
            );
            simple += 1;
        }
        assert_eq!(simple, 10);
    }

    #[test]
    fn accepted_lines_parse_as_with_all_commands() {
        for line in [
            "k run e.json",
            "k --quiet run e.json f.json --namespace a -n b --strict=false --var a=b -v 4",
            "k run e.json --quiet=true --no-validation=false",
            "k --context run run e.json",
            "k validate e.json -o json",
            "k compare a b",
            "k report j.json --html r.html",
            "k trial e.json --before a --after b",
        ] {
            let parsed = parse(&words(line)).map(|parsed| format!("{parsed:?}"));
            let all_commands = command_line::parse_all(words(line), &ProcessEnv::default());
            assert_eq!(parsed, all_commands.ok().map(|all_commands| format!("{all_commands:?}")), "{line}");
            assert!(parsed.is_some(), "{line}");
        }
    }

    #[test]
    fn other_lines_are_left_to_the_full_parser() {
        for line in [
            "k",
            "k --help",
            "k --version",
            "k help run",
            "k run",
            "k run --help",
            "k run e.json --no-such-flag",
            "k --context run validat e.json",
            "k nothing run e.json",
            "k -- run e.json",
            "k ci",
            "k publish",
            "k recover",
            "k embedded up",
            "k options",
        ] {
            assert!(parse(&words(line)).is_none(), "{line}");
        }
    }
}
