//! The specification of a new experiment, built from a request. Pure.

use url::Url;

use super::{FaultKind, InitRequest, TargetDetails};
use crate::error_code::{Coded, ErrorCode};

/// Why the flags do not describe an experiment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpecError {
    #[error("missing: {}", .0.join(", "))]
    Missing(Vec<String>),
    #[error("{flag} only applies to --fault {}; the fault is {fault}", .faults.join(" and "))]
    WrongFault { flag: &'static str, faults: Vec<&'static str>, fault: &'static str },
    #[error("unknown fault '{name}': expected {}", .known.join(", "))]
    UnknownFault { name: String, known: Vec<&'static str> },
    #[error("invalid URL '{0}': expected an http or https URL, such as http://web.example/health")]
    Url(String),
    #[error("invalid Service '{0}': expected the name only")]
    QualifiedService(String),
    #[error("invalid Service '{0}': expected NAME[:PORT][/PATH]")]
    ServiceForm(String),
    #[error("invalid Service '{service}'")]
    Service { service: String, source: url::ParseError },
    #[error("invalid {kind} name '{name}': expected lowercase letters, digits, - and .")]
    Name { kind: String, name: String },
    #[error("invalid label selector '{0}': expected app=web, or app=web,tier in (front, back)")]
    Selector(String),
    #[error("label selector '{0}' does not limit the Pods: expected a positive term, such as app=web")]
    OpenSelector(String),
    #[error("invalid replicas '{0}': expected a number greater than 0")]
    Replicas(String),
    #[error("shell syntax is not supported")]
    ShellSyntax { quoted: String },
    #[error("a command needs a program")]
    NoProgram,
    #[error("missing quotation mark in command: {0}")]
    Quotes(String),
}

impl Coded for SpecError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InitInput
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(_) => Some("pass the flags, or run in a terminal to be prompted".to_owned()),
            Self::WrongFault { flag, .. } => Some(format!("omit {flag}")),
            Self::ServiceForm(text) if text.contains("://") => Some("pass a URL with --url".to_owned()),
            Self::QualifiedService(_) => Some("select the namespace with -n".to_owned()),
            Self::ShellSyntax { quoted } => Some(format!("use: sh -c {quoted}")),
            _ => None,
        }
    }
}

/// The specification of a new experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExperimentSpec {
    pub(super) title: String,
    pub(super) endpoint: EndpointSpec,
    pub(super) fault: FaultSpec,
    /// The default namespace; a trial replaces it.
    pub(super) namespace: Option<String>,
}

/// The endpoint that must stay available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EndpointSpec {
    Url(String),
    /// A Service: its name, and the rest of its URL.
    Service {
        name: String,
        port_and_path: String,
    },
}

/// The fault and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultSpec {
    KillPods { selector: String },
    ScaleToZero { name: String, replicas: u32 },
    DeleteService { name: String, manifest: String },
    Process { command: Vec<String>, undo: Option<Vec<String>> },
}

impl ExperimentSpec {
    /// Creates a specification from the request and the details of the target. The error names all missing
    /// flags.
    pub(super) fn from_request(
        request: &InitRequest,
        namespace: Option<&str>,
        details: &TargetDetails,
    ) -> Result<Self, SpecError> {
        let mut missing: Vec<String> = Vec::new();
        let asks = match (&request.url, &request.service) {
            (Some(url), _) => Some(EndpointSpec::Url(parse_url(url)?)),
            (None, Some(service)) => Some(parse_service(service)?),
            (None, None) => {
                missing.push("--url or --service (the endpoint that must stay available)".to_owned());
                None
            }
        };
        if let Some(fault) = request.fault {
            check_fault_flags(fault, request)?;
        }
        let fault = match request.fault {
            Some(fault) => fault_from_request(fault, request, details, &mut missing)?,
            None => {
                missing.push("--fault (kill-pods, scale-to-zero, delete-service or process)".to_owned());
                None
            }
        };
        if let Some(name) = namespace {
            check_name(name, "namespace")?;
        }
        match (asks, fault) {
            (Some(asks), Some(fault)) => {
                let title = request.title.clone().unwrap_or_else(|| default_title(&asks, &fault));
                Ok(Self { title, endpoint: asks, fault, namespace: namespace.map(str::to_owned) })
            }
            _ => Err(SpecError::Missing(missing)),
        }
    }
}

/// Checks that no flag of another fault is given.
fn check_fault_flags(fault: FaultKind, request: &InitRequest) -> Result<(), SpecError> {
    use FaultKind::{DeleteService, KillPods, Process, ScaleToZero};
    let given_flags: [(&'static str, bool, &[FaultKind]); 7] = [
        ("--label-selector", request.label_selector.is_some(), &[KillPods]),
        ("--target", request.target.is_some(), &[ScaleToZero, DeleteService]),
        ("--replicas", request.replicas.is_some(), &[ScaleToZero]),
        ("--manifest", request.manifest.is_some(), &[DeleteService]),
        ("--command", request.command.is_some(), &[Process]),
        ("--undo", request.undo.is_some(), &[Process]),
        ("--no-undo", request.needs_no_undo, &[Process]),
    ];
    match given_flags.into_iter().find(|(_, is_given, of)| *is_given && !of.contains(&fault)) {
        None => Ok(()),
        Some((flag, _, faults)) => {
            let faults = faults.iter().map(|fault| fault.name()).collect();
            Err(SpecError::WrongFault { flag, faults, fault: fault.name() })
        }
    }
}

fn fault_from_request(
    fault: FaultKind,
    request: &InitRequest,
    details: &TargetDetails,
    missing: &mut Vec<String>,
) -> Result<Option<FaultSpec>, SpecError> {
    let before = missing.len();
    let mut require = |flag: &str| missing.push(flag.to_owned());
    // if the cluster does not know the value, the error says why
    let explain = |flag: &str| match &details.unavailable_reason {
        Some(reason) => format!("{flag} (cannot read it from the cluster: {reason})"),
        None => flag.to_owned(),
    };
    let result = match fault {
        FaultKind::KillPods => match &request.label_selector {
            Some(selector) => Some(FaultSpec::KillPods { selector: parse_selector(selector)? }),
            None => {
                require("--label-selector (such as app=web)");
                None
            }
        },
        FaultKind::ScaleToZero => match (&request.target, request.replicas.or(details.replicas)) {
            (Some(name), Some(replicas)) => {
                check_name(name, "Deployment")?;
                Some(FaultSpec::ScaleToZero { name: name.clone(), replicas })
            }
            (Some(_), None) => {
                require(&explain("--replicas"));
                None
            }
            (None, _) => {
                require("--target (the Deployment)");
                None
            }
        },
        FaultKind::DeleteService => match &request.target {
            Some(name) if request.manifest.is_some() || details.service.is_some() => {
                check_name(name, "Service")?;
                Some(FaultSpec::DeleteService { name: name.clone(), manifest: String::new() })
            }
            Some(_) => {
                require(&explain("--manifest"));
                None
            }
            None => {
                require("--target (the Service)");
                None
            }
        },
        FaultKind::Process => {
            if request.command.is_none() {
                require("--command");
            }
            if request.undo.is_none() && !request.needs_no_undo {
                require("--undo or --no-undo");
            }
            let undo = request.undo.as_deref().map(parse_command).transpose()?;
            match &request.command {
                Some(command) => Some(FaultSpec::Process { command: parse_command(command)?, undo }),
                None => None,
            }
        }
    };
    Ok(result.filter(|_| missing.len() == before))
}

/// Checks an HTTP or HTTPS URL.
pub(crate) fn parse_url(text: &str) -> Result<String, SpecError> {
    let is_one = Url::parse(text).is_ok_and(|url| {
        let has_two_schemes =
            matches!(url.host_str(), Some("http" | "https")) && url.path().starts_with("//");
        matches!(url.scheme(), "http" | "https")
            && !url.host_str().is_none_or(str::is_empty)
            && !has_two_schemes
    });
    if is_one { Ok(text.to_owned()) } else { Err(SpecError::Url(text.to_owned())) }
}

/// Parses `web`, `web:8080` or `web:8080/health`.
pub(crate) fn parse_service(text: &str) -> Result<EndpointSpec, SpecError> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let port = rest.strip_prefix(':').map(|rest| rest.split('/').next().unwrap_or_default());
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(SpecError::ServiceForm(text.to_owned()));
    }
    check_name(name, "Service")?;
    if name.contains('.') {
        return Err(SpecError::QualifiedService(text.to_owned()));
    }
    let rest = if rest.contains('/') { rest.to_owned() } else { format!("{rest}/") };
    // rejects an invalid port or path
    Url::parse(&format!("http://{name}.svc{rest}"))
        .map_err(|source| SpecError::Service { service: text.to_owned(), source })?;
    Ok(EndpointSpec::Service { name: name.to_owned(), port_and_path: rest })
}

/// Checks a Kubernetes object name.
pub(crate) fn check_name(name: &str, kind: &str) -> Result<(), SpecError> {
    let letters =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    let ends = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if letters && ends && name.len() <= 253 {
        return Ok(());
    }
    Err(SpecError::Name { kind: kind.to_owned(), name: name.to_owned() })
}

/// Checks a label selector. It needs a positive term: without one, it would select almost all Pods.
pub(crate) fn parse_selector(text: &str) -> Result<String, SpecError> {
    let text = text.trim();
    let mut depth = 0;
    let parts = text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    let parts: Vec<&str> = parts.map(str::trim).collect();
    if text.chars().any(char::is_control) || depth != 0 || parts.iter().any(|part| part.is_empty()) {
        return Err(SpecError::Selector(text.to_owned()));
    }
    let is_positive = |part: &&str| {
        let equals =
            part.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty() && !key.ends_with('!'));
        equals || part.split_whitespace().nth(1) == Some("in")
    };
    if parts.iter().any(is_positive) {
        return Ok(text.to_owned());
    }
    Err(SpecError::OpenSelector(text.to_owned()))
}

/// Splits a command into words. It runs without a shell.
pub(crate) fn parse_command(text: &str) -> Result<Vec<String>, SpecError> {
    if needs_shell(text) {
        let quoted = shlex::try_quote(text).unwrap_or_default().into_owned();
        return Err(SpecError::ShellSyntax { quoted });
    }
    match shlex::split(text) {
        Some(command) if !command.is_empty() && !command[0].is_empty() => Ok(command),
        Some(_) => Err(SpecError::NoProgram),
        None => Err(SpecError::Quotes(text.to_owned())),
    }
}

/// Returns whether the command uses shell operators outside quotation marks.
fn needs_shell(text: &str) -> bool {
    let mut quote = None;
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let ends = |next: Option<&char>| next.is_none_or(|next| next.is_whitespace());
        match (quote, c) {
            (None | Some('"'), '\\') => {
                rest.next();
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '|' | ';') => return true,
            // a URL may contain these
            (None, '&' | '<' | '>') if before.is_whitespace() || ends(rest.peek()) => return true,
            _ => {}
        }
        before = c;
    }
    false
}

/// Returns the default title.
pub(super) fn default_title(asks: &EndpointSpec, fault: &FaultSpec) -> String {
    let endpoint = match asks {
        EndpointSpec::Url(url) => {
            Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
        }
        EndpointSpec::Service { name, .. } => name.clone(),
    };
    let event = match fault {
        FaultSpec::KillPods { selector } => format!("a Pod of {selector} is killed"),
        FaultSpec::ScaleToZero { name, .. } => format!("{name} is down"),
        FaultSpec::DeleteService { name, .. } => format!("the Service {name} is deleted"),
        FaultSpec::Process { command, .. } => format!("{} runs", command[0]),
    };
    format!("Does {endpoint} stay available when {event}?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec_with(change: impl Fn(&mut InitRequest)) -> Result<ExperimentSpec, SpecError> {
        let mut request = InitRequest { url: Some("http://x/".to_owned()), ..InitRequest::default() };
        change(&mut request);
        ExperimentSpec::from_request(&request, None, &TargetDetails::default())
    }

    #[test]
    fn missing_flags_are_all_named() {
        let check = |change: &dyn Fn(&mut InitRequest), expected: &[&str]| {
            let error = spec_with(change).unwrap_err().to_string();
            for text in expected {
                assert!(error.contains(text), "{text:?} is not in {error}");
            }
        };
        check(&|request| request.url = None, &["--url or --service", "--fault (kill-pods, "]);
        check(&|request| request.fault = Some(FaultKind::KillPods), &["--label-selector"]);
        check(&|request| request.fault = Some(FaultKind::ScaleToZero), &["--target"]);
        check(&|request| request.fault = Some(FaultKind::Process), &["--command", "--undo or --no-undo"]);
        let details =
            TargetDetails { unavailable_reason: Some("no answer".to_owned()), ..TargetDetails::default() };
        let request = InitRequest {
            url: Some("http://x/".to_owned()),
            fault: Some(FaultKind::ScaleToZero),
            target: Some("web".to_owned()),
            ..InitRequest::default()
        };
        let error = ExperimentSpec::from_request(&request, None, &details).unwrap_err().to_string();
        assert!(error.contains("--replicas (cannot read it from the cluster: no answer)"), "{error}");
    }

    #[test]
    fn complete_args_give_a_spec() {
        let result = spec_with(|request| {
            request.fault = Some(FaultKind::Process);
            request.command = Some("sh -c 'exit 0'".to_owned());
            request.needs_no_undo = true;
        });
        let fault =
            FaultSpec::Process { command: ["sh", "-c", "exit 0"].map(str::to_owned).to_vec(), undo: None };
        let expected = ExperimentSpec {
            title: "Does x stay available when sh runs?".to_owned(),
            endpoint: EndpointSpec::Url("http://x/".to_owned()),
            fault,
            namespace: None,
        };
        assert_eq!(result, Ok(expected));
    }

    #[test]
    fn flag_of_other_fault_is_rejected() {
        let check = |change: &dyn Fn(&mut InitRequest), expected: &str| {
            assert_eq!(spec_with(change).unwrap_err().to_string(), expected);
        };
        check(
            &|request| {
                request.fault = Some(FaultKind::KillPods);
                request.replicas = Some(2);
            },
            "--replicas only applies to --fault scale-to-zero; the fault is kill-pods",
        );
        check(
            &|request| {
                request.fault = Some(FaultKind::Process);
                request.target = Some("web".to_owned());
            },
            "--target only applies to --fault scale-to-zero and delete-service; the fault is process",
        );
    }

    #[test]
    fn shell_syntax_in_command_is_rejected() {
        for line in ["a | b && c", "a; b", "a|b", "a && b", "a > b", "a 2> b", "a < b", "a &"] {
            let error = parse_command(line).unwrap_err();
            assert_eq!(error.hint(), Some(format!("use: sh -c '{line}'")), "{error}");
        }
        for fine in [
            "sh -c 'a | b && c'",
            "curl http://h/?a=1&b=2",
            r"find . -exec rm {} \;",
            "echo \"a > b\"",
            r"echo a\|b",
        ] {
            assert!(parse_command(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn selector_without_positive_term_is_rejected() {
        for valid in ["app=web", "app==web", " app = web ", "a!=b,app=web", "tier in (a, b)", "app=web,!old"]
        {
            assert_eq!(parse_selector(valid), Ok(valid.trim().to_owned()), "{valid}");
        }
        for invalid in ["", " ", ",", "app=web,", "a!=b", "!a", "a", "a notin (b)", "=b", "a in (b", "a=b\nc"]
        {
            assert!(parse_selector(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn service_and_url_syntax_is_checked() {
        let service = |text: &str| match parse_service(text) {
            Ok(EndpointSpec::Service { name, port_and_path: rest }) => Some(format!("{name} {rest}")),
            _ => None,
        };
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(service(text).as_deref(), expected, "{text}");
        check("web", Some("web /"));
        check("web:8080", Some("web :8080/"));
        check("web/a?b=c", Some("web /a?b=c"));
        check("web:8080/a", Some("web :8080/a"));
        for invalid in ["", "Web", "web.shop", "web:port", "-web", "web:99999", "a b", "http://shop", "web:"]
        {
            check(invalid, None);
        }
        assert!(parse_url("https://x:1/y").is_ok());
        for invalid in ["", "x", "ftp://x/", "http://", "/a", "http://http://x"] {
            assert!(parse_url(invalid).is_err(), "{invalid}");
        }
    }
}
