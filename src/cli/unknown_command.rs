//! Commands that do not exist: those of the Chaos Toolkit are refused with what to do instead. Floor 3.

use clap::CommandFactory as _;

use super::CommandContext;
use super::command::Cli;
use super::exit_code::ExitStatus;
use crate::diagnostic::suggestion;

/// Commands of the Chaos Toolkit that are not taken over, and what to do instead.
const NOT_TAKEN_OVER: [(&str, &str); 4] = [
    ("info", "say --version for the version; the settings are in ~/.chaostoolkit/settings.yaml"),
    ("settings", "edit ~/.chaostoolkit/settings.yaml; --settings names another file"),
    ("version", "say --version"),
    (
        "skills",
        "guides for coding agents are not installed by this program; say -o json for answers that machines read",
    ),
];

/// Says that there is no such command. Gives the exit code.
pub(super) fn refuse(session: &CommandContext, words: &[String]) -> u8 {
    let word = words.first().map(String::as_str).unwrap_or_default();
    let why = match NOT_TAKEN_OVER.iter().find(|(name, _)| *name == word) {
        Some((_, instead)) => format!("there is no command \"{word}\" here: {instead}"),
        None => {
            let commands = Cli::command();
            let known = commands.get_subcommands().filter(|command| !command.is_hide_set());
            let hint = suggestion(word, known.map(clap::Command::get_name))
                .unwrap_or_else(|| "see --help".to_owned());
            format!("unknown command \"{}\": {hint}", crate::console::sanitize(word))
        }
    };
    session.refuse(ExitStatus::Usage, why)
}
