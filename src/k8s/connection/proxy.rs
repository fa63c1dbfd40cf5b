//! Proxy of the API server, from the usual environment variables.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use crate::config::ProcessEnv;

/// Returns the proxy for an address; `None` for a direct connection.
pub(super) fn of(address: &Uri, environment: &ProcessEnv) -> Option<Uri> {
    let either = |upper: &str, lower: &str| {
        environment.get(lower).or_else(|| environment.get(upper)).unwrap_or_default()
    };
    let matcher = Matcher::builder()
        .all(either("ALL_PROXY", "all_proxy"))
        .http(either("HTTP_PROXY", "http_proxy"))
        .https(either("HTTPS_PROXY", "https_proxy"))
        .no(either("NO_PROXY", "no_proxy"))
        .build();
    matcher.intercept(address).map(|found| found.uri().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], address: &str, expected: Option<&str>) {
        let mut environment = ProcessEnv::default();
        for (name, value) in variables {
            environment.set(name, value);
        }
        let found = of(&address.parse().unwrap(), &environment).map(|uri| uri.to_string());
        assert_eq!(found.as_deref(), expected, "{variables:?} {address}");
    }

    #[test]
    fn proxies_come_from_the_environment() {
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        check(&[], "https://10.0.0.1:6443", None);
        check(&[proxy], "https://10.0.0.1:6443", Some("http://proxy:3128/"));
        check(&[proxy], "http://10.0.0.1:8080", None);
        check(&[proxy, ("NO_PROXY", "10.0.0.0/8")], "https://10.0.0.1:6443", None);
        check(&[proxy, ("no_proxy", "example.com")], "https://api.example.com", None);
        check(&[proxy, ("NO_PROXY", "*")], "https://api.example.com", None);
    }
}
