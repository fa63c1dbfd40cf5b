//! Explains answers that are not those of an API server.

use std::fmt;

use serde_json::Value as Json;

use super::resource::{NETWORK_CHAOS, Resource};

/// Returns the body for a resource that the server does not have; `None` if an object is missing.
///
/// The API server answers with an object of kind `Status` where it knows the resource, and with a plain text elsewhere.
pub(super) fn explain_missing(resource: &Resource, body: &str) -> Option<String> {
    if serde_json::from_str::<Json>(body).is_ok() {
        return None;
    }
    let missing = format!("the API server has no {} in {}", resource.plural, resource.api_version());
    let is_mesh = resource.group == NETWORK_CHAOS.group;
    let prefix = if is_mesh { "Chaos Mesh is not installed in the cluster: " } else { "" };
    Some(format!("{prefix}{missing}"))
}

/// Format of an answer that is not the expected JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerFormat {
    Empty,
    Html,
    OtherJson,
    OtherText,
}

impl fmt::Display for AnswerFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty answer",
            Self::Html => "an HTML page",
            Self::OtherJson => "other JSON",
            Self::OtherText => "another text",
        })
    }
}

/// Describes an answer that is not the expected JSON.
pub(super) fn describe_answer(body: &[u8]) -> AnswerFormat {
    match body.trim_ascii_start() {
        [] => AnswerFormat::Empty,
        [b'<', ..] => AnswerFormat::Html,
        [b'{' | b'[', ..] => AnswerFormat::OtherJson,
        _ => AnswerFormat::OtherText,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_kind_differs_from_missing_object() {
        let page = "404 page not found\n";
        let mesh = "Chaos Mesh is not installed in the cluster: the API server has no networkchaos in \
                    chaos-mesh.org/v1alpha1";
        assert_eq!(explain_missing(&NETWORK_CHAOS, page).as_deref(), Some(mesh));
        let other = Resource { group: "example.org".into(), ..NETWORK_CHAOS };
        let expected = "the API server has no networkchaos in example.org/v1alpha1";
        assert_eq!(explain_missing(&other, page).as_deref(), Some(expected));
        assert_eq!(explain_missing(&NETWORK_CHAOS, r#"{"kind": "Status", "code": 404}"#), None);
    }

    #[test]
    fn answers_that_are_not_json_are_described() {
        assert_eq!(describe_answer(b" <html>"), AnswerFormat::Html);
        assert_eq!(describe_answer(b""), AnswerFormat::Empty);
        assert_eq!(describe_answer(b"{}"), AnswerFormat::OtherJson);
        assert_eq!(describe_answer(b"sign in"), AnswerFormat::OtherText);
    }
}
