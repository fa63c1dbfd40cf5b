//! Hidden lines of a comment: its ID, and the run that it records. Pure.

use ring::digest;

use crate::github::WorkflowRunId;

/// Maximum length of a comment ID.
const MAX_ID_LENGTH: usize = 64;
const OPEN: &str = "<!-- kubectl-chaos:";
const CLOSE: &str = " -->";

/// First line of a comment: its ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentMarker(String);

/// Second line of a comment: the run and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStamp {
    /// `None` if the comment is published outside a workflow.
    pub run: Option<WorkflowRunId>,
    /// Verdict, and state after the change: `fixed/holds`.
    pub state: String,
}

/// Whether a text is a valid comment ID.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.chars().all(is_id_char)
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Derives a valid ID from a text. Adds a digest if it changes the text, so that different texts have different IDs.
pub fn derive_id(text: &str) -> String {
    if is_id(text) {
        return text.to_owned();
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let digest: String =
        digest.as_ref()[..4].iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut id = String::new();
    for c in text.chars() {
        if is_id_char(c) {
            id.push(c);
        } else if !id.ends_with('-') && !id.is_empty() {
            id.push('-');
        }
        if id.len() + 1 + digest.len() == MAX_ID_LENGTH {
            break;
        }
    }
    let id = id.trim_end_matches('-');
    if id.is_empty() { format!("experiment-{digest}") } else { format!("{id}-{digest}") }
}

impl CommentMarker {
    /// Creates the marker of an ID; `None` if the ID is invalid.
    pub fn new(id: &str) -> Option<Self> {
        is_id(id).then(|| Self(format!("{OPEN}comment:{id}{CLOSE}")))
    }

    pub fn line(&self) -> &str {
        &self.0
    }

    /// Whether it is the first line of a text. Elsewhere it can be a quotation.
    pub(super) fn is_first_line_of(&self, text: &str) -> bool {
        text.lines().next() == Some(&self.0)
    }
}

impl RunStamp {
    pub fn line(&self) -> String {
        let state: String = self
            .state
            .chars()
            .filter(|c| c.is_ascii_lowercase() || matches!(c, '-' | '/'))
            .take(64)
            .collect();
        let WorkflowRunId { id, attempt } = self.run.unwrap_or(WorkflowRunId { id: 0, attempt: 0 });
        format!("{OPEN}run:{id}:{attempt}:{state}{CLOSE}")
    }

    /// Parses the second line of a comment. Later lines are untrusted.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().nth(1)?;
        let fields = line.strip_prefix(OPEN)?.strip_prefix("run:")?.strip_suffix(CLOSE)?;
        let mut parts = fields.splitn(3, ':');
        let id = parts.next()?.parse().ok()?;
        let attempt = parts.next()?.parse().ok()?;
        let state = parts.next()?.to_owned();
        Some(Self { run: (id > 0).then_some(WorkflowRunId { id, attempt }), state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn derived_id_is_valid_and_starts_with_the_text() {
        let check = |text: &str, expected: &str| {
            let id = derive_id(text);
            assert!(is_id(&id), "{id}");
            assert!(id.starts_with(expected), "{text}: {id}");
        };
        check("experiment.json", "experiment.json");
        check("chaos/experiment.json", "chaos-experiment.json-");
        check("Is the service  resilient?", "Is-the-service-resilient-");
        check("вне", "experiment-");
        check("", "experiment-");
        assert_ne!(derive_id("a/b.json"), derive_id("a-b.json"));
        assert_ne!(derive_id(&"x".repeat(100)), derive_id(&"x".repeat(101)));
    }

    #[test]
    fn invalid_id_has_no_marker() {
        for wrong in ["", "a b", "a\n", "a-->", "<!--", "é", &"x".repeat(65)] {
            assert_eq!(CommentMarker::new(wrong), None, "{wrong:?}");
        }
        assert!(CommentMarker::new(&"x".repeat(64)).is_some());
    }

    #[test]
    fn stamp_round_trips() {
        let check = |run: Option<WorkflowRunId>, state: &str| {
            let stamp = RunStamp { run, state: state.to_owned() };
            assert_eq!(RunStamp::parse(&format!("x\r\n{}\r\ny", stamp.line())), Some(stamp));
        };
        check(Some(WorkflowRunId { id: 12_345_678_901, attempt: 2 }), "fixed/holds");
        check(None, "rollback-incomplete");
        check(Some(WorkflowRunId { id: 1, attempt: 1 }), "");
        for wrong in [
            "",
            "run:1:1:x",
            "<!-- kubectl-chaos:run:x:1:y -->",
            "<!-- kubectl-chaos:run:1 -->",
            " <!-- kubectl-chaos:run:1:1:x -->",
        ] {
            assert_eq!(RunStamp::parse(&format!("x\n{wrong}")), None, "{wrong}");
        }
        let line = RunStamp { run: None, state: "held".to_owned() }.line();
        for elsewhere in [line.clone(), format!("{line}\nx"), format!("x\ny\n{line}")] {
            assert_eq!(RunStamp::parse(&elsewhere), None, "{elsewhere}");
        }
        let odd = RunStamp { run: None, state: "--> x\n".to_owned() };
        assert_eq!(odd.line(), "<!-- kubectl-chaos:run:0:0:--x -->");
    }

    proptest! {
        #[test]
        fn every_text_has_a_valid_id(text in ".{0,200}") {
            let id = derive_id(&text);
            prop_assert!(is_id(&id));
            let marker = CommentMarker::new(&id).unwrap();
            let ours = format!("{}\nb", marker.line());
            let quoted = format!("a\n{ours}");
            prop_assert!(marker.is_first_line_of(&ours) && !marker.is_first_line_of(&quoted));
        }
    }
}
