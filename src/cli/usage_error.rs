//! Errors of the command line itself: before any flag is known for certain.

use std::ffi::OsString;
use std::io::Write as _;

use clap::error::ErrorKind;

use super::annotate_failure;
use super::command_line::command_name;
use super::error_document::{DocumentFormat, error_document};
use super::exit_code::precise_code;
use crate::app::{AppError, new_run_id};
use crate::clock::Timestamp;
use crate::config::ProcessEnv;
use crate::console::{LineStyle, format_line};
use crate::error_code::ErrorCode;
use crate::github::workflow_command::neutralize;

/// Prints help, a version or a usage error. Returns the exit code.
pub(super) fn report(error: &clap::Error, words: &[OsString], environment: &ProcessEnv) -> u8 {
    // kubectl prints help without arguments and succeeds
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = write!(std::io::stdout(), "{}", error.render());
        return 0;
    }
    if !error.use_stderr() {
        let _ = error.print();
        return 0;
    }
    let usage = to_cli_error(error);
    let formats = Formats::scan(words);
    if formats.is_log_json {
        let style = LineStyle::Json { context: new_run_id(), process: std::process::id() };
        let _ = write!(std::io::stderr(), "{}", format_line(&usage.line(), Timestamp::now(), &style));
    } else if environment.get("GITHUB_ACTIONS").is_some() {
        // the text repeats arguments, and the runner parses it for workflow commands
        let _ = write!(std::io::stderr(), "{}", neutralize(&error.render().to_string()));
    } else {
        let _ = error.print();
    }
    if let Some(document) = formats.document {
        let _ = write!(std::io::stdout(), "{}", error_document(&usage, document));
    }
    let code = precise_code(usage.outcome);
    annotate_failure(&command_name(words), environment, &error.render().to_string(), code);
    code
}

/// Converts an error of clap: the first paragraph is the message, a tip is the hint.
fn to_cli_error(error: &clap::Error) -> AppError {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let message = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let tip = paragraphs.flat_map(str::lines).find_map(|line| line.trim().strip_prefix("tip: "));
    AppError::new(ErrorCode::UsageInvalid, message).with_hint(tip.unwrap_or("see --help"))
}

/// Machine-readable formats that a command line requests, valid or not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Formats {
    is_log_json: bool,
    document: Option<DocumentFormat>,
}

impl Formats {
    fn scan(words: &[OsString]) -> Self {
        let mut formats = Self::default();
        let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        for (index, word) in words.iter().enumerate() {
            let next = words.get(index + 1).copied().unwrap_or_default();
            let value_of = |flag: &str| match word.strip_prefix(flag) {
                Some("") => Some(next),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            if let Some(value) = value_of("--log-format") {
                formats.is_log_json = value == "json";
            }
            let attached = word.strip_prefix("-o").filter(|value| !value.starts_with('='));
            if let Some(value) = value_of("--output").or_else(|| value_of("-o")).or(attached) {
                formats.document = DocumentFormat::parse(value);
            }
        }
        formats
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::Cli;
    use clap::Parser as _;

    #[test]
    fn formats_are_found_in_any_spelling() {
        let check = |line: &str, is_log_json: bool, document: Option<DocumentFormat>| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(Formats::scan(&words), Formats { is_log_json, document }, "{line}");
        };
        let json = Some(DocumentFormat::Json);
        check("k run e", false, None);
        check("k run --log-format=json", true, None);
        check("k --log-format json run", true, None);
        check("k --log-format string run", false, None);
        check("k run -o json", false, json);
        check("k run -ojson", false, json);
        check("k run -o=JSON", false, json);
        check("k run --output agent", false, json);
        check("k run --output=yaml", false, Some(DocumentFormat::Yaml));
        check("k run -o text --options json", false, None);
        check("k run -o", false, None);
    }

    #[test]
    fn clap_error_becomes_message_and_hint() {
        let check = |line: &[&str], message: &str, hint: &str| {
            let error = to_cli_error(&Cli::try_parse_from(line).unwrap_err());
            assert_eq!((error.code, error.message.as_str()), (ErrorCode::UsageInvalid, message));
            assert_eq!(error.hint.as_deref(), Some(hint));
        };
        check(
            &["k", "run", "e", "--journal-pth", "x"],
            "unexpected argument '--journal-pth' found",
            "a similar argument exists: '--journal-path'",
        );
        check(
            &["k", "run"],
            "the following required arguments were not provided: <EXPERIMENT>...",
            "see --help",
        );
    }
}
