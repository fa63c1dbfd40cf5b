//! Addresses that mean a Service.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Service that an address means; not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRef {
    pub name: String,
    /// `None` for the namespace of the run.
    pub namespace: Option<String>,
    /// The number or the name of its port.
    pub port: Option<String>,
    /// Whether the port must match. An address without a port means that of its scheme, or the only one.
    pub exactly: bool,
}

/// Alias of `--connect-to`: `HOST:PORT=NAME[.NAMESPACE].svc[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAlias {
    host: String,
    port: u16,
    to: ServiceRef,
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(namespace) = &self.namespace {
            write!(f, ".{namespace}")?;
        }
        f.write_str(".svc")?;
        match &self.port {
            Some(port) if self.exactly => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

/// Returns the Service that an address means: by an alias, else by its cluster DNS name.
pub fn named(url: &Url, aliases: &[ServiceAlias]) -> Option<ServiceRef> {
    let host = url.host_str()?;
    let port = url.port_or_known_default()?;
    if let Some(alias) = aliases.iter().find(|alias| alias.host == host && alias.port == port) {
        return Some(alias.to.clone());
    }
    let (name, namespace) = service(host)?;
    Some(ServiceRef { name, namespace, port: Some(port.to_string()), exactly: url.port().is_some() })
}

/// Parses name and namespace from `NAME.svc`, `NAME.NAMESPACE.svc` and their long forms.
fn service(host: &str) -> Option<(String, Option<String>)> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = host.strip_suffix(".cluster.local").unwrap_or(host);
    let mut labels = host.strip_suffix(".svc")?.split('.');
    let (name, namespace, more) = (labels.next()?, labels.next(), labels.next());
    // three labels are one Pod of a headless Service, which only the cluster DNS resolves
    let is_label = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        letters && !label.is_empty() && label.len() <= 63
    };
    let fits = more.is_none() && is_label(name) && namespace.is_none_or(is_label);
    fits.then(|| (name.to_owned(), namespace.map(str::to_owned)))
}

/// Error of an alias. Aliases have the form `HOST:PORT=NAME[.NAMESPACE].svc[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    #[error("expected HOST:PORT=NAME[.NAMESPACE].svc[:PORT]")]
    Form,
    #[error("invalid address '{0}': expected HOST:PORT=NAME[.NAMESPACE].svc[:PORT]")]
    Address(String),
    #[error("invalid Service '{0}': expected HOST:PORT=NAME[.NAMESPACE].svc[:PORT]")]
    Service(String),
    #[error("invalid port in '{0}': expected HOST:PORT=NAME[.NAMESPACE].svc[:PORT]")]
    Port(String),
}

impl FromStr for ServiceAlias {
    type Err = AliasError;

    fn from_str(text: &str) -> Result<Self, AliasError> {
        let (from, to) = text.split_once('=').ok_or(AliasError::Form)?;
        let invalid_address = || AliasError::Address(from.to_owned());
        let url = Url::parse(&format!("http://{from}/")).map_err(|_| invalid_address())?;
        let (host, port) = url.host_str().zip(url.port_or_known_default()).ok_or(AliasError::Form)?;
        if !from.ends_with(&format!(":{port}")) || !url.username().is_empty() || url.path() != "/" {
            return Err(invalid_address());
        }
        let (service_host, service_port) = match to.split_once(':') {
            None => (to, None),
            Some((host, port)) => (host, Some(port)),
        };
        let lower = service_host.to_lowercase();
        let (name, namespace) = service(&lower).ok_or_else(|| AliasError::Service(to.to_owned()))?;
        let is_port = |port: &&str| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if service_port.is_some_and(|port| !is_port(&port)) {
            return Err(AliasError::Port(to.to_owned()));
        }
        let exactly = service_port.is_some();
        // without a port: that of the address, or the only one
        let service_port = service_port.map_or_else(|| port.to_string(), str::to_owned);
        let to = ServiceRef { name, namespace, port: Some(service_port), exactly };
        Ok(Self { host: host.to_owned(), port, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str, aliases: &[&str]) -> Option<(String, Option<String>)> {
        let aliases: Vec<ServiceAlias> = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
        named(&Url::parse(url).unwrap(), &aliases).map(|wanted| (wanted.to_string(), wanted.port))
    }

    #[test]
    fn service_hosts_are_recognized() {
        let check = |url: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(name, port)| (name.to_owned(), Some(port.to_owned())));
            assert_eq!(shown(url, &[]), expected, "{url}");
        };
        check("http://web.svc/", Some(("web.svc", "80")));
        check("http://web.svc:8080/x?y", Some(("web.svc:8080", "8080")));
        check("https://web.shop.svc/", Some(("web.shop.svc", "443")));
        check("http://WEB.shop.svc.cluster.local:81/", Some(("web.shop.svc:81", "81")));
        check("http://web.shop.svc.cluster.local./", Some(("web.shop.svc", "80")));
        check("http://one.web.shop.svc/", None);
        check("http://svc/", None);
        check("http://.svc/", None);
        check("http://web.shop/", None);
        check("http://web.svc.example.com/", None);
        check("http://web.cluster.local/", None);
        check("http://192.168.39.7:31546/", None);
    }

    #[test]
    fn alias_names_a_service() {
        let alias = "192.168.39.7:31546=my-consumer-service.svc";
        let url = "http://192.168.39.7:31546/invokeConsumedService";
        assert_eq!(shown(url, &[alias]), Some(("my-consumer-service.svc".into(), Some("31546".into()))));
        assert_eq!(shown("http://192.168.39.7:31547/", &[alias]), None);
        let alias = "example.com:80=web.shop.svc:http";
        assert_eq!(
            shown("http://example.com/x", &[alias]),
            Some(("web.shop.svc:http".into(), Some("http".into())))
        );
        let alias = "[::1]:8080=web.svc:80";
        assert_eq!(shown("http://[::1]:8080/", &[alias]), Some(("web.svc:80".into(), Some("80".into()))));
        for invalid in [
            "",
            "a:1",
            "a=web.svc",
            "a:1=web",
            "a:1=web.svc:",
            "a:1=x.web.shop.svc",
            "a:0x1=web.svc",
            "a:1/x=web.svc",
            "u@a:1=web.svc",
            "a:1=web.svc:80/x",
            ":1=web.svc",
        ] {
            assert!(invalid.parse::<ServiceAlias>().is_err(), "{invalid}");
        }
    }
}
