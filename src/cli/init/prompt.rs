//! Prompts for missing values on standard error, one line each.

use std::io::{BufRead, Write};

use crate::app::AppError;
use crate::app::init::spec::{
    SpecError, check_name, parse_command, parse_selector, parse_service, parse_url,
};
use crate::app::init::{FaultKind, InitPrompts, InitRequest};
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

    fn ask_pods(&mut self, request: &mut InitRequest) -> Result<(), PromptError> {
        if request.label_selector.is_none() {
            let selector = self.ask(
                "Which Pods may be killed? A label selector, such as app=web:",
                None,
                parse_selector,
            )?;
            request.label_selector = Some(selector);
        }
        Ok(())
    }

    fn ask_target(&mut self, request: &mut InitRequest, kind: &str) -> Result<(), PromptError> {
        if request.target.is_none() {
            let name = |name: &str| check_name(name, kind).map(|()| name.to_owned());
            request.target = Some(self.ask(&format!("Which {kind}?"), None, name)?);
        }
        Ok(())
    }

    fn ask_for_replicas(&mut self, request: &mut InitRequest) -> Result<(), PromptError> {
        let count = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(SpecError::Replicas(text.to_owned())),
            Ok(count) => Ok(count),
        };
        request.replicas = Some(self.ask("Replicas to restore afterwards?", Some("1"), count)?);
        Ok(())
    }

    fn ask_command(&mut self, request: &mut InitRequest) -> Result<(), PromptError> {
        let command = |text: &str| parse_command(text).map(|_| text.to_owned());
        if request.command.is_none() {
            request.command = Some(self.ask("Which command injects the fault?", None, command)?);
        }
        if request.undo.is_none() && !request.needs_no_undo {
            let undo = |text: &str| if text == "-" { Ok(None) } else { command(text).map(Some) };
            request.undo = self.ask("Which command undoes the fault? - if none:", None, undo)?;
            request.needs_no_undo = request.undo.is_none();
        }
        Ok(())
    }

    fn ask_missing(&mut self, request: &mut InitRequest) -> Result<(), PromptError> {
        if request.url.is_none() && request.service.is_none() {
            let either = |text: &str| {
                if text.contains("://") {
                    parse_url(text).map(|url| (Some(url), None))
                } else {
                    parse_service(text).map(|_| (None, Some(text.to_owned())))
                }
            };
            let question = "Which endpoint must stay available? A URL, or a Service such as web:8080/health:";
            (request.url, request.service) = self.ask(question, None, either)?;
        }
        let fault = match request.fault {
            Some(fault) => fault,
            None => {
                let fault = |text: &str| {
                    let all = FaultKind::ALL;
                    let by_number =
                        text.parse::<usize>().ok().and_then(|number| all.get(number.checked_sub(1)?));
                    let by_name = all.iter().find(|fault| fault.name().eq_ignore_ascii_case(text));
                    by_number.or(by_name).copied().ok_or_else(|| SpecError::UnknownFault {
                        name: text.to_owned(),
                        known: all.iter().map(|fault| fault.name()).collect(),
                    })
                };
                let question = "Which fault? kill-pods, scale-to-zero, delete-service or process:";
                self.ask(question, Some("kill-pods"), fault)?
            }
        };
        request.fault = Some(fault);
        match fault {
            FaultKind::KillPods => self.ask_pods(request),
            FaultKind::ScaleToZero => self.ask_target(request, "Deployment"),
            FaultKind::DeleteService => self.ask_target(request, "Service"),
            FaultKind::Process => self.ask_command(request),
        }
    }
}

impl<R: BufRead, W: Write> InitPrompts for Prompter<R, W> {
    fn fill_missing(&mut self, request: &mut InitRequest) -> Result<(), AppError> {
        Ok(self.ask_missing(request)?)
    }

    fn ask_replicas(&mut self, request: &mut InitRequest) -> Result<(), AppError> {
        Ok(self.ask_for_replicas(request)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill_from(answers: &str, request: InitRequest) -> (Result<(), PromptError>, InitRequest, String) {
        let mut request = request;
        let mut questions = Vec::new();
        let done =
            Prompter { answers: answers.as_bytes(), questions: &mut questions }.ask_missing(&mut request);
        (done, request, String::from_utf8(questions).unwrap())
    }

    #[test]
    fn missing_values_are_prompted() {
        let (done, request, output) = fill_from("web:8080/health\n\napp=web\n", InitRequest::default());
        assert_eq!(done, Ok(()));
        assert_eq!(
            (request.service.as_deref(), request.fault),
            (Some("web:8080/health"), Some(FaultKind::KillPods))
        );
        assert_eq!(request.label_selector.as_deref(), Some("app=web"));
        assert!(output.contains("or process: [kill-pods] "), "{output}");
        let mut changed = request.clone();
        Prompter { answers: b"0\n3\n".as_slice(), questions: Vec::new() }
            .ask_for_replicas(&mut changed)
            .unwrap();
        assert_eq!(changed.replicas, Some(3));
        let (_, request, output) =
            fill_from("web\n", InitRequest { fault: Some(FaultKind::ScaleToZero), ..request });
        assert_eq!((request.target.as_deref(), output.as_str()), (Some("web"), "Which Deployment? "));
        let process = InitRequest {
            fault: Some(FaultKind::Process),
            url: Some("http://x/".into()),
            ..InitRequest::default()
        };
        let (_, request, _) = fill_from("stop it\n-\n", process.clone());
        assert_eq!((request.command.as_deref(), request.needs_no_undo), (Some("stop it"), true));
        let (_, request, _) = fill_from("stop it\nstart it\n", process);
        assert_eq!((request.undo.as_deref(), request.needs_no_undo), (Some("start it"), false));
    }

    #[test]
    fn fault_accepts_name_or_number() {
        let output = || InitRequest { url: Some("http://x/".into()), ..InitRequest::default() };
        let (_, request, _) = fill_from("1\napp=web\n", output());
        assert_eq!(request.fault, Some(FaultKind::KillPods));
        let (_, request, transcript) = fill_from("0\n9\nScale-To-Zero\nweb\n", output());
        assert_eq!(request.fault, Some(FaultKind::ScaleToZero));
        assert!(
            transcript
                .contains("unknown fault '9': expected kill-pods, scale-to-zero, delete-service, process"),
            "{transcript}"
        );
    }

    #[test]
    fn invalid_answers_are_asked_again() {
        let url = || InitRequest {
            url: Some("http://x/".into()),
            fault: Some(FaultKind::KillPods),
            ..InitRequest::default()
        };
        let (done, request, output) = fill_from("\na!=b\napp=web\n", url());
        assert_eq!((done, request.label_selector.as_deref()), (Ok(()), Some("app=web")));
        assert!(output.contains("does not limit the Pods"), "{output}");
        let (done, ..) = fill_from("\n\n\n\n", url());
        assert_eq!(done, Err(PromptError::InvalidAnswers));
        let (done, ..) = fill_from("", url());
        assert_eq!(done, Err(PromptError::NoAnswer));
    }
}
