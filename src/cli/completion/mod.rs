//! Shell completion: a helper for kubectl, and scripts for shells.
//!
//! kubectl runs `kubectl_complete-chaos` from `PATH` with the words after `kubectl chaos`; the last one is incomplete.
//! The helper is this program under another name, or a shell script that runs it with `__complete`. Nothing is written
//! to standard error, and a cluster that does not answer within a second is skipped.
//!
//! ```text
//!  engine    candidates for the last word, from clap's command model   ─► Candidates
//!  dynamic   candidates from outside: contexts, namespaces, trials
//!  install   the helper for kubectl
//! ```
//!
//! The scripts for shells run `__complete` too, except the one for `PowerShell`.

mod dynamic;
mod engine;
mod install;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Command, Subcommand, ValueHint};
use clap_complete::Shell;

use super::CommandContext;
use crate::config::ProcessEnv;

/// The name of the completion helper, without the plugin name.
pub(super) const HELPER_PREFIX: &str = "kubectl_complete-";
/// The hidden command that shells call.
const COMPLETE_COMMAND: &str = "__complete";

/// `completion`.
#[derive(Args, Debug)]
pub(super) struct CompletionArgs {
    /// The shell, or kubectl.
    #[command(subcommand)]
    target: CompletionTarget,
}

#[derive(Debug, Subcommand)]
enum CompletionTarget {
    /// Install completion for kubectl: write kubectl_complete-chaos to a directory on PATH
    Install {
        /// Directory to write to [default: the directory of this program, or the first writable PATH entry in
        /// the home directory]
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// Print a Bash script that completes kubectl-chaos: source <(kubectl-chaos completion bash)
    Bash,
    /// Print a Zsh script that completes kubectl-chaos
    Zsh,
    /// Print a fish script that completes kubectl-chaos
    Fish,
    /// Print a PowerShell script that completes kubectl-chaos
    Powershell,
}

/// Installs the completion helper, or prints a script for the commands below `root`. Returns the exit code.
pub(super) fn completion(session: &CommandContext, args: &CompletionArgs, root: Command) -> u8 {
    let program = session.program();
    let script = match &args.target {
        CompletionTarget::Install { dir } => return install::install(session, dir.as_deref()),
        CompletionTarget::Bash => include_str!("bash.sh").replace("NAME", &program),
        CompletionTarget::Zsh => include_str!("zsh.sh").replace("NAME", &program),
        CompletionTarget::Fish => include_str!("fish.fish").replace("NAME", &program),
        CompletionTarget::Powershell => powershell_script(root, &program),
    };
    session.write_result(&script)
}

/// Returns a static script: PowerShell versions differ in how they pass an empty word.
fn powershell_script(mut root: Command, program: &str) -> String {
    let mut script = Vec::new();
    clap_complete::generate(Shell::PowerShell, &mut root, program, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the words to complete if a shell or kubectl asks for completion.
pub(super) fn completion_words(words: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = words.split_first()?;
    let name = Path::new(program).file_stem()?.to_string_lossy();
    if name.starts_with(HELPER_PREFIX) {
        return Some(rest);
    }
    let (first, rest) = rest.split_first()?;
    (first == COMPLETE_COMMAND).then_some(rest)
}

/// Prints the candidates for the last word. Errors are not shown: a shell cannot use them.
pub(super) fn print_candidates(root: Command, words: &[OsString], environment: &ProcessEnv) {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut look_up = |source, given: &[String]| dynamic::look_up(source, given, environment);
    let candidates = engine::complete(root, &words, &mut look_up);
    let _ = std::io::stdout().lock().write_all(candidates.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completion_request_is_recognised() {
        let check = |line: &[&str], expected: Option<usize>| {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert_eq!(completion_words(&words).map(<[_]>::len), expected, "{line:?}");
        };
        check(&["/bin/kubectl_complete-chaos", "run", ""], Some(2));
        check(&["kubectl_complete-chaos"], Some(0));
        check(&["/bin/kubectl-chaos", "__complete", "run", ""], Some(2));
        check(&["kubectl-chaos", "run", "__complete"], None);
        check(&["kubectl-chaos"], None);
        check(&[], None);
    }
}
