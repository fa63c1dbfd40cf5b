//! Inputs of the GitHub Action, and of any CI that would rather set variables: each stands for a flag that was not
//! given. Floor 3.
//!
//! `KUBECTL_CHAOS_INPUT_READY_TIMEOUT` is `--ready-timeout`. An empty one is none. A flag that may be repeated takes
//! one value per line. One that takes no value is `true` or `false`. The folder that `ci` writes and `publish` reads is the
//! one that `recover` cleans up after: there it is `--from`, and never none.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::ci::OUTPUT_DIR;

/// What the names of inputs begin with.
const PREFIX: &str = "KUBECTL_CHAOS_INPUT_";
/// The commands that look at inputs.
const COMMANDS: [&str; 3] = ["ci", "publish", "recover"];
/// Flags of every command that are inputs, too.
const GLOBAL: [&str; 4] = ["kubeconfig", "context", "namespace", "seed"];

/// The flag of `recover` for the folder of a trial, and the flag of the others by whose input it is filled.
const FOLDER: (&str, &str) = ("from", "output-dir");

/// The variable that stands for a flag.
pub(super) fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"))
}

/// The command line with what inputs say put into it; nothing where they say nothing more. An error says which of them
/// cannot be used.
pub(super) fn complete(
    command: &Command,
    matches: &ArgMatches,
    words: &[OsString],
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Vec<OsString>>, String> {
    let Some((name, given)) = matches.subcommand().filter(|(name, _)| COMMANDS.contains(name)) else {
        return Ok(None);
    };
    let own = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    let is_recovery = name == "recover";
    let own = own.filter(|arg| !is_recovery || ["allow_context", FOLDER.0].contains(&arg.get_id().as_str()));
    let global = command.get_arguments().filter(|arg| GLOBAL.contains(&arg.get_id().as_str()));
    let mut more = Vec::new();
    for arg in own.chain(global) {
        let is_given =
            given.value_source(arg.get_id().as_str()) == Some(clap::parser::ValueSource::CommandLine);
        let Some(flag) = arg.get_long().filter(|_| !is_given) else { continue };
        if is_recovery && flag == FOLDER.0 {
            let is_else_said = given.value_source("trial") == Some(clap::parser::ValueSource::CommandLine);
            // an empty one is the usual folder: without any, everything on the cluster would be meant
            let folder = get(&variable(FOLDER.1)).filter(|_| !is_else_said);
            let folder =
                folder.map(|folder| if folder.trim().is_empty() { OUTPUT_DIR.to_owned() } else { folder });
            more.extend(folder.map(|folder| as_words(arg, flag, &folder)).transpose()?.unwrap_or_default());
        } else if let Some(value) = get(&variable(flag)) {
            more.extend(as_words(arg, flag, &value)?);
        }
    }
    if more.is_empty() {
        return Ok(None);
    }
    let mut words = words.to_vec();
    // behind -- a flag would be none
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    words.splice(end..end, more.into_iter().map(OsString::from));
    Ok(Some(words))
}

/// What an input comes to on the command line.
fn as_words(arg: &Arg, flag: &str, value: &str) -> Result<Vec<String>, String> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(Vec::new());
    }
    match arg.get_action() {
        ArgAction::SetTrue => match value {
            "true" => Ok(vec![format!("--{flag}")]),
            "false" => Ok(Vec::new()),
            _ => Err(format!("the input '{flag}' is true or false, not '{}'", shown(value))),
        },
        ArgAction::Append => {
            let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
            Ok(lines.map(|line| format!("--{flag}={line}")).collect())
        }
        _ if value.contains(['\n', '\r']) => {
            Err(format!("the input '{flag}' takes one value, and has several lines"))
        }
        _ => Ok(vec![format!("--{flag}={value}")]),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::Cli;
    use clap::CommandFactory as _;

    fn completed(line: &[&str], inputs: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let matches = Cli::command().try_get_matches_from(&words).unwrap();
        let find = |name: &str| inputs.iter().find(|(known, _)| variable(known) == name);
        let get = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        let words = complete(&Cli::command(), &matches, &words, &get)?;
        Ok(words.unwrap_or_default().into_iter().map(|word| word.into_string().unwrap()).collect())
    }

    #[test]
    fn inputs_stand_for_flags_that_are_not_given() {
        let check = |line: &[&str], inputs: &[(&str, &str)], expected: &[&str]| {
            let expected: Vec<_> = line.iter().chain(expected).collect();
            assert_eq!(completed(line, inputs).unwrap().iter().collect::<Vec<_>>(), expected, "{inputs:?}");
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
        // the folder is the job's, and never all there are
        let recover = ["k", "recover", "--yes"];
        check(&recover, &[("output-dir", " -x\n")], &["--from=-x"]);
        check(&recover, &[("output-dir", " \n")], &["--from=chaos-results"]);
        assert!(completed(&recover, &[("from", "elsewhere")]).unwrap().is_empty());
        assert!(completed(&["k", "recover", "0a1b"], &[("output-dir", "e")]).unwrap().is_empty());
        check(&["k", "recover", "--from", "d"], &[("output-dir", "e"), ("context", "c")], &["--context=c"]);
        // before what is no flag
        let words = completed(&["k", "publish", "--", "-odd"], &[("comment-id", "x")]).unwrap();
        assert_eq!(words, ["k", "publish", "--comment-id=x", "--", "-odd"]);
        // other commands look at none, and a token is none
        assert!(completed(&["k", "run", "e"], &[("context", "x")]).unwrap().is_empty());
        assert!(completed(&ci, &[("token", "t"), ("nothing", "x")]).unwrap().is_empty());
    }

    #[test]
    fn what_an_input_cannot_be_is_refused_by_name() {
        let check = |inputs: &[(&str, &str)], expected: &str| {
            assert_eq!(completed(&["k", "ci"], inputs).unwrap_err(), expected);
        };
        check(&[("embedded", "True")], "the input 'embedded' is true or false, not 'True'");
        check(&[("in-place", "yes")], "the input 'in-place' is true or false, not 'yes'");
        check(&[("experiment", "a\nb")], "the input 'experiment' takes one value, and has several lines");
    }
}
