//! Checks the programs on `PATH`: this program, programs of the same name, kubectl, and the completion helper.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::check_result::CheckResult;
use crate::app::search_path::{distrust_reason, find, program_name, program_output, search_dirs};
use crate::config::ProcessEnv;
use crate::provider::is_runnable;
use crate::sort;

/// kubectl supports plugin completion from this minor version on.
const MIN_COMPLETION_MINOR: u32 = 26;

/// This program, as kubectl and its users know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginInfo {
    /// Name as shown: `kubectl chaos`.
    pub(crate) shown: String,
    /// Name of the file: `kubectl-chaos`.
    pub(crate) program: String,
    /// Name of the helper that kubectl runs for completion: `kubectl_complete-chaos`.
    pub(crate) completion_helper: String,
    /// Version, as `--version` shows it after the name.
    pub(crate) version: String,
    /// Commands; a nested one contains a space: `embedded serve`.
    pub(crate) commands: BTreeSet<String>,
}

/// An executable on `PATH` whose name is that of this program, or starts with it.
#[derive(Clone, Debug)]
struct PathEntry {
    path: PathBuf,
    /// Without the file extension: `kubectl-chaos`.
    name: String,
    identity: ProgramIdentity,
}

/// The identity of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ProgramIdentity {
    /// This program.
    This,
    /// Another copy, with its version.
    Copy(String),
    /// Another program, with the start of its output.
    Foreign(String),
    /// Not started, with the reason.
    Unchecked(&'static str),
    /// A longer name, which may shadow a command.
    Extension,
}

/// Checks this program, programs of the same name, kubectl, and completion.
pub(super) async fn check_programs(plugin: &PluginInfo, environment: &ProcessEnv) -> Vec<CheckResult> {
    let this_program = std::env::current_exe().unwrap_or_default();
    let version = format!("{} {}", plugin.shown, plugin.version);
    let mut findings = vec![CheckResult::ok("program", format!("{version}, {}", this_program.display()))];
    let programs = find_programs(plugin, environment, &this_program).await;
    findings.extend(check_plugin_names(&plugin.program, &programs, &plugin.commands));
    findings.push(check_kubectl(plugin, environment).await);
    findings.push(check_completion(plugin, environment));
    findings
}

/// Finds programs whose names start with that of this one, in the order of `PATH`.
async fn find_programs(plugin: &PluginInfo, environment: &ProcessEnv, this_program: &Path) -> Vec<PathEntry> {
    let name = plugin.program.as_str();
    let this_program = this_program.canonicalize().ok();
    let mut matches = Vec::new();
    for dir in search_dirs(environment) {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        let mut files: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        sort::sort(&mut files);
        for file in files {
            let path = dir.join(&file);
            let Some(stem) = program_name(&file).filter(|stem| stem.starts_with(name)) else { continue };
            let identity = if stem == name && is_runnable(&path) {
                identify(plugin, environment, &path, this_program.as_deref()).await
            } else if stem.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')) && is_runnable(&path)
            {
                ProgramIdentity::Extension
            } else {
                continue;
            };
            matches.push(PathEntry { path, name: stem.to_owned(), identity });
        }
    }
    matches
}

/// Identifies a program by its version output. Programs that any user could replace are not started.
async fn identify(
    plugin: &PluginInfo,
    environment: &ProcessEnv,
    path: &Path,
    this_program: Option<&Path>,
) -> ProgramIdentity {
    if path.canonicalize().ok().as_deref() == this_program {
        return ProgramIdentity::This;
    }
    if let Some(reason) = distrust_reason(path) {
        return ProgramIdentity::Unchecked(reason);
    }
    let output = program_output(path, &["--version"], environment).await.unwrap_or_default();
    match parse_own_version(&plugin.shown, &output) {
        Some(version) => ProgramIdentity::Copy(version.to_owned()),
        None => {
            ProgramIdentity::Foreign(output.lines().next().unwrap_or_default().chars().take(60).collect())
        }
    }
}

/// Parses the version output of this program: `kubectl chaos 0.1.0 (…)`.
fn parse_own_version<'a>(displayed: &str, output: &'a str) -> Option<&'a str> {
    let rest = output.trim_end().strip_prefix(displayed)?.strip_prefix(' ')?;
    let (version, about) = rest.split_once(" (")?;
    let digits = version.starts_with(|c: char| c.is_ascii_digit()) && !version.contains(' ');
    (digits && about.ends_with(')') && !about.contains('\n')).then_some(version)
}

/// Checks which programs kubectl runs for the plugin and for its commands.
fn check_plugin_names(name: &str, programs: &[PathEntry], commands: &BTreeSet<String>) -> Vec<CheckResult> {
    let mut candidates = programs.iter().filter(|program| program.name == name);
    let Some(first) = candidates.next() else {
        let hint = format!(
            "kubectl finds plugins on PATH only: copy this program to a directory on PATH, as {name}"
        );
        return vec![CheckResult::warning("plugin", format!("{name} is not on PATH"), hint)];
    };
    let path = first.path.display();
    let mut findings = vec![match &first.identity {
        ProgramIdentity::This => CheckResult::ok("plugin", format!("kubectl runs {path}")),
        ProgramIdentity::Copy(version) => CheckResult::warning(
            "plugin",
            format!("kubectl runs {path}, another copy (version {version})"),
            "remove one of the two, or put the directory of this one first on PATH",
        ),
        ProgramIdentity::Foreign(output) => CheckResult::error(
            "plugin",
            format!("kubectl runs {path}, which is another program{}", quote_output(output)),
            "probably the krew plugin \"chaos\" of another project: remove it (kubectl krew uninstall chaos), or put \
             the directory of this program first on PATH",
        ),
        ProgramIdentity::Unchecked(reason) => CheckResult::error(
            "plugin",
            format!("kubectl runs {path}; its version was not checked: {reason}"),
            "remove its directory from PATH: other users can replace programs there",
        ),
        ProgramIdentity::Extension => return Vec::new(),
    }];
    for shadowed in candidates {
        let description = match &shadowed.identity {
            ProgramIdentity::Copy(version) => format!(", another copy (version {version})"),
            ProgramIdentity::Foreign(output) => format!(", another program{}", quote_output(output)),
            ProgramIdentity::This | ProgramIdentity::Unchecked(_) | ProgramIdentity::Extension => {
                String::new()
            }
        };
        let message =
            format!("{}{description} never runs: {path} comes first on PATH", shadowed.path.display());
        findings.push(CheckResult::warning("plugin", message, "remove one of the two"));
    }
    for program in programs.iter().filter(|program| program.identity == ProgramIdentity::Extension) {
        if let Some(verb) = shadowed_command(&program.name[name.len()..], commands) {
            let message = format!("kubectl runs {} instead of the command {verb}", program.path.display());
            findings.push(CheckResult::error("plugin", message, "remove it, or rename it"));
        }
    }
    findings
}

fn quote_output(output: &str) -> String {
    if output.trim().is_empty() { String::new() } else { format!(" (output: \"{}\")", output.trim()) }
}

/// Returns the command that a program with this name suffix shadows, such as `-run`. File names have
/// underscores in place of dashes.
fn shadowed_command(rest: &str, commands: &BTreeSet<String>) -> Option<String> {
    let parts: Vec<String> = rest.strip_prefix('-')?.split('-').map(|part| part.replace('_', "-")).collect();
    Some(parts.join(" ")).filter(|command| commands.contains(command))
}

/// Checks that kubectl is installed, and its version.
async fn check_kubectl(plugin: &PluginInfo, environment: &ProcessEnv) -> CheckResult {
    let configured = environment.get("KUBECTL_PATH").map(PathBuf::from).filter(|path| is_runnable(path));
    let Some(path) = configured.or_else(|| find("kubectl", environment)) else {
        let hint = format!("{} works without it, under its own name", plugin.program);
        return CheckResult::warning("kubectl", "kubectl is not on PATH", hint);
    };
    let displayed = path.display();
    if let Some(reason) = distrust_reason(&path) {
        return CheckResult::warning(
            "kubectl",
            format!("{displayed} was not run: {reason}"),
            "remove its directory from PATH",
        );
    }
    let output = program_output(&path, &["version", "--client", "-o", "json"], environment).await;
    let answer: Json = output.and_then(|output| serde_json::from_str(&output).ok()).unwrap_or_default();
    let version = answer.pointer("/clientVersion/gitVersion").and_then(Json::as_str);
    match (version, version.and_then(parse_minor)) {
        (Some(version), Some(minor)) if minor < MIN_COMPLETION_MINOR => CheckResult::warning(
            "kubectl",
            format!("{version}, {displayed}"),
            format!("plugin completion requires kubectl 1.{MIN_COMPLETION_MINOR} or later"),
        ),
        (Some(version), _) => CheckResult::ok("kubectl", format!("{version}, {displayed}")),
        (None, _) => CheckResult::warning(
            "kubectl",
            format!("{displayed} does not report its version"),
            "run: kubectl version --client",
        ),
    }
}

/// Parses the minor version of `v1.32.4-gke.1`.
pub(super) fn parse_minor(version: &str) -> Option<u32> {
    let rest = version.trim_start_matches('v').strip_prefix("1.")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn check_completion(plugin: &PluginInfo, environment: &ProcessEnv) -> CheckResult {
    let name = &plugin.completion_helper;
    match find(name, environment) {
        Some(path) => CheckResult::ok("completion", format!("kubectl runs {}", path.display())),
        None => CheckResult::warning(
            "completion",
            format!("{name} is not on PATH: kubectl does not complete `{}`", plugin.shown),
            format!("run: {} completion install", plugin.shown),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_result::CheckState;
    use super::*;

    fn program(path: &str, identity: ProgramIdentity) -> PathEntry {
        let name = path.rsplit('/').next().unwrap().to_owned();
        PathEntry { path: PathBuf::from(path), name, identity }
    }

    fn check(programs: &[PathEntry], expected: &[(CheckState, &str)]) {
        let commands = ["embedded", "embedded serve", "run", "sample-app"].map(str::to_owned).into();
        let matches = check_plugin_names("kubectl-chaos", programs, &commands);
        let states: Vec<CheckState> = matches.iter().map(|finding| finding.state).collect();
        assert_eq!(states, expected.iter().map(|(state, _)| *state).collect::<Vec<_>>(), "{matches:#?}");
        for (finding, (_, text)) in matches.iter().zip(expected) {
            let all = format!("{}; {}", finding.message, finding.hint.as_deref().unwrap_or_default());
            assert!(all.contains(text), "{text:?} is not in {all}");
        }
    }

    #[test]
    fn first_program_on_path_is_reported() {
        let own = || program("/a/kubectl-chaos", ProgramIdentity::This);
        let copy = || program("/b/kubectl-chaos", ProgramIdentity::Copy("0.0.9".to_owned()));
        let foreign =
            || program("/c/kubectl-chaos", ProgramIdentity::Foreign("kubectl-chaos v0.1.1".to_owned()));
        let unasked = || program("/d/kubectl-chaos", ProgramIdentity::Unchecked("writable by all users"));
        check(&[], &[(CheckState::Warning, "kubectl-chaos is not on PATH")]);
        check(&[own()], &[(CheckState::Ok, "kubectl runs /a/kubectl-chaos")]);
        check(&[copy()], &[(CheckState::Warning, "another copy (version 0.0.9)")]);
        check(&[foreign()], &[(CheckState::Error, "kubectl krew uninstall chaos")]);
        check(&[foreign()], &[(CheckState::Error, "(output: \"kubectl-chaos v0.1.1\")")]);
        check(&[unasked()], &[(CheckState::Error, "writable by all users")]);
        check(
            &[foreign(), own()],
            &[
                (CheckState::Error, "another program"),
                (CheckState::Warning, "/a/kubectl-chaos never runs: /c/kubectl-chaos comes first"),
            ],
        );
        check(
            &[own(), foreign(), copy()],
            &[
                (CheckState::Ok, "/a/"),
                (CheckState::Warning, "/c/kubectl-chaos, another program"),
                (CheckState::Warning, "0.0.9) never runs"),
            ],
        );
    }

    #[test]
    fn longer_plugin_names_shadow_commands() {
        let own = || program("/a/kubectl-chaos", ProgramIdentity::This);
        let extension = |name: &str| program(&format!("/b/{name}"), ProgramIdentity::Extension);
        let takes = |name: &str, verb: &str| {
            check(
                &[own(), extension(name)],
                &[(CheckState::Ok, ""), (CheckState::Error, &format!("command {verb};"))],
            );
        };
        takes("kubectl-chaos-run", "run");
        takes("kubectl-chaos-embedded-serve", "embedded serve");
        takes("kubectl-chaos-sample_app", "sample-app");
        for other in ["kubectl-chaos-mesh", "kubectl-chaos-run-it", "kubectl-chaos-sample-app"] {
            check(&[own(), extension(other)], &[(CheckState::Ok, "")]);
        }
    }

    #[test]
    fn own_version_output_is_recognised() {
        let check = |output: &str, expected: Option<&str>| {
            assert_eq!(parse_own_version("kubectl chaos", output), expected, "{output}");
        };
        check("kubectl chaos 0.1.0 (x86_64-unknown-linux-musl)\n", Some("0.1.0"));
        check("kubectl chaos 1.2.3-rc.1 (commit abcdef1, x)\n", Some("1.2.3-rc.1"));
        check("kubectl chaos 0.1.0\n", None);
        check("kubectl chaos version 0.1.1 (x)\n", None);
        check("kubectl-chaos v0.1.1\n", None);
        check("", None);
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
