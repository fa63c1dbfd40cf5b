//! Warnings that the API server sends beside an answer (RFC 9111, header `Warning`).

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use http::header::WARNING;

/// Receives each warning. The default ignores them.
#[derive(Clone, Default)]
pub struct WarningHandler(Option<Arc<HandleWarning>>);

type HandleWarning = dyn Fn(&str) + Send + Sync;

impl WarningHandler {
    /// Creates a handler from a function.
    pub fn new(handle: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(handle)))
    }

    /// Passes the warnings of an answer on.
    pub(super) fn handle(&self, headers: &HeaderMap, mask: impl Fn(&str) -> String) {
        let Some(handle) = &self.0 else { return };
        let values = headers.get_all(WARNING).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(parse).for_each(|warning| handle(&mask(&warning)));
    }
}

impl fmt::Debug for WarningHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "WarningHandler(set)" } else { "WarningHandler(none)" })
    }
}

/// Parses a header: `299 - "text"`, several of them separated by commas. Only code 299 is a message of the server.
fn parse(header: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut rest = header.trim_start();
    while let Some((head, quoted)) = rest.split_once('"') {
        let mut text = String::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            match characters.next() {
                Some((_, '\\')) => text.extend(characters.next().map(|(_, escaped)| escaped)),
                Some((at, '"')) => break at + 1,
                Some((_, character)) => text.push(character),
                None => return warnings,
            }
        };
        if head.split_whitespace().next() == Some("299") && !text.trim().is_empty() {
            warnings.push(text.trim().to_owned());
        }
        // a date may follow
        let after = &quoted[end..];
        rest = after.split_once(',').map_or("", |(_, next)| next).trim_start();
        if after.trim_start().starts_with('"') {
            // the comma is part of a date
            let date = after.trim_start()[1..].split_once('"').map_or("", |(_, next)| next);
            rest = date.split_once(',').map_or("", |(_, next)| next).trim_start();
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_parsed() {
        let check = |header: &str, expected: &[&str]| assert_eq!(parse(header), expected, "{header}");
        check(
            "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\"",
            &["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"],
        );
        check("299 - \"a \\\"b\\\", c\", 299 - \"d\"", &["a \"b\", c", "d"]);
        check("299 - \"a\" \"Wed, 21 Oct 2015 07:28:00 GMT\", 299 h \"b\"", &["a", "b"]);
        check("110 - \"stale\", 299 - \"a\"", &["a"]);
        check("299 - \"open", &[]);
        check("299", &[]);
        check("", &[]);
    }
}
