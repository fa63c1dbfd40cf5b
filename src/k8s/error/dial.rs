//! Verbatim: the messages of Go's package `net`.
//!
//! The API server and the kubelet report a failed connection as text alone. It is parsed here, once.

use std::fmt;

/// Failed connection that the API server or the kubelet reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialError {
    message: String,
    pub kind: DialErrorKind,
}

/// Kind of a failed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialErrorKind {
    /// The peer refused, or closed the connection.
    Refused,
    Timeout,
    Other,
}

impl DialError {
    pub(in crate::k8s) fn parse(message: &str) -> Self {
        let message = message.trim().to_owned();
        let has = |text: &str| message.contains(text);
        let kind = if has("connection refused") || has("connection reset") || has("EOF") {
            DialErrorKind::Refused
        } else if has("i/o timeout") {
            DialErrorKind::Timeout
        } else {
            DialErrorKind::Other
        };
        Self { message, kind }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_kinds() {
        let check = |message: &str, kind: DialErrorKind| assert_eq!(DialError::parse(message).kind, kind);
        check("dial tcp 10.0.0.1:80: connect: connection refused\n", DialErrorKind::Refused);
        check("read tcp 10.0.0.1:80: read: connection reset by peer", DialErrorKind::Refused);
        check("error trying to reach service: EOF", DialErrorKind::Refused);
        check("dial tcp 10.0.0.1:80: i/o timeout", DialErrorKind::Timeout);
        check("no route to host", DialErrorKind::Other);
    }
}
