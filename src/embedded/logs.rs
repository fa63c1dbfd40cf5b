//! The logs of Pods, and the selection of lines that a request asks for.
//!
//! Verbatim: Kubernetes API server

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::Value as Json;

use super::json_fields::{items, name, namespace, text};
use super::status::ApiStatus;
use crate::clock::Timestamp;

/// Log lines with their times.
type LogLines = Vec<(Timestamp, String)>;

/// The logs of the existing Pods, by namespace and name. A Pod has one log, because at most one of its
/// containers runs.
#[derive(Default)]
pub(super) struct PodLogs(Mutex<HashMap<(String, String), LogLines>>);

impl PodLogs {
    /// Appends a line to the log of a Pod.
    pub(super) fn append(&self, namespace: &str, name: &str, line: Option<&str>, time: Timestamp) {
        let pod = (namespace.to_owned(), name.to_owned());
        match line {
            Some(line) => self.0.lock().entry(pod).or_default().push((time, line.to_owned())),
            None => drop(self.0.lock().remove(&pod)),
        }
    }

    /// Returns the part of the log that the request parameters select. `query` returns the value of a
    /// parameter, or an empty text. Errors are those of a kubelet.
    pub(super) fn read<'a>(
        &self,
        pod: &Json,
        query: impl Fn(&str) -> &'a str,
        now: Timestamp,
    ) -> Result<String, ApiStatus> {
        let (namespace, name) = (namespace(pod).to_owned(), name(pod).to_owned());
        let container = select_container(pod, query("container"))?;
        if pod["spec"]["nodeName"].is_null() {
            return Ok(String::new());
        }
        check_started(pod, &container, query("previous") == "true")?;
        let number = |parameter: &str| query(parameter).parse::<usize>().ok();
        let since_seconds = number("sinceSeconds").and_then(|seconds| u32::try_from(seconds).ok());
        let begin = since_seconds.map(|seconds| now.as_seconds() - f64::from(seconds));
        let logs = self.0.lock();
        let all = logs.get(&(namespace, name)).map(Vec::as_slice).unwrap_or_default();
        let selected = all.iter().filter(|(time, _)| begin.is_none_or(|begin| time.as_seconds() >= begin));
        let selected: Vec<&(Timestamp, String)> = selected.collect();
        let skipped = number("tailLines").map_or(0, |lines| selected.len().saturating_sub(lines));
        let mut output = String::new();
        for (time, line) in &selected[skipped..] {
            if query("timestamps") == "true" {
                output += &format!("{}Z ", time.iso().split(['+', 'Z']).next().unwrap_or_default());
            }
            output += &format!("{line}\n");
        }
        if let Some(limit) = number("limitBytes") {
            let end = (0..=limit.min(output.len())).rev().find(|end| output.is_char_boundary(*end));
            output.truncate(end.unwrap_or(0));
        }
        Ok(output)
    }
}

/// Selects the named container, or the only one.
fn select_container(pod: &Json, requested: &str) -> Result<String, ApiStatus> {
    let name = name(pod);
    let of = |list: &str| items(&pod["spec"][list]).map(|one| text(&one["name"])).collect::<Vec<_>>();
    let (containers, initial) = (of("containers"), of("initContainers"));
    match containers.as_slice() {
        _ if containers.iter().chain(&initial).any(|candidate| *candidate == requested) => {
            Ok(requested.to_owned())
        }
        [only] if requested.is_empty() => Ok((*only).to_owned()),
        all if requested.is_empty() => {
            let mut message = format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                all.join(" ")
            );
            if !initial.is_empty() {
                message += &format!(" or one of the init containers: [{}]", initial.join(" "));
            }
            Err(ApiStatus::bad_request(message))
        }
        _ => Err(ApiStatus::bad_request(format!("container {requested} is not valid for pod {name}"))),
    }
}

/// Checks that the container has started and so has a log.
fn check_started(pod: &Json, container: &str, previous: bool) -> Result<(), ApiStatus> {
    let name = name(pod);
    let refuse = |message: String| Err(ApiStatus::bad_request(message));
    let mut statuses = items(&pod["status"]["containerStatuses"]);
    let Some(status) = statuses.find(|status| status["name"] == container) else {
        return refuse(format!("container \"{container}\" in pod \"{name}\" is not available"));
    };
    if previous {
        // containers are never restarted here
        return refuse(format!("previous terminated container \"{container}\" in pod \"{name}\" not found"));
    }
    let message = match status["state"]["waiting"]["reason"].as_str() {
        // after a crash, the log of the container is still available
        None | Some("CrashLoopBackOff") => return Ok(()),
        Some("ImagePullBackOff") => "trying and failing to pull image",
        Some("ErrImagePull") => "image can't be pulled",
        Some(reason) => reason,
    };
    refuse(format!("container \"{container}\" in pod \"{name}\" is waiting to start: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn log_query_selects_lines() {
        let logs = PodLogs::default();
        let time = |second: i64| Timestamp::from_micros(second * 1_000_000);
        logs.append("shop", "web", Some("one"), time(1000));
        logs.append("shop", "web", Some("two"), time(1050));
        logs.append("shop", "other", Some("nothing"), time(1050));
        let status = json!({"name": "main", "state": {"running": {}}});
        let mut pod = json!({"metadata": {"namespace": "shop", "name": "web"},
            "spec": {"nodeName": "n", "containers": [{"name": "main"}]}, "status": {"containerStatuses": [status]}});
        let read = |pod: &Json, query: &[(&'static str, &'static str)]| {
            let query = |name: &str| {
                query.iter().find(|(candidate, _)| *candidate == name).map_or("", |(_, value)| *value)
            };
            let result = logs.read(pod, query, time(1100));
            result.map_err(|status| status.message)
        };
        let check = |pod: &Json, query: &[(&'static str, &'static str)], expected: Result<&str, &str>| {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(read(pod, query), expected, "{query:?}");
        };
        check(&pod, &[], Ok("one\ntwo\n"));
        check(&pod, &[("tailLines", "1"), ("container", "main")], Ok("two\n"));
        check(&pod, &[("limitBytes", "5")], Ok("one\nt"));
        check(&pod, &[("sinceSeconds", "60")], Ok("two\n"));
        check(&pod, &[("container", "x")], Err("container x is not valid for pod web"));
        let message = "previous terminated container \"main\" in pod \"web\" not found";
        check(&pod, &[("previous", "true")], Err(message));
        let stamped = read(&pod, &[("timestamps", "true")]).unwrap();
        let (time, line) = stamped.lines().next().unwrap().split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && line == "one", "{stamped}");
        pod["status"]["containerStatuses"][0]["state"] = json!({"waiting": {"reason": "ImagePullBackOff"}});
        let waits = "container \"main\" in pod \"web\" is waiting to start: trying and failing to pull image";
        check(&pod, &[], Err(waits));
        pod["spec"]["containers"] = json!([{"name": "a"}, {"name": "b"}]);
        check(&pod, &[], Err("a container name must be specified for pod web, choose one of: [a b]"));
        pod["spec"]["nodeName"] = Json::Null;
        check(&pod, &[("container", "b")], Ok(""));
    }
}
