//! Functions for logs of Pods.

use crate::chaosk8s::error::{Error, PythonException, Result};
use crate::k8s::{ApiRequest, ObjectSelector, PODS};
use http::Method;
use serde_json::{Map as JsonMap, Value as Json};

use super::FunctionContext;
use crate::clock::Timestamp;
use crate::tolerance::Pattern;
use crate::value::Value;

/// Limit for a log: containers are not trusted to log little.
const MAX_BYTES: usize = 8 * 1024 * 1024;

pub(super) async fn read(context: &FunctionContext) -> Result<Json> {
    let arguments = &context.arguments;
    let name = arguments.text("name");
    let labels = arguments.selector(name.as_deref().unwrap_or("None"))?;
    if name.is_none() && labels == "name in (None)" {
        context.require_selector(&ObjectSelector::default(), "every Pod of the namespace")?;
    }
    let since_seconds = match arguments.some_text("last") {
        None => None,
        Some(last) => Some(seconds_since(&last, Timestamp::now().as_seconds()).ok_or_else(|| {
            let message = format!(
                "invalid time \"{last}\": expected a duration such as 90s or 10 minutes, or a date such as \
                 2026-01-31T12:00:00Z"
            );
            Error::raise(PythonException::TypeError, message)
        })?),
    };
    let namespace = context.namespace();
    let mut logs = JsonMap::new();
    for pod in context.list_metadata(&PODS, &ObjectSelector::labels(Some(&labels))).await? {
        let mut call = ApiRequest::new(Method::GET, "get", &PODS, Some(&namespace)).name(&pod.name);
        call.subresource = Some("log");
        call.query = vec![
            ("container", arguments.text("container_name").unwrap_or_default()),
            ("follow", "false".to_owned()),
            ("previous", arguments.flag("from_previous").to_string()),
            ("timestamps", "true".to_owned()),
            ("limitBytes", MAX_BYTES.to_string()),
        ];
        if let Some(seconds) = since_seconds.filter(|seconds| *seconds != 0) {
            call.query.push(("sinceSeconds", seconds.to_string()));
        }
        let text = context.cluster.send(&call).await?;
        logs.insert(pod.name, String::from_utf8_lossy(&text).into_owned().into());
    }
    Ok(logs.into())
}

/// Parses `90s`, `1h 30m`, `10 minutes ago` or a date into seconds before now.
fn seconds_since(text: &str, now: f64) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // whole seconds are enough
        return Some((now - time.as_second() as f64) as i64);
    }
    if text.eq_ignore_ascii_case("now") {
        return Some(0);
    }
    let text = text.strip_suffix("ago").unwrap_or(text).to_lowercase();
    let mut rest = text.trim_start_matches("in the last").trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = rest[end..].trim_start();
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            _ => return None,
        };
        seconds += number * unit;
        rest = rest[end..].trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
    }
    #[allow(clippy::cast_possible_truncation)] // whole seconds are enough
    (!text.is_empty()).then_some(seconds as i64)
}

/// Whether a text is a duration or a date.
pub(in crate::chaosk8s) fn is_log_time(text: &str) -> bool {
    seconds_since(text, 0.0).is_some()
}

/// Searches a pattern in logs that a probe has read.
pub(super) fn should_be_found(context: &FunctionContext) -> Result<Json> {
    let arguments = &context.arguments;
    let pattern = Pattern::compile(&arguments.required("pattern"))
        .map_err(|error| Error::raise(PythonException::RegexError, error.to_string()))?;
    let logs = arguments.value("value").as_map().filter(|logs| !logs.is_empty());
    let logs = logs.ok_or_else(|| Error::failed("no logs to search from"))?;
    let matches = |log: &Value| {
        pattern
            .search(&log.python_text())
            .map_err(|error| Error::raise(PythonException::RegexError, error.to_string()))
    };
    let matches: Vec<bool> = logs.values().map(matches).collect::<Result<_, _>>()?;
    let met =
        if arguments.flag("all_containers") { !matches.contains(&false) } else { matches.contains(&true) };
    Ok(met.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_dates_are_parsed() {
        let now = 1_767_225_600.0; // 2026-01-01T00:00:00Z
        let check =
            |text: &str, expected: Option<i64>| assert_eq!(seconds_since(text, now), expected, "{text}");
        check("60s", Some(60));
        check("10 minutes", Some(600));
        check("2 hours ago", Some(7200));
        check("1h 30m", Some(5400));
        check("1 day, 2 hours and 1 second", Some(93_601));
        check("2025-12-31T23:59:00Z", Some(60));
        check("now", Some(0));
        check("tomorrow", None);
        check("10", None);
        check("", None);
    }
}
