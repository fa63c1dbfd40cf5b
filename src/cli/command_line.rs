//! The command line in kubectl's style: help, boolean flags, global flags.

mod one_command;

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use super::command::Cli;
use super::env_inputs;
use super::error_document::DocumentFormat;
use crate::config::ProcessEnv;

/// A parsed command line, and the machine-readable format of standard output, if one is requested.
pub(super) type ParsedCommandLine = (Cli, Option<DocumentFormat>);

/// Parses a command line, the program's name first, with the inputs of the environment as defaults.
///
/// An error may be requested help.
pub(super) fn parse(
    words: Vec<OsString>,
    environment: &ProcessEnv,
) -> Result<ParsedCommandLine, clap::Error> {
    one_command::parse(&words).map_or_else(|| parse_all(words, environment), Ok)
}

/// Parses a command line with the parser of all commands, which also writes help and errors.
pub(super) fn parse_all(
    words: Vec<OsString>,
    environment: &ProcessEnv,
) -> Result<ParsedCommandLine, clap::Error> {
    let mut command = command(&display_name(words.first()));
    let words = convert_booleans(&command, move_help(words));
    let mut matches =
        command.try_get_matches_from_mut(&words).map_err(|error| without_hidden(&command, error))?;
    let completed = env_inputs::complete(&Cli::command(), &matches, &words, &|name| environment.get(name));
    if let Some(words) = completed.map_err(|error| command.error(ErrorKind::InvalidValue, error))? {
        matches = command.try_get_matches_from_mut(words)?;
    }
    let document = document_format(&matches);
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((cli, document))
}

/// Returns the format that `--output` requests, whatever the command.
pub(super) fn document_format(matches: &ArgMatches) -> Option<DocumentFormat> {
    let (_, matches) = matches.subcommand()?;
    let mut values = matches.try_get_raw("output").ok().flatten()?;
    DocumentFormat::parse(values.next()?.to_str()?)
}

/// Returns the first known command in a command line, valid or not; empty without one.
pub(super) fn command_name(words: &[OsString]) -> String {
    let root = Cli::command();
    let is_command = |word: &&OsString| root.get_subcommands().any(|command| **word == *command.get_name());
    words.iter().skip(1).find(is_command).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Removes hidden commands from the list in an error.
fn without_hidden(command: &Command, mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::Strings(names)) = error.get(ContextKind::ValidSubcommand) {
        let is_shown = |name: &&String| {
            command.find_subcommand(name.as_str()).is_none_or(|command| !command.is_hide_set())
        };
        let shown: Vec<String> = names.iter().filter(is_shown).cloned().collect();
        error.insert(ContextKind::ValidSubcommand, ContextValue::Strings(shown));
    }
    error
}

/// Returns the name of the program as shown: `kubectl chaos` for a plugin.
pub(super) fn display_name(program: Option<&OsString>) -> String {
    let stem = program.map(Path::new).and_then(Path::file_stem).unwrap_or_default().to_string_lossy();
    stem.strip_prefix("kubectl-").map_or_else(|| stem.clone().into_owned(), |name| format!("kubectl {name}"))
}

/// Returns all commands; their help omits the global flags.
fn command(shown: &str) -> Command {
    let note = format!("\"{shown} options\" lists the global flags.");
    let root = Cli::command()
        .bin_name(shown.to_owned())
        .display_name(shown.to_owned())
        // the last of repeated flags wins, as in kubectl
        .args_override_self(true)
        .mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg })
        // the two forms of the arguments
        .mut_subcommand("compare", |compare| {
            let line = format!("{shown} compare [OPTIONS]");
            compare.override_usage(format!(
                "{line} <BEFORE> <AFTER>\n       {line} --before <FILE>... --after <FILE>..."
            ))
        });
    with_note(root, &note)
}

fn with_note(command: Command, note: &str) -> Command {
    let after =
        command.get_after_help().map_or_else(|| note.to_owned(), |after| format!("{after}\n\n{note}"));
    command.after_help(after).mut_subcommands(|inner| with_note(inner, note))
}

/// Returns the help of the global flags.
pub(super) fn options() -> String {
    let root = Cli::command();
    let flags = root.get_arguments().filter(|arg| arg.is_global_set() && !arg.is_hide_set()).cloned();
    let mut all = Command::new("options").disable_help_flag(true).help_template("{all-args}").args(flags);
    format!("The global flags can be given before or after the command.\n\n{}\n", all.render_long_help())
}

/// Converts `help run` to `run --help`.
fn move_help(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    words
}

/// Converts boolean flags of Go: `--quiet=true` becomes `--quiet`, and `--quiet=false` removes an earlier `--quiet`.
pub(super) fn convert_booleans(command: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let switches = switches(command);
    let mut out: Vec<OsString> = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            out.push(word);
            out.extend(words);
            break;
        }
        let boolean = word.to_str().and_then(|text| text.split_once('=')).and_then(|(flag, value)| {
            let spellings =
                switches.iter().find(|spellings| spellings.iter().any(|spelling| spelling == flag))?;
            Some((flag.to_owned(), spellings, parse_bool(value)?))
        });
        match boolean {
            None => out.push(word),
            Some((flag, _, true)) => out.push(flag.into()),
            Some((_, spellings, false)) => {
                out.retain(|earlier| !spellings.iter().any(|spelling| earlier == spelling.as_str()));
            }
        }
    }
    out
}

/// Returns the spellings of each flag without a value, for a command and its subcommands.
fn switches(command: &Command) -> Vec<Vec<String>> {
    let spellings = |arg: &clap::Arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        long.into_iter().chain(arg.get_short().map(|short| format!("-{short}"))).collect()
    };
    let flags = command.get_arguments().filter(|arg| matches!(arg.get_action(), ArgAction::SetTrue));
    flags.map(spellings).chain(command.get_subcommands().flat_map(switches)).collect()
}

/// Parses a boolean like Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn go_booleans_are_converted() {
        let command = command("kubectl chaos");
        let check = |line: &str, expected: &str| {
            assert_eq!(convert_booleans(&command, words(line)), words(expected), "{line}");
        };
        check("k run --fail-fast=true e", "k run --fail-fast e");
        check("k --quiet=T run -q=1 e", "k --quiet run -q e");
        check("k --quiet run e --quiet=false", "k run e");
        check("k -q run e --quiet=0", "k run e");
        check("k --quiet=false --quiet run e", "k --quiet run e");
        check("k run --quiet=maybe e", "k run --quiet=maybe e");
        check("k run --strict=false --journal-path=true e", "k run --strict=false --journal-path=true e");
        check("k run -- --quiet=true", "k run -- --quiet=true");
    }

    #[test]
    fn boolean_flags_take_no_value_in_any_command() {
        fn collect(command: &Command, flags: &mut Vec<String>) {
            let valued = command.get_arguments().filter(|arg| arg.get_action().takes_values());
            flags.extend(valued.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")));
            command.get_subcommands().for_each(|subcommand| collect(subcommand, flags));
        }
        let command = command("kubectl chaos");
        let mut with_values = Vec::new();
        collect(&command, &mut with_values);
        assert!(with_values.len() > 40);
        for switch in switches(&command).concat() {
            assert!(!with_values.contains(&switch), "{switch}");
        }
    }

    #[test]
    fn last_of_repeated_flags_wins() {
        let (cli, document) = parse(
            words("kubectl-chaos run -n a e.json -n b --quiet --quiet=true -v 2 -v=4 -o json"),
            &ProcessEnv::default(),
        )
        .unwrap();
        assert_eq!(cli.connection.into_options().namespace(), Some("b"));
        assert_eq!(document, Some(DocumentFormat::Json));
        assert_eq!((cli.global.quiet, cli.global.verbosity), (true, 4));
    }

    #[test]
    fn help_shows_the_plugin_name() {
        let help = |line: &str| parse(words(line), &ProcessEnv::default()).unwrap_err().to_string();
        for line in ["kubectl-chaos run --help", "/x/kubectl-chaos help run"] {
            let help = help(line);
            assert!(help.contains("Usage: kubectl chaos run [OPTIONS] <EXPERIMENT>..."), "{help}");
            assert!(help.contains("\"kubectl chaos options\" lists the global flags"), "{help}");
            assert!(!help.contains("--kubeconfig"), "{help}");
        }
        assert!(help("kubectl-other validate").contains("kubectl other validate"));
        assert!(help("chaos --help").contains("Usage: chaos <COMMAND>"));
        assert!(options().contains("--kubeconfig <FILE>") && options().contains("\nGlobal options:\n"));
    }
}
