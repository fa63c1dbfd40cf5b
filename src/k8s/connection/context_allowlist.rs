//! Which clusters may be touched, where not every one may. Floor 1.

use super::error::{RefusedCluster, RefusedContext};

/// What the cluster is called that this program runs in.
pub(super) const IN_CLUSTER: &str = "in-cluster";
/// What a cluster is called that is known by its address alone.
pub(super) const SERVER: &str = "server";

/// Lets clusters pass by the names of their contexts.
#[derive(Clone, Debug)]
pub struct ContextAllowlist {
    allowed: Vec<String>,
    advice: String,
}

impl ContextAllowlist {
    /// Lets those pass whose names fit one of the patterns, in which `*` stands for any characters. Of the others it
    /// is said what to do.
    pub fn new(allowed: impl IntoIterator<Item = String>, advice: impl Into<String>) -> Self {
        Self { allowed: allowed.into_iter().collect(), advice: advice.into() }
    }

    /// Checks that all names are allowed.
    pub(super) fn check(&self, names: &[&str]) -> Result<(), RefusedContext> {
        let refused = names.iter().find(|name| !self.allowed.iter().any(|pattern| fits(pattern, name)));
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

/// Whether a name fits a pattern.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
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
    fn every_name_has_to_pass() {
        let guard = ContextAllowlist::new(["kind-*".to_owned()], "--allow-context NAME allows it");
        assert_eq!(guard.check(&["kind-a", "kind-b"]), Ok(()));
        let error = guard.check(&["kind-a", "prod"]).unwrap_err();
        assert_eq!(error.to_string(), "context 'prod' is not allowed; allowed: kind-*");
        assert_eq!(error.hint, "--allow-context prod allows it");
        assert_eq!(guard.check(&[SERVER]).unwrap_err().hint, "--allow-context server allows it");
        assert_eq!(guard.check(&[IN_CLUSTER]).unwrap_err().hint, "--allow-context in-cluster allows it");
    }
}
