//! Completes the last word of a command line, based on clap's command model. Pure.

use std::collections::BTreeSet;
use std::fmt;

use clap::{Arg, ArgAction, Command, ValueHint};

/// What the shell does with the candidates: directives of Cobra, kubectl's command library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CobraDirective {
    /// Complete file names if there are no candidates.
    Files = 0,
    /// Do not complete file names.
    NoFiles = 4,
    /// Add no space, and do not complete file names.
    NoSpace = 6,
    /// The candidates are file extensions.
    FileExtensions = 8,
    /// Complete directory names.
    Directories = 16,
}

/// Candidates that are not part of the command line model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DynamicSource {
    /// Contexts of the kubeconfig files.
    Contexts,
    /// Clusters of the kubeconfig files.
    Clusters,
    /// Users of the kubeconfig files.
    Users,
    /// Namespaces of the cluster.
    Namespaces,
    /// Built-in functions and their modules.
    Functions,
    /// Trials that left objects in the cluster.
    Trials,
}

/// A word and its description.
pub(super) type Candidate = (String, String);

/// Looks up dynamic candidates. It gets the global flags, one word each.
pub(super) type LookUpFn<'a> = dyn FnMut(DynamicSource, &[String]) -> Vec<Candidate> + 'a;

/// The candidates for the last word.
pub(super) struct Candidates {
    candidates: Vec<Candidate>,
    directive: CobraDirective,
}

/// Writes one candidate per line, its description after a tab; the directive is the last line.
impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, about) in &self.candidates {
            let about = about.lines().next().unwrap_or_default().replace(|c: char| c.is_control(), " ");
            match about.trim() {
                // skip names that could control a terminal
                _ if word.is_empty() || word.contains(|c: char| c.is_control()) => {}
                "" => writeln!(f, "{word}")?,
                about => writeln!(f, "{word}\t{about}")?,
            }
        }
        writeln!(f, ":{}", self.directive as u8)
    }
}

/// Completes the last word, which may be empty.
pub(super) fn complete(mut root: Command, words: &[String], look_up: &mut LookUpFn<'_>) -> Candidates {
    // propagates the global flags
    root.build();
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let mut cursor = CursorContext::new(&root);
    for word in before {
        cursor.advance(word);
    }
    cursor.candidates(last, look_up)
}

/// The position of the last word in the command line.
struct CursorContext<'a> {
    command: &'a Command,
    /// The flag whose value comes next.
    pending: Option<&'a Arg>,
    /// The flag that accepts more values.
    open: Option<&'a Arg>,
    /// The number of positional arguments.
    passed: usize,
    /// Whether `--` ended the flags.
    plain: bool,
    used: BTreeSet<String>,
    /// The global flags, one word each.
    given: Vec<String>,
}

impl<'a> CursorContext<'a> {
    fn new(command: &'a Command) -> Self {
        Self {
            command,
            pending: None,
            open: None,
            passed: 0,
            plain: false,
            used: BTreeSet::new(),
            given: Vec::new(),
        }
    }

    /// Processes a complete word.
    fn advance(&mut self, word: &str) {
        if let Some(flag) = self.pending.take() {
            self.record_flag(flag, Some(word));
            self.open = takes_several(flag).then_some(flag);
        } else if !self.plain && word == "--" {
            (self.plain, self.open) = (true, None);
        } else if !self.plain && word.starts_with("--") {
            self.open = None;
            let (name, value) =
                word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            if let Some(flag) = self.find_flag(name) {
                self.advance_flag(flag, value);
            }
        } else if !self.plain && word.len() > 1 && word.starts_with('-') {
            self.open = None;
            self.advance_short_flags(&word[1..]);
        } else if self.open.is_some() {
            // one more value of the flag
        } else if let Some(subcommand) = self.find_subcommand(word) {
            (self.command, self.passed) = (subcommand, 0);
        } else {
            self.passed += 1;
        }
    }

    fn advance_flag(&mut self, flag: &'a Arg, value: Option<&str>) {
        let takes = flag.get_action().takes_values();
        if takes && value.is_none() && !flag.is_require_equals_set() {
            self.pending = Some(flag);
        } else {
            self.record_flag(flag, value);
        }
    }

    /// Processes combined short flags; the last one may have its value attached.
    fn advance_short_flags(&mut self, letters: &str) {
        for (at, letter) in letters.char_indices() {
            let Some(flag) = self.find_flag(&format!("-{letter}")) else { return };
            if flag.get_action().takes_values() {
                let rest = &letters[at + letter.len_utf8()..];
                let value = rest.strip_prefix('=').unwrap_or(rest);
                return self.advance_flag(flag, Some(value).filter(|value| !value.is_empty()));
            }
            self.record_flag(flag, None);
        }
    }

    fn record_flag(&mut self, flag: &Arg, value: Option<&str>) {
        self.used.insert(flag.get_id().to_string());
        if let Some(long) = flag.get_long().filter(|_| flag.is_global_set()) {
            self.given.push(value.map_or_else(|| format!("--{long}"), |value| format!("--{long}={value}")));
        }
    }

    /// Finds a flag by `--namespace` or `-n`.
    fn find_flag(&self, name: &str) -> Option<&'a Arg> {
        let is_it = |arg: &&Arg| match name.strip_prefix("--") {
            Some(long) => arg.get_long() == Some(long),
            None => arg.get_short().is_some_and(|short| name == format!("-{short}")),
        };
        self.command.get_arguments().find(is_it)
    }

    /// Finds a subcommand by name.
    fn find_subcommand(&self, name: &str) -> Option<&'a Command> {
        let subcommand = self.command.find_subcommand(name);
        subcommand.filter(|_| self.passed == 0)
    }

    /// Returns the candidates for the last word.
    fn candidates(&self, last: &str, look_up: &mut LookUpFn<'_>) -> Candidates {
        if let Some(flag) = self.pending {
            return self.value_candidates(flag, last, look_up);
        }
        if !self.plain && last.starts_with('-') {
            return match last.split_once('=') {
                // the shell keeps the text before the value
                Some((name, value)) => match self.find_flag(name) {
                    Some(flag) => self.value_candidates(flag, value, look_up),
                    None => no_candidates(),
                },
                None => {
                    Candidates { candidates: self.flag_candidates(last), directive: CobraDirective::NoFiles }
                }
            };
        }
        if let Some(flag) = self.open {
            return self.value_candidates(flag, last, look_up);
        }
        if self.passed == 0 && self.command.has_subcommands() {
            let subcommand = self.command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
            let candidates = subcommand
                .map(|subcommand| (subcommand.get_name().to_owned(), plain_text(subcommand.get_about())));
            let candidates = candidates.filter(|(name, _)| name.starts_with(last)).collect();
            return Candidates { candidates, directive: CobraDirective::NoFiles };
        }
        let arguments: Vec<&Arg> = self.command.get_positionals().collect();
        // a last argument that accepts several values takes the rest
        let rest = arguments.last().filter(|argument| takes_several(argument));
        match arguments.get(self.passed).or(rest) {
            Some(argument) => self.value_candidates(argument, last, look_up),
            None => no_candidates(),
        }
    }

    fn flag_candidates(&self, last: &str) -> Vec<Candidate> {
        let fits = |arg: &&Arg| {
            let is_repeatable = matches!(arg.get_action(), ArgAction::Append);
            !arg.is_positional()
                && !arg.is_hide_set()
                && (is_repeatable || !self.used.contains(arg.get_id().as_str()))
        };
        let spelled = |arg: &Arg| {
            let long = arg.get_long().map(|long| format!("--{long}"));
            let short = arg.get_short().map(|short| format!("-{short}"));
            let about = plain_text(arg.get_help());
            long.into_iter().chain(short).map(move |flag| (flag, about.clone())).collect::<Vec<_>>()
        };
        let all = self.command.get_arguments().filter(fits).flat_map(spelled);
        all.filter(|(flag, _)| flag.starts_with(last)).collect()
    }

    /// Returns the values of an argument.
    fn value_candidates(&self, arg: &Arg, last: &str, look_up: &mut LookUpFn<'_>) -> Candidates {
        let possible_values: Vec<Candidate> = arg
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| (value.get_name().to_owned(), plain_text(value.get_help())))
            .collect();
        if !possible_values.is_empty() {
            return list_candidates(arg, possible_values, last);
        }
        let name = arg.get_value_names().and_then(<[_]>::first).map(clap::builder::Str::as_str);
        let source = match (arg.get_id().as_str(), name) {
            ("context", _) => Some(DynamicSource::Contexts),
            ("cluster", _) => Some(DynamicSource::Clusters),
            ("user", _) => Some(DynamicSource::Users),
            ("namespace", _) => Some(DynamicSource::Namespaces),
            (_, Some("FUNCTION")) => Some(DynamicSource::Functions),
            (_, Some("TRIAL")) => Some(DynamicSource::Trials),
            _ => None,
        };
        if let Some(source) = source {
            let mut candidates = look_up(source, &self.given);
            candidates.retain(|(word, _)| word.starts_with(last));
            return Candidates { candidates, directive: CobraDirective::NoFiles };
        }
        if name == Some("EXPERIMENT") {
            let candidates =
                ["json", "yaml", "yml"].map(|ending| (ending.to_owned(), String::new())).to_vec();
            return Candidates { candidates, directive: CobraDirective::FileExtensions };
        }
        match arg.get_value_hint() {
            ValueHint::DirPath => {
                Candidates { candidates: Vec::new(), directive: CobraDirective::Directories }
            }
            ValueHint::AnyPath | ValueHint::FilePath => {
                Candidates { candidates: Vec::new(), directive: CobraDirective::Files }
            }
            _ => no_candidates(),
        }
    }
}

/// Filters the values by prefix; in a comma-separated list, the last item counts.
fn list_candidates(arg: &Arg, listed: Vec<Candidate>, last: &str) -> Candidates {
    let (before, prefix) = match arg.get_value_delimiter().and_then(|comma| last.rsplit_once(comma)) {
        Some((before, prefix)) => (format!("{before},"), prefix),
        None => (String::new(), last),
    };
    let is_listed = arg.get_value_delimiter().is_some();
    let fits = |word: &str| {
        let folded = || word.to_lowercase().starts_with(&prefix.to_lowercase());
        word.starts_with(prefix) || arg.is_ignore_case_set() && folded()
    };
    let candidates = listed
        .into_iter()
        .filter(|(word, _)| fits(word))
        .map(|(word, about)| (format!("{before}{word}"), about))
        .collect();
    Candidates {
        candidates,
        directive: if is_listed { CobraDirective::NoSpace } else { CobraDirective::NoFiles },
    }
}

fn no_candidates() -> Candidates {
    Candidates { candidates: Vec::new(), directive: CobraDirective::NoFiles }
}

/// Returns whether the argument accepts several values.
fn takes_several(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn plain_text(about: Option<&clap::builder::StyledStr>) -> String {
    about.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::Cli;
    use clap::CommandFactory as _;

    /// Completes the last word of a line.
    fn completed(line: &str) -> (Vec<String>, u8) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut look_up = |source: DynamicSource, given: &[String]| {
            let word = format!("{source:?}");
            vec![(word, String::new()), (given.join(" "), "an\u{1b}escape\nmore".to_owned())]
        };
        let text = complete(Cli::command(), &words, &mut look_up).to_string();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let directive = lines.pop().unwrap().trim_start_matches(':').parse().unwrap();
        (lines, directive)
    }

    /// Checks the candidates without descriptions, and the directive.
    fn check(line: &str, expected: &[&str], directive: u8) {
        let (lines, actual) = completed(line);
        let words: Vec<&str> = lines.iter().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!((words.as_slice(), actual), (expected, directive), "{line}");
    }

    #[test]
    fn commands_are_completed() {
        check("re", &["recover", "report"], 4);
        check("embedded ", &["serve"], 4);
        check("completion z", &["zsh"], 4);
        check("-q --v 3 vali", &["validate"], 4);
        check("sample", &[], 4);
        let (lines, _) = completed("run");
        assert_eq!(lines, ["run\tRun experiments and write their journals"]);
    }

    #[test]
    fn flags_are_completed() {
        check("run --hypothesis", &["--hypothesis-strategy", "--hypothesis-frequency"], 4);
        check("run --name", &["--namespace"], 4);
        check("run -n a --name", &[], 4);
        check("run -na --name", &[], 4);
        check("run --namespace=a --name", &[], 4);
        check("run --connect-to a --connect", &["--connect-to"], 4);
        check("run e.json -o", &["-o"], 4);
        check("run --no-version", &[], 4);
        check("run -- --name", &["json", "yaml", "yml"], 8);
        assert!(completed("run -").0.len() > 50);
    }

    #[test]
    fn values_are_completed() {
        check("run -o ", &["text", "json", "yaml", "agent"], 4);
        check("run --output=y", &["yaml"], 4);
        check("run -o J", &["json"], 4);
        check("run --strict=f", &["false"], 4);
        check("run --hypothesis-strategy con", &["continuously"], 4);
        check("compare --fail-on broken,reg", &["broken,regressed"], 6);
        check("run --seed ", &[], 4);
        check("run --nothing-of-that-name=", &[], 4);
        check("run --journal-path ", &[], 0);
        check("run --change-dir ", &[], 16);
        check("validate ", &["json", "yaml", "yml"], 8);
        check("run one.json two", &["json", "yaml", "yml"], 8);
        check("trial e.json --before ", &[], 0);
        check("compare --before a b", &[], 0);
        check("compare a ", &[], 0);
        check("compare a b ", &[], 4);
        check("report a.json b", &[], 0);
    }

    #[test]
    fn dynamic_sources_are_queried() {
        check("run --context C", &["Contexts"], 4);
        check("run --context=C", &["Contexts"], 4);
        check("demo --cluster C", &["Clusters"], 4);
        check("demo --user U", &["Users"], 4);
        check("discover F", &["Functions"], 4);
        check("recover T", &["Trials"], 4);
        let (lines, _) = completed("--kubeconfig k run -q --context=c --token x e.json -n ");
        let given = "--kubeconfig=k --quiet --context=c --token=x";
        assert_eq!(lines, ["Namespaces".to_owned(), format!("{given}\tan escape")]);
    }
}
