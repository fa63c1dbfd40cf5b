//! The document of an error: with `-o json` or `-o yaml`, it replaces the result of the command.

use serde_json::json;

use crate::app::AppError;

/// Name of the schema of the error document.
const SCHEMA: &str = "kubectl-chaos/error/v1";

/// Machine-readable format of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentFormat {
    Json,
    Yaml,
}

impl DocumentFormat {
    /// Parses the value of `-o`; `None` for formats that people read.
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "json" | "agent" => Some(Self::Json),
            "yaml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// Returns the document of an error.
pub(super) fn error_document(error: &AppError, format: DocumentFormat) -> String {
    let error = json!({"code": error.code, "message": error.message, "hint": error.hint});
    let document = json!({"schema": SCHEMA, "error": error});
    match format {
        DocumentFormat::Json => serde_json::to_string_pretty(&document).unwrap_or_default() + "\n",
        DocumentFormat::Yaml => serde_yaml::to_string(&document).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use crate::app::default_outcome;
    use crate::cli::exit_code::precise_code;
    use crate::error_code::ErrorCode;

    /// Renders `docs/errors.md`.
    fn documentation() -> String {
        let mut text = "# Error codes\n\nEvery error has a stable code. `-o json` shows it as `error.code`, `--log-format json` as `code`.\nMessages may change between versions; codes do not. The exit status is the usual one: a command can replace it.\n\nThis page is generated from `src/error_code.rs`; a test compares them.\n\n| code | exit status | when |\n|---|---|---|\n".to_owned();
        for code in ErrorCode::ALL {
            writeln!(text, "| `{code}` | {} | {} |", precise_code(default_outcome(*code)), code.meaning())
                .unwrap();
        }
        text
    }

    #[test]
    fn error_documentation_matches_the_codes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, documentation()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), documentation(), "UPDATE_GOLDEN=1 writes it");
    }
}
