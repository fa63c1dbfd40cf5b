//! Arguments of faults of Chaos Mesh, as its API server extension checks them.

use super::argument_fault::{ArgumentFault, check_items, fault};
use super::at_argument;
use super::syntax::check_subdomain;
use crate::chaosk8s::arguments::python_int;
use crate::chaosk8s::catalogue::{Function, FunctionId};
use crate::experiment::{DeferredNames, ValidationFinding};
use crate::value::{Map, Value};

/// The largest number of workers of stress-ng.
pub(super) const MAX_WORKERS: i64 = 8192;
/// Units of a bandwidth; `bps` is bytes per second.
const RATE_UNITS: [&str; 2] = ["bps", "bit"];

/// Rule for the value of an argument of a fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum FaultRule {
    /// Number or percentage of Pods, depending on the mode.
    ModeValue,
    /// IP addresses, networks and host names, perhaps with a port.
    ExternalTargets,
    /// Bandwidth such as `1mbps`.
    Rate,
    /// Size of memory such as `256MB` or `50%`.
    Size,
    /// Time until the memory is used.
    GrowthTime,
}

impl FaultRule {
    /// Checks a value of the right type that is not null.
    pub(super) fn check(self, name: &str, value: &Value, given: &Map) -> Result<(), ArgumentFault> {
        let text = value.as_text();
        let is_valid = match (self, text) {
            (Self::ModeValue, _) => return check_mode_value(name, value, given),
            (Self::ExternalTargets, _) => return check_items(value, check_external_target),
            (Self::Rate, Some(text)) => is_rate(text),
            (Self::Size, Some(text)) => is_size(text),
            (Self::GrowthTime, Some(text)) => is_growth_time(text),
            (Self::Rate | Self::Size | Self::GrowthTime, None) => true,
        };
        if is_valid { Ok(()) } else { Err(fault(format!("'{}'", value.python_text()), self.expected())) }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Rate => "an integer and a unit such as 1mbps (bytes) or 1mbit",
            Self::Size => "a size such as 256MB, or a percentage such as 50%",
            Self::GrowthTime => "a duration such as 30s or 10min",
            Self::ModeValue | Self::ExternalTargets => "another value",
        }
    }
}

/// Returns the argument with the mode that a value belongs to: `target_mode_value` belongs to `target_mode`.
fn mode_of<'a>(name: &str, given: &'a Map) -> Option<&'a str> {
    given.get(name.strip_suffix("_value").unwrap_or(name)).and_then(Value::as_text)
}

fn check_mode_value(name: &str, value: &Value, given: &Map) -> Result<(), ArgumentFault> {
    let (high, expected) = match mode_of(name, given) {
        Some("fixed") => (i64::MAX, "a number of Pods, 1 or more"),
        Some("fixed-percent" | "random-max-percent") => (100, "a percentage from 1 to 100"),
        _ => return Ok(()),
    };
    let number = python_int(value).ok().flatten();
    // Chaos Mesh gets the value as text
    let is_whole = value.python_text().bytes().all(|b| b.is_ascii_digit());
    if is_whole && number.is_some_and(|number| (1..=high).contains(&number)) {
        Ok(())
    } else {
        Err(fault(format!("'{}'", value.python_text()), expected))
    }
}

fn check_external_target(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "an IP address, a network such as 10.0.0.0/8, or a host name";
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    let is_network = || {
        let (address, bits) = text.split_once('/')?;
        let address: std::net::IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        bits.parse().ok().filter(|bits: &u8| *bits <= most)
    };
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => text,
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase().replace('_', "-");
    if is_network().is_some() || check_subdomain(&host).is_ok() { Ok(()) } else { Err(EXPECTED) }
}

/// Whether a text is an integer with a unit of bandwidth, in any case.
fn is_rate(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let without_unit = RATE_UNITS.iter().find_map(|unit| text.strip_suffix(unit));
    let number =
        without_unit.map(|number| number.strip_suffix(['k', 'm', 'g', 't']).unwrap_or(number).trim());
    number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()) && number.parse::<u64>().is_ok())
}

/// Whether a text is a percentage, or a number of bytes with or without a unit.
fn is_size(text: &str) -> bool {
    if let Some(percentage) = text.strip_suffix('%') {
        return percentage.parse().is_ok_and(|percentage: i64| (0..=100).contains(&percentage));
    }
    let text = text.to_ascii_lowercase();
    let number = text.strip_suffix('b').unwrap_or(&text);
    let number = number.strip_suffix('i').unwrap_or(number);
    let number = number.strip_suffix(['k', 'm', 'g', 't', 'p']).unwrap_or(number);
    let number = number.strip_suffix(' ').unwrap_or(number);
    number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && number.parse::<f64>().is_ok()
}

/// Whether a text is a number with a unit of letters, such as `10min`.
fn is_growth_time(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    number.len() < text.len() && number.parse::<f64>().is_ok_and(|number| number >= 0.0)
}

/// Finds arguments that contradict each other, and modes without their value.
pub(super) fn check_combinations(
    function: &Function,
    given: &Map,
    deferred: &DeferredNames,
) -> Vec<ValidationFinding> {
    if !is_fault(function) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let has_gap = given.get("gap").is_some_and(|gap| *gap != Value::Null);
    if function.id == FunctionId::ReorderPackets && !has_gap {
        let message = format!("{} needs gap", function.name);
        findings.push(ValidationFinding::at("arguments", message).hint("set gap").doubtful());
    }
    for mode in ["mode", "target_mode"] {
        let name = format!("{mode}_value");
        let has_value = given.get(&name).is_some_and(|value| *value != Value::Null);
        match given.get(mode).and_then(Value::as_text) {
            Some(word @ ("fixed" | "fixed-percent" | "random-max-percent")) if !has_value => {
                let message = format!("argument '{mode}' is {word}, and '{name}' is missing");
                findings.push(at_argument(mode, message).hint(format!("set {name}")).doubtful());
            }
            Some("one" | "all") | None
                if has_value && !given.get(mode).is_some_and(|v| deferred.affect(v)) =>
            {
                let message = format!("argument '{name}' has no effect in this mode");
                let hint =
                    format!("set {mode} to fixed, fixed-percent or random-max-percent, or remove {name}");
                findings.push(at_argument(&name, message).hint(hint).warning());
            }
            _ => {}
        }
    }
    if let Some(direction @ ("from" | "both")) = given.get("direction").and_then(Value::as_text) {
        let is_network = function.arguments.iter().any(|argument| argument.name == "external_targets");
        if given.get("external_targets").is_some_and(Value::is_truthy) {
            let message = format!("argument 'external_targets' cannot be used with direction {direction}");
            let hint = "set direction to to, or select the targets by their labels";
            findings.push(at_argument("external_targets", message).hint(hint).doubtful());
        } else if is_network && given.get("target_mode").is_some_and(|mode| !mode.is_truthy()) {
            let message = format!("direction {direction} needs a target");
            findings.push(at_argument("direction", message).hint("set target_mode").doubtful());
        }
    }
    findings
}

/// Whether a function creates a fault of Chaos Mesh.
fn is_fault(function: &Function) -> bool {
    use FunctionId as F;
    matches!(
        function.id,
        F::AddLatency
            | F::CorruptPackets
            | F::DuplicatePackets
            | F::ReorderPackets
            | F::SetBandwidth
            | F::SetLoss
            | F::StressCpu
            | F::StressMemory
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn values_follow_the_rules_of_chaos_mesh() {
        let check = |rule: FaultRule, valid: &[&str], invalid: &[&str]| {
            let is_valid = |text: &str| rule.check("x", &text.into(), &Map::new()).is_ok();
            for text in valid {
                assert!(is_valid(text), "{rule:?} {text:?}");
            }
            for text in invalid {
                assert!(!is_valid(text), "{rule:?} {text:?}");
            }
        };
        check(
            FaultRule::Rate,
            &["1mbps", "100 kbps", "10GBPS", "1bps", "2tbit", "8bit"],
            &["", "fast", "1", "mbps", "1.5mbps", "-1mbps", "1mb/s", "1xbps"],
        );
        check(
            FaultRule::Size,
            &["256MB", "1GiB", "50%", "0%", "100", "1.5g", "64 KB", "10b"],
            &["", "big", "101%", "-1%", "1.5%", "256MBs", "-1MB", "MB", "1 2MB"],
        );
        check(FaultRule::GrowthTime, &["30s", "10min", "1.5h"], &["soon", "30", "s", "-1s"]);
        check(
            FaultRule::ExternalTargets,
            &[
                "1.1.1.1",
                "10.0.0.0/8",
                "::1",
                "fd00::/8",
                "www.example.com",
                "example.com:443",
                "a,1.1.1.1/32",
            ],
            &["", "http://example.com", "10.0.0.0/33", "a b", "a,,b", "1.1.1.1/x"],
        );
    }

    #[test]
    fn mode_value_depends_on_the_mode() {
        let check = |mode: &str, value: Json, expected: bool| {
            let given = Map::from_iter([("target_mode".to_owned(), mode.into())]);
            let checked = FaultRule::ModeValue.check("target_mode_value", &value.clone().into(), &given);
            assert_eq!(checked.is_ok(), expected, "{mode} {value}");
        };
        check("fixed", json!(2), true);
        check("fixed", json!("2"), true);
        check("fixed", json!(0), false);
        check("fixed", json!("two"), false);
        check("fixed", json!(1.5), false);
        check("fixed-percent", json!("100"), true);
        check("fixed-percent", json!("101"), false);
        check("random-max-percent", json!(0), false);
        check("one", json!("anything"), true);
    }
}
