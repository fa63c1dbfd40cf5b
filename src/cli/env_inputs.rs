//! Inputs of the GitHub Action, or of any CI system: environment variables as defaults of flags.
//!
//! `KUBECTL_CHAOS_INPUT_READY_TIMEOUT` is the default of `--ready-timeout`. An empty variable is ignored. A repeatable
//! flag takes one value per line. A flag without a value takes `true` or `false`. `recover` uses the input of
//! `--output-dir`, the directory that `ci` writes and `publish` reads, as `--from`; there an empty input is the default
//! directory.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::app::ci::OUTPUT_DIR;
use crate::text::truncate_line;

/// Prefix of the variables.
const PREFIX: &str = "KUBECTL_CHAOS_INPUT_";
/// Commands that read inputs.
const COMMANDS: [&str; 3] = ["ci", "publish", "recover"];
/// Global flags that are inputs, too.
const GLOBAL: [&str; 4] = ["kubeconfig", "context", "namespace", "seed"];

/// Flag of `recover` for the results directory, and the flag whose input it uses.
const DIR_FLAGS: (&str, &str) = ("from", "output-dir");

/// Maximum length of a value in an error, in characters.
const MAX_SHOWN: usize = 100;

/// Error of an input. The name is that of the flag.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InputError {
    #[error("invalid input '{flag}': expected true or false, not '{}'", truncate_line(value, MAX_SHOWN))]
    NotBoolean { flag: String, value: String },
    #[error("invalid input '{flag}': expected one value, not several lines")]
    MultipleLines { flag: String },
}

/// Returns the variable of a flag.
pub(super) fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"))
}

/// Returns the command line with the inputs added; `None` if there are none.
pub(super) fn complete(
    command: &Command,
    matches: &ArgMatches,
    words: &[OsString],
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Vec<OsString>>, InputError> {
    let Some((name, command_matches)) = matches.subcommand().filter(|(name, _)| COMMANDS.contains(name))
    else {
        return Ok(None);
    };
    let args = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    let is_recovery = name == "recover";
    let args =
        args.filter(|arg| !is_recovery || ["allow_context", DIR_FLAGS.0].contains(&arg.get_id().as_str()));
    let global = command.get_arguments().filter(|arg| GLOBAL.contains(&arg.get_id().as_str()));
    let mut added = Vec::new();
    for arg in args.chain(global) {
        let is_given = command_matches.value_source(arg.get_id().as_str())
            == Some(clap::parser::ValueSource::CommandLine);
        let Some(flag) = arg.get_long().filter(|_| !is_given) else { continue };
        if is_recovery && flag == DIR_FLAGS.0 {
            let is_trial_given =
                command_matches.value_source("trial") == Some(clap::parser::ValueSource::CommandLine);
            // without a directory, recover would clean up the whole cluster
            let dir = get(&variable(DIR_FLAGS.1)).filter(|_| !is_trial_given);
            let dir = dir.map(|dir| if dir.trim().is_empty() { OUTPUT_DIR.to_owned() } else { dir });
            added.extend(dir.map(|dir| to_words(arg, flag, &dir)).transpose()?.unwrap_or_default());
        } else if let Some(value) = get(&variable(flag)) {
            added.extend(to_words(arg, flag, &value)?);
        }
    }
    if added.is_empty() {
        return Ok(None);
    }
    let mut words = words.to_vec();
    // words after -- are not flags
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words.splice(end..end, added.into_iter().map(OsString::from));
    Ok(Some(words))
}

/// Converts an input to words of the command line.
fn to_words(arg: &Arg, flag: &str, value: &str) -> Result<Vec<String>, InputError> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(Vec::new());
    }
    match arg.get_action() {
        ArgAction::SetTrue => match value {
            "true" => Ok(vec![format!("--{flag}")]),
            "false" => Ok(Vec::new()),
            _ => Err(InputError::NotBoolean { flag: flag.to_owned(), value: value.to_owned() }),
        },
        ArgAction::Append => {
            let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
            Ok(lines.map(|line| format!("--{flag}={line}")).collect())
        }
        _ if value.contains(['\n', '\r']) => Err(InputError::MultipleLines { flag: flag.to_owned() }),
        _ => Ok(vec![format!("--{flag}={value}")]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::Cli;
    use clap::CommandFactory as _;

    fn complete_line(line: &[&str], inputs: &[(&str, &str)]) -> Result<Vec<String>, InputError> {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let matches = Cli::command().try_get_matches_from(&words).unwrap();
        let find = |name: &str| inputs.iter().find(|(flag, _)| variable(flag) == name);
        let get = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        let words = complete(&Cli::command(), &matches, &words, &get)?;
        Ok(words.unwrap_or_default().into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn inputs_are_defaults_of_flags() {
        let check = |line: &[&str], inputs: &[(&str, &str)], expected: &[&str]| {
            let expected: Vec<_> = line.iter().chain(expected).collect();
            assert_eq!(
                complete_line(line, inputs).unwrap().iter().collect::<Vec<_>>(),
                expected,
                "{inputs:?}"
            );
        };
        let ci = ["k", "ci"];
        check(&ci, &[("experiment", " e.json\n")], &["--experiment=e.json"]);
        check(&ci, &[("before", "a\n\n  b c \n"), ("repeat", "")], &["--before=a", "--before=b c"]);
        check(&ci, &[("var", "x=1\ny=--z")], &["--var=x=1", "--var=y=--z"]);
        check(&ci, &[("embedded", "true"), ("in-place", "false")], &["--embedded"]);
        check(
            &ci,
            &[("ready-timeout", "3m"), ("context", "kind-a")],
            &["--ready-timeout=3m", "--context=kind-a"],
        );
        check(&["k", "ci", "--repeat", "5"], &[("repeat", "3"), ("sample", "1s")], &["--sample=1s"]);
        check(
            &["k", "publish"],
            &[("comment", "never"), ("dry-run", "true")],
            &["--comment=never", "--dry-run"],
        );
        check(&["k", "recover"], &[("context", "kind-a"), ("yes", "true")], &["--context=kind-a"]);
        check(
            &["k", "recover", "--from", "d"],
            &[("allow-context", "a\nb*")],
            &["--allow-context=a", "--allow-context=b*"],
        );
        // never without a directory
        let recover = ["k", "recover", "--yes"];
        check(&recover, &[("output-dir", " -x\n")], &["--from=-x"]);
        check(&recover, &[("output-dir", " \n")], &["--from=chaos-results"]);
        assert!(complete_line(&recover, &[("from", "elsewhere")]).unwrap().is_empty());
        assert!(complete_line(&["k", "recover", "0a1b"], &[("output-dir", "e")]).unwrap().is_empty());
        check(&["k", "recover", "--from", "d"], &[("output-dir", "e"), ("context", "c")], &["--context=c"]);
        // before --
        let words = complete_line(&["k", "publish", "--", "-odd"], &[("comment-id", "x")]).unwrap();
        assert_eq!(words, ["k", "publish", "--comment-id=x", "--", "-odd"]);
        // other commands read no inputs, and the token is no input
        assert!(complete_line(&["k", "run", "e"], &[("context", "x")]).unwrap().is_empty());
        assert!(complete_line(&ci, &[("token", "t"), ("nothing", "x")]).unwrap().is_empty());
    }

    #[test]
    fn invalid_input_is_named_in_the_error() {
        let check = |inputs: &[(&str, &str)], expected: &str| {
            assert_eq!(complete_line(&["k", "ci"], inputs).unwrap_err().to_string(), expected);
        };
        check(&[("embedded", "True")], "invalid input 'embedded': expected true or false, not 'True'");
        check(&[("in-place", "yes")], "invalid input 'in-place': expected true or false, not 'yes'");
        check(&[("experiment", "a\nb")], "invalid input 'experiment': expected one value, not several lines");
    }
}
