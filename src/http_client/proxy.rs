//! Proxies that environment variables name.

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use crate::substitution::mask_userinfo;

/// Proxy, and the variable or the field that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAddress {
    pub origin: &'static str,
    /// May contain credentials.
    pub url: Url,
}

/// Value of a proxy setting that is not the address of a proxy. It is masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid proxy '{value}' in {origin}: expected http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
)]
pub struct InvalidProxy {
    origin: &'static str,
    value: String,
}

impl ProxyAddress {
    /// Parses a setting. An address without a scheme is that of an HTTP proxy.
    pub fn parse(origin: &'static str, value: &str) -> Result<Self, InvalidProxy> {
        let value = value.trim();
        let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        let url = Url::parse(&text).ok().filter(|url| {
            let is_supported = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
            is_supported && url.host_str().is_some_and(|host| !host.is_empty())
        });
        match url {
            Some(url) => Ok(Self { origin, url }),
            None => {
                let masked = mask_userinfo(&text);
                let masked_setting =
                    if text == value { &masked } else { masked.trim_start_matches("http://") };
                Err(InvalidProxy { origin, value: masked_setting.to_owned() })
            }
        }
    }

    /// Returns the address without credentials.
    pub fn display_url(&self) -> String {
        super::display_url(self.url.as_str()).trim_end_matches('/').to_owned()
    }
}

/// Returns the proxy for an address; `None` for a direct connection.
pub fn proxy_for(
    address: &Url,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<ProxyAddress>, InvalidProxy> {
    let names: [&'static str; 4] = if address.scheme() == "https" {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let set = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    let Some((origin, value)) = names.into_iter().find_map(|name| Some((name, set(name)?))) else {
        return Ok(None);
    };
    let exceptions = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    let matcher = Matcher::builder().all("http://proxy.invalid").no(exceptions).build();
    let applies = address.as_str().parse().is_ok_and(|uri| matcher.intercept(&uri).is_some());
    if applies { ProxyAddress::parse(origin, &value).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_is_chosen_by_scheme_and_exceptions() {
        let check = |variables: &[(&str, &str)], address: &str, expected: Option<(&str, &str)>| {
            let get = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let proxy = proxy_for(&Url::parse(address).unwrap(), get).unwrap();
            let proxy = proxy.as_ref().map(|proxy| (proxy.origin, proxy.url.as_str()));
            assert_eq!(proxy, expected, "{variables:?} {address}");
        };
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        check(&[], "https://10.0.0.1:6443", None);
        check(&[proxy], "https://10.0.0.1:6443", Some(("HTTPS_PROXY", "http://proxy:3128/")));
        check(&[proxy], "http://10.0.0.1:8080", None);
        check(&[("HTTP_PROXY", "proxy:1")], "http://h/", Some(("HTTP_PROXY", "http://proxy:1/")));
        check(
            &[("all_proxy", "socks5://p"), ("HTTPS_PROXY", " ")],
            "https://h",
            Some(("all_proxy", "socks5://p")),
        );
        check(&[("https_proxy", "http://low"), proxy], "https://h", Some(("https_proxy", "http://low/")));
        check(&[proxy, ("NO_PROXY", "10.0.0.0/8")], "https://10.0.0.1:6443", None);
        check(&[proxy, ("no_proxy", "example.com")], "https://api.example.com", None);
        check(&[proxy, ("NO_PROXY", "*")], "https://api.example.com", None);
        // an exception makes even an invalid setting irrelevant
        check(&[("HTTPS_PROXY", "://"), ("NO_PROXY", "*")], "https://api.example.com", None);
    }

    #[test]
    fn invalid_proxy_is_named_without_its_password() {
        for value in ["://", "ftp://me:s3cret@proxy", "http://", "http://me:s3cret@", "me:s3cret@ proxy:1"] {
            let get = |name: &str| (name == "HTTPS_PROXY").then(|| value.to_owned());
            let error = proxy_for(&Url::parse("https://h").unwrap(), get).unwrap_err().to_string();
            assert!(error.contains("in HTTPS_PROXY") && !error.contains("s3cret"), "{error}");
        }
    }
}
