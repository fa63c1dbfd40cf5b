//! Classifies error responses of GitHub. Pure.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::github::RequestErrorKind;

/// Reason of a 403 that GitHub gives only in the text of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForbiddenReason {
    SecondaryRateLimit,
    Locked,
}

/// Parses the text of a 403.
///
/// "Rate limits for the REST API" documents for secondary limits: status 403 or 429 and "an error message that
/// indicates that you exceeded a secondary rate limit"; the headers `retry-after` and `x-ratelimit-remaining` are
/// optional (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>). "Create an issue
/// comment" documents only the status 403, without a code that tells a locked conversation from a missing permission
/// (<https://docs.github.com/en/rest/issues/comments>).
fn parse_forbidden(message: &str) -> Option<ForbiddenReason> {
    let message = message.to_ascii_lowercase();
    if message.contains("rate limit") {
        Some(ForbiddenReason::SecondaryRateLimit)
    } else if message.contains("locked") {
        Some(ForbiddenReason::Locked)
    } else {
        None
    }
}

/// Classifies an error response by status, headers and, for a 403 without such headers, its message.
pub(super) fn classify(status: StatusCode, headers: &HeaderMap, message: &str) -> RequestErrorKind {
    let is_exhausted = headers.get("x-ratelimit-remaining").is_some_and(|remaining| remaining == "0");
    match status {
        StatusCode::TOO_MANY_REQUESTS => RequestErrorKind::RateLimited,
        StatusCode::FORBIDDEN if is_exhausted || headers.contains_key(RETRY_AFTER) => {
            RequestErrorKind::RateLimited
        }
        StatusCode::FORBIDDEN => match parse_forbidden(message) {
            Some(ForbiddenReason::SecondaryRateLimit) => RequestErrorKind::RateLimited,
            Some(ForbiddenReason::Locked) => RequestErrorKind::Locked,
            None => RequestErrorKind::Status(403),
        },
        _ => RequestErrorKind::Status(status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_response_is_classified() {
        let check = |status: u16, header: Option<(&'static str, &str)>, message: &str, expected| {
            let headers: HeaderMap = header
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .into_iter()
                .collect();
            let kind = classify(StatusCode::from_u16(status).unwrap(), &headers, message);
            assert_eq!(kind, expected, "{status} {header:?} {message}");
        };
        check(429, None, "", RequestErrorKind::RateLimited);
        check(403, Some(("retry-after", "1")), "", RequestErrorKind::RateLimited);
        check(403, Some(("x-ratelimit-remaining", "0")), "", RequestErrorKind::RateLimited);
        check(403, None, "You have exceeded a secondary rate limit", RequestErrorKind::RateLimited);
        check(403, None, "Unable to create comment because issue is locked.", RequestErrorKind::Locked);
        let forbidden = "Resource not accessible by integration";
        check(403, Some(("x-ratelimit-remaining", "99")), forbidden, RequestErrorKind::Status(403));
        check(404, None, "rate limit", RequestErrorKind::Status(404));
        check(422, Some(("retry-after", "1")), "locked", RequestErrorKind::Status(422));
    }
}
