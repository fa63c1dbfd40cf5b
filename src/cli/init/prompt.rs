//! Questions to a person at a terminal, one line each, on standard error. Floor 3.

use std::io::{BufRead, Write};

use clap::ValueEnum as _;

use super::spec::{check_name, parse_command, parse_selector, parse_service, parse_url};
use super::{FaultArg, InitArgs};

/// How often something is asked before it is given up.
const MAX_ATTEMPTS: usize = 3;

/// Somebody who reads questions and writes answers.
pub(super) struct Prompter<R, W> {
    answers: R,
    questions: W,
}

impl Prompter<std::io::StdinLock<'static>, std::io::Stderr> {
    /// The one at the terminal.
    pub(super) fn from_stdin() -> Self {
        Self { answers: std::io::stdin().lock(), questions: std::io::stderr() }
    }
}

impl<R: BufRead, W: Write> Prompter<R, W> {
    /// Asks until an answer will do. An empty one is the default, where there is one.
    fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        for _ in 0..MAX_ATTEMPTS {
            let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            // who does not see the question sees what is asked for in the end
            let _ = write!(self.questions, "{question}{shown} ").and_then(|()| self.questions.flush());
            let mut line = String::new();
            match self.answers.read_line(&mut line) {
                Ok(0) | Err(_) => return Err("there was no answer, and nothing was written".to_owned()),
                Ok(_) => {}
            }
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(why) => {
                    let _ = writeln!(self.questions, "{}", crate::console::sanitize(&why));
                }
            }
        }
        Err("that is no answer, and nothing was written".to_owned())
    }

    fn ask_pods(&mut self, args: &mut InitArgs) -> Result<(), String> {
        if args.label_selector.is_none() {
            let found = self.ask(
                "Which Pods may be killed? A label selector, such as app=web:",
                None,
                parse_selector,
            )?;
            args.label_selector = Some(found);
        }
        Ok(())
    }

    fn ask_target(&mut self, args: &mut InitArgs, kind: &str) -> Result<(), String> {
        if args.target.is_none() {
            let name = |name: &str| check_name(name, kind).map(|()| name.to_owned());
            args.target = Some(self.ask(&format!("Which {kind}?"), None, name)?);
        }
        Ok(())
    }

    /// How many replicas a Deployment has of which the cluster says nothing.
    pub(super) fn ask_replicas(&mut self, args: &mut InitArgs) -> Result<(), String> {
        let count = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err("a number, and more than 0".to_owned()),
            Ok(count) => Ok(count),
        };
        args.replicas =
            Some(self.ask("How many replicas does it have again afterwards?", Some("1"), count)?);
        Ok(())
    }

    fn ask_command(&mut self, args: &mut InitArgs) -> Result<(), String> {
        let command = |text: &str| parse_command(text).map(|_| text.to_owned());
        if args.command.is_none() {
            args.command = Some(self.ask("Which command makes it go wrong?", None, command)?);
        }
        if args.undo.is_none() && !args.no_undo {
            let undo = |text: &str| if text == "-" { Ok(None) } else { command(text).map(Some) };
            args.undo =
                self.ask("Which command puts it back? - when there is nothing to put back:", None, undo)?;
            args.no_undo = args.undo.is_none();
        }
        Ok(())
    }
}

impl<R: BufRead, W: Write> Prompter<R, W> {
    /// Fills in what is missing. An error says what could not be had.
    pub(super) fn fill_missing(&mut self, args: &mut InitArgs) -> Result<(), String> {
        if args.url.is_none() && args.service.is_none() {
            let either = |text: &str| {
                if text.contains("://") {
                    parse_url(text).map(|url| (Some(url), None))
                } else {
                    parse_service(text).map(|_| (None, Some(text.to_owned())))
                }
            };
            let question = "What has to go on answering? An address, or a Service, such as web:8080/health:";
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
                    let names: Vec<String> = all.iter().map(|fault| fault.name()).collect();
                    named.ok_or_else(|| format!("'{text}' is none of {}", names.join(", ")))
                };
                let question = "What is to go wrong? kill-pods, scale-to-zero, delete-service or process:";
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

    fn fill_from(answers: &str, args: InitArgs) -> (Result<(), String>, InitArgs, String) {
        let mut args = args;
        let mut questions = Vec::new();
        let done =
            Prompter { answers: answers.as_bytes(), questions: &mut questions }.fill_missing(&mut args);
        (done, args, String::from_utf8(questions).unwrap())
    }

    #[test]
    fn missing_values_are_prompted() {
        let (done, args, asked) = fill_from("web:8080/health\n\napp=web\n", InitArgs::default());
        assert_eq!(done, Ok(()));
        assert_eq!(
            (args.service.as_deref(), args.fault),
            (Some("web:8080/health"), Some(FaultArg::KillPods))
        );
        assert_eq!(args.label_selector.as_deref(), Some("app=web"));
        assert!(asked.contains("or process: [kill-pods] "), "{asked}");
        let mut whole = args.clone();
        Prompter { answers: b"0\n3\n".as_slice(), questions: Vec::new() }.ask_replicas(&mut whole).unwrap();
        assert_eq!(whole.replicas, Some(3));
        let (_, args, asked) = fill_from("web\n", InitArgs { fault: Some(FaultArg::ScaleToZero), ..args });
        assert_eq!((args.target.as_deref(), asked.as_str()), (Some("web"), "Which Deployment? "));
        let process =
            InitArgs { fault: Some(FaultArg::Process), url: Some("http://x/".into()), ..InitArgs::default() };
        let (_, args, _) = fill_from("stop it\n-\n", process.clone());
        assert_eq!((args.command.as_deref(), args.no_undo), (Some("stop it"), true));
        let (_, args, _) = fill_from("stop it\nstart it\n", process);
        assert_eq!((args.undo.as_deref(), args.no_undo), (Some("start it"), false));
    }

    #[test]
    fn fault_accepts_name_or_number() {
        let asked = || InitArgs { url: Some("http://x/".into()), ..InitArgs::default() };
        let (_, args, _) = fill_from("1\napp=web\n", asked());
        assert_eq!(args.fault, Some(FaultArg::KillPods));
        let (_, args, shown) = fill_from("0\n9\nScale-To-Zero\nweb\n", asked());
        assert_eq!(args.fault, Some(FaultArg::ScaleToZero));
        assert!(
            shown.contains("'9' is none of kill-pods, scale-to-zero, delete-service, process"),
            "{shown}"
        );
    }

    #[test]
    fn invalid_answers_are_asked_again() {
        let url = || InitArgs {
            url: Some("http://x/".into()),
            fault: Some(FaultArg::KillPods),
            ..InitArgs::default()
        };
        let (done, args, asked) = fill_from("\na!=b\napp=web\n", url());
        assert_eq!((done, args.label_selector.as_deref()), (Ok(()), Some("app=web")));
        assert!(asked.contains("does not say which Pods are meant"), "{asked}");
        let (done, ..) = fill_from("\n\n\n\n", url());
        assert!(done.unwrap_err().contains("no answer"));
        let (done, ..) = fill_from("", url());
        assert!(done.unwrap_err().contains("nothing was written"));
    }
}
