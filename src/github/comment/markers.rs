//! The hidden lines of a comment: which one it is, and of which run it tells. Floor 1, pure.

use ring::digest;

use crate::github::WorkflowRunId;

/// How long the identity of a comment may be.
const MAX_ID_LENGTH: usize = 64;
/// What both lines begin with.
const OPEN: &str = "<!-- kubectl-chaos:";
/// What they end with.
const CLOSE: &str = " -->";

/// The line that a comment is recognised by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentMarker(String);

/// The line that says of which run a comment tells, and what that came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStamp {
    /// The run; none where somebody publishes by hand.
    pub run: Option<WorkflowRunId>,
    /// What it came to, in a word or two: `fixed/holds`.
    pub state: String,
}

/// Whether a text can be the identity of a comment.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.chars().all(is_id_char)
}

fn is_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// An identity made of any text: the same for the same text, and another one for another where it had to be changed.
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
    /// Of a comment with that identity; nothing where it can be none.
    pub fn new(id: &str) -> Option<Self> {
        is_id(id).then(|| Self(format!("{OPEN}comment:{id}{CLOSE}")))
    }

    /// The line.
    pub fn line(&self) -> &str {
        &self.0
    }

    /// Whether it is the first line of that text, where we write it: anywhere else it may be a quotation, or what
    /// somebody else made the same author say.
    pub(super) fn is_first_line_of(&self, text: &str) -> bool {
        text.lines().next() == Some(&self.0)
    }
}

impl RunStamp {
    /// The line.
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

    /// Reads it from the second line of a comment, where we write it; whatever stands below may be anybody's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().nth(1)?;
        let said = line.strip_prefix(OPEN)?.strip_prefix("run:")?.strip_suffix(CLOSE)?;
        let mut parts = said.splitn(3, ':');
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
    fn identities_are_made_of_names() {
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
    fn what_is_no_identity_makes_no_mark() {
        for wrong in ["", "a b", "a\n", "a-->", "<!--", "é", &"x".repeat(65)] {
            assert_eq!(CommentMarker::new(wrong), None, "{wrong:?}");
        }
        assert!(CommentMarker::new(&"x".repeat(64)).is_some());
    }

    #[test]
    fn stamps_are_read_again() {
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
        fn every_text_makes_an_identity(text in ".{0,200}") {
            let id = derive_id(&text);
            prop_assert!(is_id(&id));
            let mark = CommentMarker::new(&id).unwrap();
            let ours = format!("{}\nb", mark.line());
            let quoted = format!("a\n{ours}");
            prop_assert!(mark.is_first_line_of(&ours) && !mark.is_first_line_of(&quoted));
        }
    }
}
