//! Allowlist of clusters, by the names of their contexts.

use crate::k8s::error::{RefusedCluster, RefusedContext};

/// Name of the cluster of this Pod.
pub(super) const IN_CLUSTER: &str = "in-cluster";
/// Name of a cluster without a context.
pub(super) const SERVER: &str = "server";

/// Allowlist of context names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextAllowlist {
    allowed: Vec<String>,
    advice: String,
}

impl ContextAllowlist {
    /// Creates an allowlist of patterns, in which `*` matches any characters.
    ///
    /// The hint is shown for other clusters; `NAME` in it becomes their name.
    pub fn new(allowed: impl IntoIterator<Item = String>, advice: impl Into<String>) -> Self {
        Self { allowed: allowed.into_iter().collect(), advice: advice.into() }
    }

    /// Checks that all names are allowed.
    pub(super) fn check(&self, names: &[&str]) -> Result<(), RefusedContext> {
        let refused = names.iter().find(|name| !self.allowed.iter().any(|pattern| matches(pattern, name)));
        refused.map_or(Ok(()), |name| {
            let cluster = match *name {
                IN_CLUSTER => RefusedCluster::InCluster,
                SERVER => RefusedCluster::Server,
                name => RefusedCluster::Context(name.to_owned()),
            };
            Err(RefusedContext {
                cluster,
                allowed: self.allowed.clone(),
                hint: self.advice.replace("NAME", name),
            })
        })
    }
}

/// Whether a name matches a pattern.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(start) = name.find(part) else { return false };
        name = &name[start + part.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_matches_any_characters() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        };
        check("kind-*", "kind-ci", true);
        check("kind-*", "kind-", true);
        check("kind-*", "kind", false);
        check("kind-*", "my-kind-ci", false);
        check("minikube", "minikube", true);
        check("minikube", "minikube-2", false);
        check("*", "anything", true);
        check("*-test", "eu-test", true);
        check("*-test", "eu-test-2", false);
        check("a*b*c", "a1b2c", true);
        check("a*b*c", "a1c2b", false);
        check("a*a", "a", false);
        check("", "", true);
        check("", "x", false);
        check("kind-?", "kind-x", false);
    }

    #[test]
    fn every_name_must_be_allowed() {
        let allowlist = ContextAllowlist::new(["kind-*".to_owned()], "--allow-context NAME allows it");
        assert_eq!(allowlist.check(&["kind-a", "kind-b"]), Ok(()));
        let error = allowlist.check(&["kind-a", "prod"]).unwrap_err();
        assert_eq!(error.to_string(), "context 'prod' is not allowed; allowed: kind-*");
        assert_eq!(error.hint, "--allow-context prod allows it");
        assert_eq!(allowlist.check(&[SERVER]).unwrap_err().hint, "--allow-context server allows it");
        assert_eq!(allowlist.check(&[IN_CLUSTER]).unwrap_err().hint, "--allow-context in-cluster allows it");
    }
}
