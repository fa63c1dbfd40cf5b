//! Programs on `PATH`: who comes first under our name, who takes our commands, kubectl, completion. Floor 3.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use serde_json::Value as Json;

use super::check_result::CheckResult;
use crate::cli::CommandContext;
use crate::cli::args::Cli;
use crate::cli::completion::HELPER_PREFIX;
use crate::cli::search_path::{distrusted, find, folders, is_runnable, program_name, said};
use crate::cli::version::VERSION;

/// From this minor version on kubectl asks plugins how to complete.
const MIN_COMPLETION_MINOR: u32 = 26;

/// A program on `PATH` whose name is ours, or begins with it.
#[derive(Clone, Debug)]
struct PathEntry {
    path: PathBuf,
    /// Without its ending: `kubectl-chaos`.
    name: String,
    identity: ProgramIdentity,
}

/// Who a program is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ProgramIdentity {
    /// The one that runs.
    This,
    /// Another copy of it, of that version.
    Copy(String),
    /// Another program, and the first words that it says.
    Foreign(String),
    /// Nobody asked it, for that reason.
    Unchecked(&'static str),
    /// A part of the name is enough: it takes a command.
    Extension,
}

/// This program, those of its name, kubectl, and completion.
pub(super) async fn check_programs(session: &CommandContext) -> Vec<CheckResult> {
    let own = std::env::current_exe().unwrap_or_default();
    let version = format!("{} {}", session.shown, VERSION.as_str());
    let mut findings = vec![CheckResult::ok("program", format!("{version}, {}", own.display()))];
    let programs = find_programs(session, &own).await;
    findings.extend(check_plugin_names(&session.program(), &programs, &Cli::command()));
    findings.push(check_kubectl(session).await);
    findings.push(check_completion(session));
    findings
}

/// The programs whose names are ours, or begin with it, in the order of `PATH`.
async fn find_programs(session: &CommandContext, own: &Path) -> Vec<PathEntry> {
    let name = session.program();
    let own = own.canonicalize().ok();
    let mut found = Vec::new();
    for folder in folders(&session.environment) {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut files: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        files.sort();
        for file in files {
            let path = folder.join(&file);
            let Some(stem) = program_name(&file).filter(|stem| stem.starts_with(&name)) else { continue };
            let who = if stem == name && is_runnable(&path) {
                identify(session, &path, own.as_deref()).await
            } else if stem.strip_prefix(&name).is_some_and(|rest| rest.starts_with('-')) && is_runnable(&path)
            {
                ProgramIdentity::Extension
            } else {
                continue;
            };
            found.push(PathEntry { path, name: stem.to_owned(), identity: who });
        }
    }
    found
}

/// Who a program is: it is asked for its version, unless anybody could have put it there.
async fn identify(session: &CommandContext, path: &Path, own: Option<&Path>) -> ProgramIdentity {
    if path.canonicalize().ok().as_deref() == own {
        return ProgramIdentity::This;
    }
    if let Some(why) = distrusted(path) {
        return ProgramIdentity::Unchecked(why);
    }
    let said = said(path, &["--version"], &session.environment).await.unwrap_or_default();
    match parse_own_version(&session.shown, &said) {
        Some(version) => ProgramIdentity::Copy(version.to_owned()),
        None => ProgramIdentity::Foreign(said.lines().next().unwrap_or_default().chars().take(60).collect()),
    }
}

/// The version that one of our own says: `kubectl chaos 0.1.0 (…)`.
fn parse_own_version<'a>(shown: &str, said: &'a str) -> Option<&'a str> {
    let rest = said.trim_end().strip_prefix(shown)?.strip_prefix(' ')?;
    let (version, about) = rest.split_once(" (")?;
    let digits = version.starts_with(|c: char| c.is_ascii_digit()) && !version.contains(' ');
    (digits && about.ends_with(')') && !about.contains('\n')).then_some(version)
}

/// What kubectl starts by our name, what it never does, and what it starts for our commands.
fn check_plugin_names(name: &str, programs: &[PathEntry], commands: &Command) -> Vec<CheckResult> {
    let mut same = programs.iter().filter(|program| program.name == name);
    let Some(first) = same.next() else {
        let advice =
            format!("kubectl finds plugins there only: put this program into a folder of it, as {name}");
        return vec![CheckResult::warning("plugin", format!("no {name} is on PATH"), advice)];
    };
    let path = first.path.display();
    let mut findings = vec![match &first.identity {
        ProgramIdentity::This => CheckResult::ok("plugin", format!("kubectl starts {path}")),
        ProgramIdentity::Copy(version) => CheckResult::warning(
            "plugin",
            format!("kubectl starts {path}, another copy, of version {version}"),
            "remove one of the two, or put the folder of the other first on PATH",
        ),
        ProgramIdentity::Foreign(words) => CheckResult::error(
            "plugin",
            format!("kubectl starts {path}, which is another program{}", quote_output(words)),
            "it is likely the krew plugin \"chaos\" of another project: remove it (kubectl krew uninstall chaos), \
             or put the folder of this one first on PATH",
        ),
        ProgramIdentity::Unchecked(why) => CheckResult::error(
            "plugin",
            format!("kubectl starts {path}, which was not asked who it is: {why}"),
            "take that folder off PATH: anybody's program could be started from it",
        ),
        ProgramIdentity::Extension => return Vec::new(),
    }];
    for later in same {
        let what = match &later.identity {
            ProgramIdentity::Copy(version) => format!(", another copy, of version {version}"),
            ProgramIdentity::Foreign(words) => format!(", another program{}", quote_output(words)),
            ProgramIdentity::This | ProgramIdentity::Unchecked(_) | ProgramIdentity::Extension => {
                String::new()
            }
        };
        let seen =
            format!("{}{what}, is never started: {path} comes before it on PATH", later.path.display());
        findings.push(CheckResult::warning("plugin", seen, "remove one of the two"));
    }
    for program in programs.iter().filter(|program| program.identity == ProgramIdentity::Extension) {
        if let Some(verb) = shadowed_command(&program.name[name.len()..], commands) {
            let seen = format!("kubectl starts {} in place of the command {verb}", program.path.display());
            findings.push(CheckResult::error("plugin", seen, "remove it, or give it another name"));
        }
    }
    findings
}

fn quote_output(words: &str) -> String {
    if words.trim().is_empty() { String::new() } else { format!(" (it says \"{}\")", words.trim()) }
}

/// The command that kubectl would not start as ours because of a program whose name goes on so: `-run`. In the names
/// of files a dash of a command is an underscore.
fn shadowed_command(rest: &str, commands: &Command) -> Option<String> {
    let mut command = commands;
    let mut words = Vec::new();
    for part in rest.strip_prefix('-')?.split('-') {
        let word = part.replace('_', "-");
        command = command.find_subcommand(&word)?;
        words.push(word);
    }
    Some(words.join(" "))
}

/// Whether kubectl is there, and how old it is.
async fn check_kubectl(session: &CommandContext) -> CheckResult {
    let named = session.environment.get("KUBECTL_PATH").map(PathBuf::from).filter(|path| is_runnable(path));
    let Some(path) = named.or_else(|| find("kubectl", &session.environment)) else {
        let advice = format!("{} works without it, under its own name", session.program());
        return CheckResult::warning("kubectl", "no kubectl is on PATH", advice);
    };
    let shown = path.display();
    if let Some(why) = distrusted(&path) {
        return CheckResult::warning(
            "kubectl",
            format!("{shown} was not asked: {why}"),
            "take its folder off PATH",
        );
    }
    let said = said(&path, &["version", "--client", "-o", "json"], &session.environment).await;
    let answer: Json = said.and_then(|said| serde_json::from_str(&said).ok()).unwrap_or_default();
    let version = answer.pointer("/clientVersion/gitVersion").and_then(Json::as_str);
    match (version, version.and_then(parse_minor)) {
        (Some(version), Some(minor)) if minor < MIN_COMPLETION_MINOR => CheckResult::warning(
            "kubectl",
            format!("{version}, {shown}"),
            format!("it does not complete the commands of plugins: 1.{MIN_COMPLETION_MINOR} and later do"),
        ),
        (Some(version), _) => CheckResult::ok("kubectl", format!("{version}, {shown}")),
        (None, _) => CheckResult::warning(
            "kubectl",
            format!("{shown} does not say its version"),
            "try: kubectl version --client",
        ),
    }
}

/// The minor version in `v1.32.4-gke.1`.
pub(super) fn parse_minor(version: &str) -> Option<u32> {
    let rest = version.trim_start_matches('v').strip_prefix("1.")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn check_completion(session: &CommandContext) -> CheckResult {
    let name = format!("{HELPER_PREFIX}{}", session.plugin());
    match find(&name, &session.environment) {
        Some(path) => CheckResult::ok("completion", format!("kubectl asks {}", path.display())),
        None => CheckResult::warning(
            "completion",
            format!("no {name} is on PATH, so that kubectl does not complete `{}`", session.shown),
            format!("{} completion install", session.shown),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_result::CheckState;
    use super::*;

    fn program(path: &str, who: ProgramIdentity) -> PathEntry {
        let name = path.rsplit('/').next().unwrap().to_owned();
        PathEntry { path: PathBuf::from(path), name, identity: who }
    }

    fn check(programs: &[PathEntry], expected: &[(CheckState, &str)]) {
        let found = check_plugin_names("kubectl-chaos", programs, &Cli::command());
        let states: Vec<CheckState> = found.iter().map(|finding| finding.state).collect();
        assert_eq!(states, expected.iter().map(|(state, _)| *state).collect::<Vec<_>>(), "{found:#?}");
        for (finding, (_, text)) in found.iter().zip(expected) {
            let all = format!("{}; {}", finding.message, finding.hint.as_deref().unwrap_or_default());
            assert!(all.contains(text), "{text:?} is not in {all}");
        }
    }

    #[test]
    fn first_program_on_path_is_reported() {
        let this = || program("/a/kubectl-chaos", ProgramIdentity::This);
        let copy = || program("/b/kubectl-chaos", ProgramIdentity::Copy("0.0.9".to_owned()));
        let foreign =
            || program("/c/kubectl-chaos", ProgramIdentity::Foreign("kubectl-chaos v0.1.1".to_owned()));
        let unasked = || program("/d/kubectl-chaos", ProgramIdentity::Unchecked("everybody can write there"));
        check(&[], &[(CheckState::Warning, "no kubectl-chaos is on PATH")]);
        check(&[this()], &[(CheckState::Ok, "kubectl starts /a/kubectl-chaos")]);
        check(&[copy()], &[(CheckState::Warning, "another copy, of version 0.0.9")]);
        check(&[foreign()], &[(CheckState::Error, "kubectl krew uninstall chaos")]);
        check(&[foreign()], &[(CheckState::Error, "(it says \"kubectl-chaos v0.1.1\")")]);
        check(&[unasked()], &[(CheckState::Error, "everybody can write there")]);
        check(
            &[foreign(), this()],
            &[
                (CheckState::Error, "another program"),
                (CheckState::Warning, "/a/kubectl-chaos, is never started: /c/kubectl-chaos comes before it"),
            ],
        );
        check(
            &[this(), foreign(), copy()],
            &[
                (CheckState::Ok, "/a/"),
                (CheckState::Warning, "/c/kubectl-chaos, another program"),
                (CheckState::Warning, "0.0.9, is never started"),
            ],
        );
    }

    #[test]
    fn longer_plugin_names_shadow_commands() {
        let this = || program("/a/kubectl-chaos", ProgramIdentity::This);
        let beside = |name: &str| program(&format!("/b/{name}"), ProgramIdentity::Extension);
        let takes = |name: &str, verb: &str| {
            check(
                &[this(), beside(name)],
                &[(CheckState::Ok, ""), (CheckState::Error, &format!("command {verb};"))],
            );
        };
        takes("kubectl-chaos-run", "run");
        takes("kubectl-chaos-embedded-serve", "embedded serve");
        takes("kubectl-chaos-sample_app", "sample-app");
        for other in ["kubectl-chaos-mesh", "kubectl-chaos-run-it", "kubectl-chaos-sample-app"] {
            check(&[this(), beside(other)], &[(CheckState::Ok, "")]);
        }
    }

    #[test]
    fn own_version_output_is_recognised() {
        let check = |said: &str, expected: Option<&str>| {
            assert_eq!(parse_own_version("kubectl chaos", said), expected, "{said}");
        };
        check("kubectl chaos 0.1.0 (x86_64-unknown-linux-musl)\n", Some("0.1.0"));
        check("kubectl chaos 1.2.3-rc.1 (commit abcdef1, x)\n", Some("1.2.3-rc.1"));
        check("kubectl chaos 0.1.0\n", None);
        check("kubectl chaos version 0.1.1 (x)\n", None);
        check("kubectl-chaos v0.1.1\n", None);
        check("", None);
        assert_eq!(
            parse_own_version("kubectl chaos", &format!("kubectl chaos {}\n", VERSION.as_str())),
            Some("0.1.0")
        );
    }

    #[test]
    fn minor_version_is_parsed() {
        let check = |text: &str, expected: Option<u32>| assert_eq!(parse_minor(text), expected, "{text}");
        check("v1.32.4-dispatcher", Some(32));
        check("v1.20.15+k3s1", Some(20));
        check("1.9", Some(9));
        check("v2.0.0", None);
        check("unknown", None);
    }
}
