//! Label and field selectors of lists, watches and controllers.
//!
//! Verbatim: Kubernetes API server

use serde_json::Value as Json;

use super::json_fields::{entries, items, text};
use super::status::ApiStatus;

/// A requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LabelRequirement {
    Among(String, Vec<String>),
    NotAmong(String, Vec<String>),
    Present(String),
    Absent(String),
}

/// The field selectors of each kind, besides name and namespace.
const SELECTABLE_FIELDS: &[(&str, &str)] = &[
    (
        "Pod",
        "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName status.phase status.podIP \
         status.nominatedNodeName",
    ),
    ("Node", "spec.unschedulable"),
    ("Namespace", "status.phase"),
    ("Secret", "type"),
    ("ReplicaSet", "status.replicas"),
    ("ReplicationController", "status.replicas"),
    ("Job", "status.successful"),
    (
        "Event",
        "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid reason type source",
    ),
];

/// A label and field selector; all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LabelSelector {
    labels: Vec<LabelRequirement>,
    /// Path, value, and whether they must be equal.
    fields: Vec<(String, String, bool)>,
}

impl LabelSelector {
    /// Parses the selectors of a request.
    pub(super) fn parse(labels: &str, fields: &str) -> Result<Self, ApiStatus> {
        let invalid =
            |requirement: &str| ApiStatus::bad_request(format!("unable to parse requirement: {requirement}"));
        let parse = |term: &String| parse_requirement(term).ok_or_else(|| invalid(term));
        let labels = split_terms(labels).iter().map(parse).collect::<Result<_, _>>()?;
        let mut requirements = Vec::new();
        for term in fields.split(',').filter(|term| !term.is_empty()) {
            let (path, value, equal) = match term.split_once("!=") {
                Some((path, value)) => (path, value, false),
                None => match term.split_once('=') {
                    Some((path, value)) => (path, value.trim_start_matches('='), true),
                    None => {
                        return Err(ApiStatus::bad_request(format!(
                            "invalid selector: '{fields}'; can't understand '{term}'"
                        )));
                    }
                },
            };
            requirements.push((path.to_owned(), value.to_owned(), equal));
        }
        Ok(Self { labels, fields: requirements })
    }

    /// Reads `matchLabels` and `matchExpressions`. An empty selector matches everything.
    pub(super) fn from_object(selector: &Json) -> Self {
        let text = |value: &Json| text(value).to_owned();
        let labels = entries(&selector["matchLabels"]);
        let mut all: Vec<LabelRequirement> =
            labels.map(|(label, value)| LabelRequirement::Among(label.clone(), vec![text(value)])).collect();
        for expression in items(&selector["matchExpressions"]) {
            let label = text(&expression["key"]);
            let values = items(&expression["values"]).map(text).collect();
            all.push(match expression["operator"].as_str() {
                Some("In") => LabelRequirement::Among(label, values),
                Some("NotIn") => LabelRequirement::NotAmong(label, values),
                Some("Exists") => LabelRequirement::Present(label),
                _ => LabelRequirement::Absent(label),
            });
        }
        Self { labels: all, fields: Vec::new() }
    }

    /// Returns whether the selector matches everything.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Checks that objects of the kind can be selected by these fields.
    pub(super) fn check_fields(&self, kind: &str) -> Result<(), ApiStatus> {
        let extra_fields = SELECTABLE_FIELDS
            .iter()
            .find(|(supported, _)| *supported == kind)
            .map_or("", |(_, fields)| *fields);
        let supported = |path: &str| {
            matches!(path, "metadata.name" | "metadata.namespace")
                || extra_fields.split(' ').any(|one| one == path)
        };
        match self.fields.iter().find(|(path, ..)| !supported(path)) {
            Some((path, ..)) if extra_fields.is_empty() => {
                let message = format!(
                    "\"{path}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                );
                Err(ApiStatus::bad_request(message))
            }
            Some((path, ..)) => Err(ApiStatus::bad_request(format!("field label not supported: {path}"))),
            None => Ok(()),
        }
    }

    /// Returns whether the selector matches the object.
    pub(super) fn matches(&self, object: &Json) -> bool {
        self.matches_labels(&object["metadata"]["labels"])
            && self.fields.iter().all(|(path, value, equal)| (field_value(object, path) == *value) == *equal)
    }

    /// Returns whether the label requirements match.
    pub(super) fn matches_labels(&self, labels: &Json) -> bool {
        self.labels.iter().all(|requirement| match requirement {
            LabelRequirement::Among(label, values) => {
                labels[label].as_str().is_some_and(|value| values.iter().any(|one| one == value))
            }
            LabelRequirement::NotAmong(label, values) => {
                !labels[label].as_str().is_some_and(|value| values.iter().any(|one| one == value))
            }
            LabelRequirement::Present(label) => labels[label].is_string(),
            LabelRequirement::Absent(label) => !labels[label].is_string(),
        })
    }
}

/// Returns whether the selector of a Service matches the labels. An empty selector matches nothing.
pub(super) fn service_selects(selector: &Json, labels: &Json) -> bool {
    entries(selector).next().is_some() && entries(selector).all(|(name, value)| labels[name] == *value)
}

fn field_value(object: &Json, path: &str) -> String {
    match path.split('.').fold(object, |value, part| &value[part]) {
        Json::String(text) => text.clone(),
        // a missing field is empty; a missing flag is false
        Json::Null if path == "spec.unschedulable" => "false".to_owned(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// Splits a selector at the commas outside parentheses.
fn split_terms(text: &str) -> Vec<String> {
    let (mut terms, mut term, mut depth) = (Vec::new(), String::new(), 0_u32);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                terms.push(std::mem::take(&mut term));
                continue;
            }
            _ => {}
        }
        term.push(c);
    }
    terms.push(term);
    terms.iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

fn parse_requirement(term: &str) -> Option<LabelRequirement> {
    let is_label = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
    };
    let label = |text: &str| Some(text.trim()).filter(|text| is_label(text)).map(str::to_owned);
    let value = |text: &str| {
        let text = text.trim();
        (text.is_empty() || is_label(text)).then(|| text.to_owned())
    };
    if let Some(absent) = term.strip_prefix('!') {
        return label(absent).map(LabelRequirement::Absent);
    }
    if let Some((head, tail)) = term.split_once('(') {
        let values: Option<Vec<String>> = tail.trim().strip_suffix(')')?.split(',').map(value).collect();
        let mut words = head.split_whitespace();
        let (name, operator) = (label(words.next()?)?, words.next()?);
        return match (operator, words.next()) {
            ("in", None) => Some(LabelRequirement::Among(name, values?)),
            ("notin", None) => Some(LabelRequirement::NotAmong(name, values?)),
            _ => None,
        };
    }
    if let Some((name, expected)) = term.split_once("!=") {
        return Some(LabelRequirement::NotAmong(label(name)?, vec![value(expected)?]));
    }
    if let Some((name, expected)) = term.split_once('=') {
        let expected = expected.strip_prefix('=').unwrap_or(expected);
        return Some(LabelRequirement::Among(label(name)?, vec![value(expected)?]));
    }
    label(term).map(LabelRequirement::Present)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_selector_matches_labels() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web, api),!gone", true),
            ("app notin (web)", false),
            ("gone notin (x)", true),
            ("tier", true),
            ("!tier", false),
            ("app=", false),
            ("gone!=x", true),
        ] {
            assert_eq!(LabelSelector::parse(selector, "").unwrap().matches(&object), expected, "{selector}");
        }
        for invalid in ["app in web", "a b", "=x", "app=(x", "app near (x)", "app=a=b"] {
            assert_eq!(LabelSelector::parse(invalid, "").unwrap_err().code, 400, "{invalid}");
        }
    }

    #[test]
    fn field_selector_matches_fields() {
        let pod =
            json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        for (fields, expected) in [
            ("metadata.name=a", true),
            ("status.phase!=Failed,spec.nodeName==n", true),
            ("status.phase=Failed", false),
            ("status.podIP=", true),
        ] {
            assert_eq!(LabelSelector::parse("", fields).unwrap().matches(&pod), expected, "{fields}");
        }
        assert!(LabelSelector::parse("", "metadata.name").is_err());
        assert!(LabelSelector::parse("", "spec.nodeName=n").unwrap().check_fields("Service").is_err());
        assert!(LabelSelector::parse("", "spec.nodeName=n").unwrap().check_fields("Pod").is_ok());
        let free = LabelSelector::parse("", "spec.unschedulable=false").unwrap();
        assert!(
            free.matches(&json!({"spec": {}})) && !free.matches(&json!({"spec": {"unschedulable": true}}))
        );
    }

    #[test]
    fn workload_selector_matches_labels() {
        let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "NotIn", "values": ["back"]}, {"key": "gone", "operator": "DoesNotExist"}]});
        assert!(LabelSelector::from_object(&selector).matches_labels(&json!({"app": "web"})));
        assert!(
            !LabelSelector::from_object(&selector).matches_labels(&json!({"app": "web", "tier": "back"}))
        );
        assert!(LabelSelector::from_object(&json!({})).matches_labels(&Json::Null));
    }
}
