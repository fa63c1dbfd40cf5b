//! Completion of command lines: for kubectl by a file beside it, for shells by scripts. Floor 3.
//!
//! kubectl asks `kubectl_complete-chaos` on `PATH`, with the words after `kubectl chaos`; the last one is being
//! written. That file is this program under another name, or two lines of shell that start it with `__complete`.
//! Nothing is ever said on standard error, and who cannot be asked within a second was not asked.
//!
//! ```text
//!  walk      what the last word can be, by clap's model of the commands    ─► Candidates
//!  known     what only the outside knows: contexts, namespaces, trials
//!  install   the file beside kubectl
//! ```
//!
//! Scripts for shells ask in the same way, but for that of `PowerShell`.

mod dynamic;
mod engine;
mod install;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Subcommand, ValueHint};
use clap_complete::Shell;

use super::CommandContext;
use super::args::Cli;
use crate::config::ProcessEnv;

/// What the file beside kubectl is called, but for the name of the plugin.
pub(super) const HELPER_PREFIX: &str = "kubectl_complete-";
/// The word by which a shell asks this program.
const COMPLETE_COMMAND: &str = "__complete";

/// `completion`.
#[derive(Args, Debug)]
pub(super) struct CompletionArgs {
    /// What to complete for.
    #[command(subcommand)]
    target: CompletionTarget,
}

#[derive(Debug, Subcommand)]
enum CompletionTarget {
    /// Let kubectl complete: write kubectl_complete-chaos into a folder of PATH
    Install {
        /// The folder; else that of this program, or the first of PATH in the home folder that can be written
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// Print a script for Bash that completes this program under its own name: source <(kubectl-chaos completion bash)
    Bash,
    /// The same for Zsh
    Zsh,
    /// The same for fish
    Fish,
    /// The same for PowerShell
    Powershell,
}

/// Installs, or prints a script. Gives the exit code.
pub(super) fn completion(session: &CommandContext, args: &CompletionArgs) -> u8 {
    let program = session.program();
    let script = match &args.target {
        CompletionTarget::Install { dir } => return install::install(session, dir.as_deref()),
        CompletionTarget::Bash => include_str!("bash.sh").replace("NAME", &program),
        CompletionTarget::Zsh => include_str!("zsh.sh").replace("NAME", &program),
        CompletionTarget::Fish => include_str!("fish.fish").replace("NAME", &program),
        CompletionTarget::Powershell => powershell_script(&program),
    };
    session.answer(&script)
}

/// A script that knows every command by itself: what Windows hands on of an empty word differs by its version.
fn powershell_script(program: &str) -> String {
    let mut script = Vec::new();
    clap_complete::generate(Shell::PowerShell, &mut Cli::command(), program, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The words to complete, where that is what this program was started for.
pub(super) fn completion_words(words: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = words.split_first()?;
    let name = Path::new(program).file_stem()?.to_string_lossy();
    if name.starts_with(HELPER_PREFIX) {
        return Some(rest);
    }
    let (first, rest) = rest.split_first()?;
    (first == COMPLETE_COMMAND).then_some(rest)
}

/// Says what the last word can be. Nobody is told when that cannot be said.
pub(super) fn print_candidates(words: &[OsString], environment: &ProcessEnv) {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut look_up = |what, given: &[String]| dynamic::look_up(what, given, environment);
    let found = engine::complete(Cli::command(), &words, &mut look_up);
    let _ = std::io::stdout().lock().write_all(found.to_string().as_bytes());
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
