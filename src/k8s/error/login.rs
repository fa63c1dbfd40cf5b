//! Errors of a login.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Error of a login. Nothing was sent to the API server. It contains no arguments and variables of the program.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("login program '{program}' is not installed")]
    NotFound {
        program: String,
        /// The hint of the kubeconfig.
        install_hint: Option<String>,
    },
    #[error("cannot run login program '{program}'")]
    NotStarted { program: String, source: io::Error },
    #[error("login program '{program}' {end}{}", after(message))]
    Failed {
        program: String,
        /// How it ended: `failed with exit code 1`.
        end: String,
        /// The end of its standard error, masked; empty if it went to the terminal.
        message: String,
    },
    #[error("login program '{program}' did not end within {} seconds", limit.as_secs_f64())]
    TooSlow { program: String, limit: Duration },
    #[error("login program '{program}' needs a terminal (interactiveMode: Always)")]
    NoTerminal { program: String },
    #[error("invalid output of login program '{program}': {reason}")]
    InvalidOutput { program: String, reason: &'static str },
    #[error("cannot read token file {}", path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    #[error("the token has characters that an HTTP header cannot have")]
    InvalidToken,
}

fn after(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl LoginError {
    /// Returns what the user can do, in the imperative.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { install_hint: Some(hint), .. } => Some(hint.clone()),
            Self::NotFound { program, .. } => {
                Some(format!("install {program}, or correct `command` of the user in the kubeconfig"))
            }
            Self::NoTerminal { .. } => Some("log in from a terminal first, or use another user".to_owned()),
            _ => None,
        }
    }
}
