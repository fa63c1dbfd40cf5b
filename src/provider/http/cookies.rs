//! Cookies of one request: those that a redirect sets are sent to its target.
//!
//! Python's `requests` keeps them for the time of a request. Rules of RFC 6265, as far as one request needs them.

use http::HeaderMap;
use http::header::{HeaderValue, SET_COOKIE};
use url::{Host, Url};

use crate::sort;

/// Cookies that servers set during a request.
#[derive(Debug, Default)]
pub(super) struct CookieJar {
    cookies: Vec<Cookie>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    host: String,
    /// Whether the hosts below its host get it, too.
    with_subdomains: bool,
    path: String,
    /// Whether it is sent over https only.
    secure: bool,
}

impl CookieJar {
    /// Takes the cookies of an answer.
    pub(super) fn store(&mut self, url: &Url, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let Some((cookie, is_expired)) = parse(url, value) else { continue };
            self.cookies.retain(|known| {
                (&known.name, &known.host, &known.path) != (&cookie.name, &cookie.host, &cookie.path)
            });
            if !is_expired {
                self.cookies.push(cookie);
            }
        }
    }

    /// Returns the header `Cookie` for an address; `None` if there are no cookies for it.
    pub(super) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let mut fitting: Vec<&Cookie> = self.cookies.iter().filter(|cookie| cookie.fits(url)).collect();
        // longer paths first; the sort keeps the order of arrival
        sort::sort_by_key(&mut fitting, |cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> =
            fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let mut value = HeaderValue::from_str(&pairs.join("; ")).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Cookie {
    fn fits(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let of_host = host == self.host || self.with_subdomains && is_below(host, &self.host);
        let rest = url.path().strip_prefix(&self.path);
        let of_path =
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        of_host && of_path && (!self.secure || url.scheme() == "https")
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Parses a header. Returns the cookie, and whether it is expired; `None` if the host may not set it.
fn parse(url: &Url, header: &str) -> Option<(Cookie, bool)> {
    let mut parts = header.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let host = url.host_str()?.to_owned();
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        host: host.clone(),
        with_subdomains: false,
        path: default_path(url).to_owned(),
        secure: false,
    };
    if cookie.name.is_empty() {
        return None;
    }
    let mut ends = (None, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                let is_name = matches!(url.host(), Some(Host::Domain(_)));
                if domain.is_empty() || domain == host {
                    cookie.with_subdomains = is_name && !domain.is_empty();
                } else if is_name && domain.contains('.') && is_below(&host, &domain) {
                    cookie.host = domain;
                    cookie.with_subdomains = true;
                } else {
                    return None;
                }
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "max-age" => ends.0 = value.parse::<i64>().ok().map(|seconds| seconds <= 0),
            "expires" => ends.1 = is_past(value),
            _ => {}
        }
    }
    // Max-Age overrides Expires
    Some((cookie, ends.0.or(ends.1).unwrap_or(false)))
}

fn is_past(date: &str) -> Option<bool> {
    // old servers separate the parts of a date with hyphens
    let date = date.replace('-', " ");
    let end = jiff::fmt::rfc2822::parse(&date).ok()?;
    Some(end.timestamp() <= jiff::Timestamp::now())
}

/// Returns the directory of an address.
fn default_path(url: &Url) -> &str {
    match url.path().rfind('/') {
        Some(0) | None => "/",
        Some(end) => &url.path()[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_sent_to_their_origin_only() {
        let check = |from: &str, set: &[&str], to: &str, expected: Option<&str>| {
            let mut jar = CookieJar::default();
            let headers = set.iter().map(|value| (SET_COOKIE, HeaderValue::from_str(value).unwrap()));
            let mut all = HeaderMap::new();
            headers.for_each(|(name, value)| {
                all.append(name, value);
            });
            jar.store(&Url::parse(from).unwrap(), &all);
            let header = jar.header(&Url::parse(to).unwrap());
            assert_eq!(header.as_ref().map(|value| value.to_str().unwrap()), expected, "{from} {set:?} {to}");
        };
        check("http://h/login", &["s=1; HttpOnly", "t=2; Path=/"], "http://h/x", Some("s=1; t=2"));
        check("http://h:80/a/login", &["s=1"], "http://h:81/a/b", Some("s=1"));
        check("http://h/a/login", &["s=1"], "http://h/ab", None);
        check("http://h/a/login", &["s=1", "t=2; path=/a/b/"], "http://h/a/b/c", Some("t=2; s=1"));
        check("http://h/", &["s=1"], "http://other/", None);
        check("http://a.h.org/", &["s=1; Domain=.h.org"], "http://b.h.org/", Some("s=1"));
        check("http://a.h.org/", &["s=1; Domain=other.org"], "http://other.org/", None);
        check("http://a.h.org/", &["s=1; Domain=org"], "http://b.org/", None);
        check("http://h.org/", &["s=1"], "http://a.h.org/", None);
        check("http://127.0.0.1/", &["s=1; Domain=127.0.0.1"], "http://127.0.0.1/", Some("s=1"));
        check("https://h/", &["s=1; Secure"], "http://h/", None);
        check("https://h/", &["s=1; Secure"], "https://h/", Some("s=1"));
        check("http://h/", &["s=1", "s=2"], "http://h/", Some("s=2"));
        check("http://h/", &["s=1", "s=; Max-Age=0"], "http://h/", None);
        check("http://h/", &["s=1", "s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "http://h/", None);
        check(
            "http://h/",
            &["s=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT; Max-Age=60"],
            "http://h/",
            Some("s=1"),
        );
        check("http://h/", &["no value", "=x", "a=b=c"], "http://h/", Some("a=b=c"));
    }
}
