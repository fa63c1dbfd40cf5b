//! Prompts for missing values on standard error, one line each.

use std::io::{BufRead, Write};

use clap::ValueEnum as _;

use super::spec::{SpecError, check_name, parse_command, parse_selector, parse_service, parse_url};
use super::{FaultArg, InitArgs};
use crate::console::sanitize;
use crate::error_code::{Coded, ErrorCode, message_chain};

/// How many invalid answers are accepted.
const MAX_ATTEMPTS: usize = 3;

/// Why a value could not be prompted for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PromptError {
    #[error("no answer; nothing was written")]
    NoAnswer,
    #[error("no valid answer after {MAX_ATTEMPTS} attempts; nothing was written")]
    InvalidAnswers,
}

impl Coded for PromptError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InitInput
    }
}

/// Asks questions and reads answers.
pub(super) struct Prompter<R, W> {
    answers: R,
    questions: W,
}

impl Prompter<std::io::StdinLock<'static>, std::io::Stderr> {
    /// Creates a prompter for the terminal.
    pub(super) fn from_stdin() -> Self {
        Self { answers: std::io::stdin().lock(), questions: std::io::stderr() }
    }
}

impl<R: BufRead, W: Write> Prompter<R, W> {
    /// Asks until an answer is valid. An empty answer selects the default.
    fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, SpecError>,
    ) -> Result<T, PromptError> {
        for _ in 0..MAX_ATTEMPTS {
            let suffix = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            // if the question cannot be shown, reading the answer fails as well
            let _ = write!(self.questions, "{question}{suffix} ").and_then(|()| self.questions.flush());
            let mut line = String::new();
            match self.answers.read_line(&mut line) {
                Ok(0) | Err(_) => return Err(PromptError::NoAnswer),
                Ok(_) => {}
            }
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                (answer, _) => answer,
            };
            match parse(answer) {
                Ok(value) => return Ok(value),
                Err(error) => self.explain(&error),
            }
        }
        Err(PromptError::InvalidAnswers)
    }

    /// Shows why an answer is invalid.
    fn explain(&mut self, error: &SpecError) {
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        // if standard error is closed, reading the next answer fails as well
        let _ = writeln!(self.questions, "{}", sanitize(&format!("{}{hint}", message_chain(error))));
    }

    fn ask_pods(&mut self, args: &mut InitArgs) -> Result<(), PromptError> {
        if args.label_selector.is_none() {
            let selector = self.ask(
                "Which Pods may be killed? A label selector, such as app=web:",
                None,
                parse_selector,
            )?;
            args.label_selector = Some(selector);
        }
        Ok(())
    }

    fn ask_target(&mut self, args: &mut InitArgs, kind: &str) -> Result<(), PromptError> {
        if args.target.is_none() {
            let name = |name: &str| check_name(name, kind).map(|()| name.to_owned());
            args.target = Some(self.ask(&format!("Which {kind}?"), None, name)?);
        }
        Ok(())
    }

    /// Asks for the number of replicas, which the cluster does not know.
    pub(super) fn ask_replicas(&mut self, args: &mut InitArgs) -> Result<(), PromptError> {
        let count = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(SpecError::Replicas(text.to_owned())),
            Ok(count) => Ok(count),
        };
        args.replicas = Some(self.ask("Replicas to restore afterwards?", Some("1"), count)?);
        Ok(())
    }

    fn ask_command(&mut self, args: &mut InitArgs) -> Result<(), PromptError> {
        let command = |text: &str| parse_command(text).map(|_| text.to_owned());
        if args.command.is_none() {
            args.command = Some(self.ask("Which command injects the fault?", None, command)?);
        }
        if args.undo.is_none() && !args.no_undo {
            let undo = |text: &str| if text == "-" { Ok(None) } else { command(text).map(Some) };
            args.undo = self.ask("Which command undoes the fault? - if none:", None, undo)?;
            args.no_undo = args.undo.is_none();
        }
        Ok(())
    }
}

impl<R: BufRead, W: Write> Prompter<R, W> {
    /// Prompts for missing values.
    pub(super) fn fill_missing(&mut self, args: &mut InitArgs) -> Result<(), PromptError> {
        if args.url.is_none() && args.service.is_none() {
            let either = |text: &str| {
                if text.contains("://") {
                    parse_url(text).map(|url| (Some(url), None))
                } else {
                    parse_service(text).map(|_| (None, Some(text.to_owned())))
                }
            };
            let question = "Which endpoint must stay available? A URL, or a Service such as web:8080/health:";
            (args.url, args.service) = self.ask(question, None, either)?;
        }
        let fault = match args.fault {
            Some(fault) => fault,
            None => {
                let fault = |text: &str| {
                    let all = FaultArg::value_variants();
                    let by_number =
                        text.parse::<usize>().ok().and_then(|number| all.get(number.checked_sub(1)?));
                    let named = by_number.copied().or_else(|| FaultArg::from_str(text, true).ok());
                    named.ok_or_else(|| SpecError::UnknownFault {
                        name: text.to_owned(),
                        known: all.iter().map(|fault| fault.name()).collect(),
                    })
                };
                let question = "Which fault? kill-pods, scale-to-zero, delete-service or process:";
                self.ask(question, Some("kill-pods"), fault)?
            }
        };
        args.fault = Some(fault);
        match fault {
            FaultArg::KillPods => self.ask_pods(args),
            FaultArg::ScaleToZero => self.ask_target(args, "Deployment"),
            FaultArg::DeleteService => self.ask_target(args, "Service"),
            FaultArg::Process => self.ask_command(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill_from(answers: &str, args: InitArgs) -> (Result<(), PromptError>, InitArgs, String) {
        let mut args = args;
        let mut questions = Vec::new();
        let done =
            Prompter { answers: answers.as_bytes(), questions: &mut questions }.fill_missing(&mut args);
        (done, args, String::from_utf8(questions).unwrap())
    }

    #[test]
    fn missing_values_are_prompted() {
        let (done, args, output) = fill_from("web:8080/health\n\napp=web\n", InitArgs::default());
        assert_eq!(done, Ok(()));
        assert_eq!(
            (args.service.as_deref(), args.fault),
            (Some("web:8080/health"), Some(FaultArg::KillPods))
        );
        assert_eq!(args.label_selector.as_deref(), Some("app=web"));
        assert!(output.contains("or process: [kill-pods] "), "{output}");
        let mut whole = args.clone();
        Prompter { answers: b"0\n3\n".as_slice(), questions: Vec::new() }.ask_replicas(&mut whole).unwrap();
        assert_eq!(whole.replicas, Some(3));
        let (_, args, output) = fill_from("web\n", InitArgs { fault: Some(FaultArg::ScaleToZero), ..args });
        assert_eq!((args.target.as_deref(), output.as_str()), (Some("web"), "Which Deployment? "));
        let process =
            InitArgs { fault: Some(FaultArg::Process), url: Some("http://x/".into()), ..InitArgs::default() };
        let (_, args, _) = fill_from("stop it\n-\n", process.clone());
        assert_eq!((args.command.as_deref(), args.no_undo), (Some("stop it"), true));
        let (_, args, _) = fill_from("stop it\nstart it\n", process);
        assert_eq!((args.undo.as_deref(), args.no_undo), (Some("start it"), false));
    }

    #[test]
    fn fault_accepts_name_or_number() {
        let output = || InitArgs { url: Some("http://x/".into()), ..InitArgs::default() };
        let (_, args, _) = fill_from("1\napp=web\n", output());
        assert_eq!(args.fault, Some(FaultArg::KillPods));
        let (_, args, transcript) = fill_from("0\n9\nScale-To-Zero\nweb\n", output());
        assert_eq!(args.fault, Some(FaultArg::ScaleToZero));
        assert!(
            transcript
                .contains("unknown fault '9': expected kill-pods, scale-to-zero, delete-service, process"),
            "{transcript}"
        );
    }

    #[test]
    fn invalid_answers_are_asked_again() {
        let url = || InitArgs {
            url: Some("http://x/".into()),
            fault: Some(FaultArg::KillPods),
            ..InitArgs::default()
        };
        let (done, args, output) = fill_from("\na!=b\napp=web\n", url());
        assert_eq!((done, args.label_selector.as_deref()), (Ok(()), Some("app=web")));
        assert!(output.contains("does not limit the Pods"), "{output}");
        let (done, ..) = fill_from("\n\n\n\n", url());
        assert_eq!(done, Err(PromptError::InvalidAnswers));
        let (done, ..) = fill_from("", url());
        assert_eq!(done, Err(PromptError::NoAnswer));
    }
}
