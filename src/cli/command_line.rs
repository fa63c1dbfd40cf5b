//! The command line as kubectl's users write it: its help, its booleans, the flags of every command. Floor 3.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command, CommandFactory as _, FromArgMatches as _};

use super::args::Cli;
use super::{env_inputs, one_command};
use crate::config::ProcessEnv;

/// Reads a command line, the program's own name first. An error may be the help that was asked for.
/// What it leaves out, inputs may say.
pub(super) fn parse(words: Vec<OsString>, environment: &ProcessEnv) -> Result<Cli, clap::Error> {
    one_command::parse(&words).map_or_else(|| parse_all(words, environment), Ok)
}

/// Reads a command line with the parser of all commands, which also writes help and errors.
pub(super) fn parse_all(words: Vec<OsString>, environment: &ProcessEnv) -> Result<Cli, clap::Error> {
    let mut command = command(&shown_as(words.first()));
    let words = with_switches(&command, with_help_in_its_place(words));
    let mut matches =
        command.try_get_matches_from_mut(&words).map_err(|error| without_hidden(&command, error))?;
    let completed = env_inputs::complete(&Cli::command(), &matches, &words, &|name| environment.get(name));
    if let Some(words) = completed.map_err(|error| command.error(ErrorKind::InvalidValue, error))? {
        matches = command.try_get_matches_from_mut(words)?;
    }
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The command that a command line names, read or not; nothing where it names none.
pub(super) fn command_of(words: &[OsString]) -> String {
    let root = Cli::command();
    let known = |word: &&OsString| root.get_subcommands().any(|command| **word == *command.get_name());
    words.iter().skip(1).find(known).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Commands that are hidden are not listed either where one is missing.
fn without_hidden(command: &Command, mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::Strings(names)) = error.get(ContextKind::ValidSubcommand) {
        let is_shown =
            |name: &&String| command.find_subcommand(name.as_str()).is_none_or(|found| !found.is_hide_set());
        let shown: Vec<String> = names.iter().filter(is_shown).cloned().collect();
        error.insert(ContextKind::ValidSubcommand, ContextValue::Strings(shown));
    }
    error
}

/// How the program is known: as a plugin as `kubectl chaos`, else by its own name.
pub(super) fn shown_as(program: Option<&OsString>) -> String {
    let stem = program.map(Path::new).and_then(Path::file_stem).unwrap_or_default().to_string_lossy();
    stem.strip_prefix("kubectl-").map_or_else(|| stem.clone().into_owned(), |name| format!("kubectl {name}"))
}

/// Every command, its help without the flags that all of them take.
fn command(shown: &str) -> Command {
    let hint = format!("\"{shown} options\" lists the flags that every command takes.");
    let root = Cli::command()
        .bin_name(shown.to_owned())
        .display_name(shown.to_owned())
        // of a flag that is given twice the last one counts, as for kubectl
        .args_override_self(true)
        .mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg })
        // which of its arguments go together
        .mut_subcommand("compare", |compare| {
            let line = format!("{shown} compare [OPTIONS]");
            compare.override_usage(format!(
                "{line} <BEFORE> <AFTER>\n       {line} --before <FILE>... --after <FILE>..."
            ))
        });
    with_hint(root, &hint)
}

fn with_hint(command: Command, hint: &str) -> Command {
    let after =
        command.get_after_help().map_or_else(|| hint.to_owned(), |after| format!("{after}\n\n{hint}"));
    command.after_help(after).mut_subcommands(|inner| with_hint(inner, hint))
}

/// The flags that every command takes, with what they do.
pub(super) fn options() -> String {
    let root = Cli::command();
    let flags = root.get_arguments().filter(|arg| arg.is_global_set() && !arg.is_hide_set()).cloned();
    let mut all = Command::new("options").disable_help_flag(true).help_template("{all-args}").args(flags);
    format!("These flags stand before a command or after it.\n\n{}\n", all.render_long_help())
}

/// `help run` is `run --help`.
fn with_help_in_its_place(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    words
}

/// Switches as Go's flags take them: `--quiet=true` is `--quiet`, and `--quiet=false` takes one before it back.
pub(super) fn with_switches(command: &Command, words: Vec<OsString>) -> Vec<OsString> {
    let switches = switches(command);
    let mut out: Vec<OsString> = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            out.push(word);
            out.extend(words);
            break;
        }
        let said = word.to_str().and_then(|text| text.split_once('=')).and_then(|(flag, value)| {
            let spellings = switches.iter().find(|spellings| spellings.iter().any(|known| known == flag))?;
            Some((flag.to_owned(), spellings, truth(value)?))
        });
        match said {
            None => out.push(word),
            Some((flag, _, true)) => out.push(flag.into()),
            Some((_, spellings, false)) => {
                out.retain(|earlier| !spellings.iter().any(|known| earlier == known.as_str()));
            }
        }
    }
    out
}

/// The spellings of each flag without a value, of a command and of those below it.
fn switches(command: &Command) -> Vec<Vec<String>> {
    let spellings = |arg: &clap::Arg| {
        let long = arg.get_long().map(|long| format!("--{long}"));
        long.into_iter().chain(arg.get_short().map(|short| format!("-{short}"))).collect()
    };
    let own = command.get_arguments().filter(|arg| matches!(arg.get_action(), ArgAction::SetTrue));
    own.map(spellings).chain(command.get_subcommands().flat_map(switches)).collect()
}

/// What Go's `strconv.ParseBool` makes of a text.
fn truth(text: &str) -> Option<bool> {
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
    fn switches_are_gos() {
        let command = command("kubectl chaos");
        let check = |line: &str, expected: &str| {
            assert_eq!(with_switches(&command, words(line)), words(expected), "{line}");
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
    fn no_switch_is_a_flag_with_a_value_elsewhere() {
        fn valued(command: &Command, found: &mut Vec<String>) {
            let own = command.get_arguments().filter(|arg| arg.get_action().takes_values());
            found.extend(own.filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")));
            command.get_subcommands().for_each(|inner| valued(inner, found));
        }
        let command = command("kubectl chaos");
        let mut with_values = Vec::new();
        valued(&command, &mut with_values);
        assert!(with_values.len() > 40);
        for switch in switches(&command).concat() {
            assert!(!with_values.contains(&switch), "{switch}");
        }
    }

    #[test]
    fn of_a_flag_that_is_given_twice_the_last_one_counts() {
        let parsed = parse(
            words("kubectl-chaos run -n a e.json -n b --quiet --quiet=true -v 2 -v=4"),
            &ProcessEnv::default(),
        )
        .unwrap();
        assert_eq!(parsed.connection.namespace(), Some("b"));
        assert_eq!((parsed.global.quiet, parsed.global.verbosity), (true, 4));
    }

    #[test]
    fn help_is_that_of_a_plugin() {
        let said = |line: &str| parse(words(line), &ProcessEnv::default()).unwrap_err().to_string();
        for line in ["kubectl-chaos run --help", "/x/kubectl-chaos help run"] {
            let help = said(line);
            assert!(help.contains("Usage: kubectl chaos run [OPTIONS] <EXPERIMENT>..."), "{help}");
            assert!(help.contains("\"kubectl chaos options\" lists the flags"), "{help}");
            assert!(!help.contains("--kubeconfig"), "{help}");
        }
        assert!(said("kubectl-other validate").contains("kubectl other validate"));
        assert!(said("chaos --help").contains("Usage: chaos <COMMAND>"));
        assert!(options().contains("--kubeconfig <FILE>") && options().contains("\nGlobal options:\n"));
    }
}
