//! What somebody wants an experiment to be: complete, or what is missing of it. Floor 3, pure.

use url::Url;

use super::{FaultArg, InitArgs, TargetDetails};

/// What an experiment is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExperimentSpec {
    pub(super) title: String,
    pub(super) endpoint: EndpointSpec,
    pub(super) fault: FaultSpec,
    /// Where it happens, unless a trial says otherwise; nothing for the namespace of each run.
    pub(super) namespace: Option<String>,
}

/// What has to go on answering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EndpointSpec {
    /// An address.
    Url(String),
    /// A Service: its name, and what follows the host in an address.
    Service { name: String, port_and_path: String },
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultSpec {
    KillPods { selector: String },
    ScaleToZero { name: String, replicas: u32 },
    DeleteService { name: String, manifest: String },
    Process { command: Vec<String>, undo: Option<Vec<String>> },
}

impl ExperimentSpec {
    /// What the flags come to, with what the cluster says beside. An error names every flag that is missing.
    pub(super) fn from_args(
        args: &InitArgs,
        namespace: Option<&str>,
        beside: &TargetDetails,
    ) -> Result<Self, String> {
        let mut missing: Vec<String> = Vec::new();
        let asks = match (&args.url, &args.service) {
            (Some(url), _) => Some(EndpointSpec::Url(parse_url(url)?)),
            (None, Some(service)) => Some(parse_service(service)?),
            (None, None) => {
                missing.push("--url or --service (what has to go on answering)".to_owned());
                None
            }
        };
        if let Some(fault) = args.fault {
            check_fault_flags(fault, args)?;
        }
        let fault = match args.fault {
            Some(fault) => fault_from_args(fault, args, beside, &mut missing)?,
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
                let title = args.title.clone().unwrap_or_else(|| default_title(&asks, &fault));
                Ok(Self { title, endpoint: asks, fault, namespace: namespace.map(str::to_owned) })
            }
            _ => Err(format!(
                "this is missing: {}; say it, or start this at a terminal to be asked",
                missing.join(", ")
            )),
        }
    }
}

/// Whether no flag is given that only other faults look at.
fn check_fault_flags(fault: FaultArg, args: &InitArgs) -> Result<(), String> {
    use FaultArg::{DeleteService, KillPods, Process, ScaleToZero};
    let given: [(&str, bool, &[FaultArg]); 7] = [
        ("--label-selector", args.label_selector.is_some(), &[KillPods]),
        ("--target", args.target.is_some(), &[ScaleToZero, DeleteService]),
        ("--replicas", args.replicas.is_some(), &[ScaleToZero]),
        ("--manifest", args.manifest.is_some(), &[DeleteService]),
        ("--command", args.command.is_some(), &[Process]),
        ("--undo", args.undo.is_some(), &[Process]),
        ("--no-undo", args.no_undo, &[Process]),
    ];
    match given.into_iter().find(|(_, given, of)| *given && !of.contains(&fault)) {
        None => Ok(()),
        Some((flag, _, of)) => {
            let of: Vec<String> = of.iter().map(|fault| fault.name()).collect();
            Err(format!("{flag} is of {}, and the fault is {}: leave it out", of.join(" and "), fault.name()))
        }
    }
}

fn fault_from_args(
    fault: FaultArg,
    args: &InitArgs,
    beside: &TargetDetails,
    missing: &mut Vec<String>,
) -> Result<Option<FaultSpec>, String> {
    let before = missing.len();
    let mut lacks = |flag: &str| missing.push(flag.to_owned());
    // what the cluster does not say has to be said
    let unless = |flag: &str| match &beside.unavailable_reason {
        Some(why) => format!("{flag}, as the cluster does not say it: {why}"),
        None => flag.to_owned(),
    };
    let found = match fault {
        FaultArg::KillPods => match &args.label_selector {
            Some(selector) => Some(FaultSpec::KillPods { selector: parse_selector(selector)? }),
            None => {
                lacks("--label-selector (such as app=web)");
                None
            }
        },
        FaultArg::ScaleToZero => match (&args.target, args.replicas.or(beside.replicas)) {
            (Some(name), Some(replicas)) => {
                check_name(name, "Deployment")?;
                Some(FaultSpec::ScaleToZero { name: name.clone(), replicas })
            }
            (Some(_), None) => {
                lacks(&unless("--replicas"));
                None
            }
            (None, _) => {
                lacks("--target (the Deployment)");
                None
            }
        },
        FaultArg::DeleteService => match &args.target {
            Some(name) if args.manifest.is_some() || beside.service.is_some() => {
                check_name(name, "Service")?;
                Some(FaultSpec::DeleteService { name: name.clone(), manifest: String::new() })
            }
            Some(_) => {
                lacks(&unless("--manifest"));
                None
            }
            None => {
                lacks("--target (the Service)");
                None
            }
        },
        FaultArg::Process => {
            if args.command.is_none() {
                lacks("--command");
            }
            if args.undo.is_none() && !args.no_undo {
                lacks("--undo or --no-undo");
            }
            let undo = args.undo.as_deref().map(parse_command).transpose()?;
            match &args.command {
                Some(command) => Some(FaultSpec::Process { command: parse_command(command)?, undo }),
                None => None,
            }
        }
    };
    Ok(found.filter(|_| missing.len() == before))
}

/// An address that can be asked.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let is_one = Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && !url.host_str().is_none_or(str::is_empty)
    });
    if is_one {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is no http or https address, such as http://web.example/health"))
    }
}

/// `web`, `web:8080`, `web:8080/health`.
pub(super) fn parse_service(text: &str) -> Result<EndpointSpec, String> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    check_name(name, "Service")?;
    if name.contains('.') {
        return Err(format!("--service {text}: give the name alone, and its namespace with -n"));
    }
    let rest = if rest.contains('/') { rest.to_owned() } else { format!("{rest}/") };
    // a port that is none, or a path that no address can have
    Url::parse(&format!("http://{name}.svc{rest}")).map_err(|error| format!("--service {text}: {error}"))?;
    Ok(EndpointSpec::Service { name: name.to_owned(), port_and_path: rest })
}

/// Whether a name is one that Kubernetes gives.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), String> {
    let letters =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    let ends = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    if letters && ends && name.len() <= 253 {
        return Ok(());
    }
    Err(format!("'{name}' is no name of a {what}: small letters, digits, - and ."))
}

/// A selector that says what is hit: one that only says what is not would hit everything else.
pub(super) fn parse_selector(text: &str) -> Result<String, String> {
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
        return Err(format!(
            "'{text}' is no label selector: write app=web, or app=web,tier in (front, back)"
        ));
    }
    let says_what = |part: &&str| {
        let equals =
            part.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty() && !key.ends_with('!'));
        equals || part.split_whitespace().nth(1) == Some("in")
    };
    if parts.iter().any(says_what) {
        return Ok(text.to_owned());
    }
    Err(format!("'{text}' does not say which Pods are meant, so that anything could be hit: write app=web"))
}

/// A command as its words. No shell is started: who wants one says so.
pub(super) fn parse_command(text: &str) -> Result<Vec<String>, String> {
    if needs_shell(text) {
        let line = shlex::try_quote(text).unwrap_or_default();
        return Err(format!("a command is no line of a shell, which this is: write sh -c {line}"));
    }
    match shlex::split(text) {
        Some(words) if !words.is_empty() && !words[0].is_empty() => Ok(words),
        Some(_) => Err("a command has to have a program".to_owned()),
        None => Err(format!("a quotation mark is missing in the command {text}")),
    }
}

/// Whether something stands outside quotation marks that only a shell understands.
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
            // an address may have them in it
            (None, '&' | '<' | '>') if before.is_whitespace() || ends(rest.peek()) => return true,
            _ => {}
        }
        before = c;
    }
    false
}

/// The question that an experiment answers, where nobody words it.
pub(super) fn default_title(asks: &EndpointSpec, fault: &FaultSpec) -> String {
    let who = match asks {
        EndpointSpec::Url(url) => {
            Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
        }
        EndpointSpec::Service { name, .. } => name.clone(),
    };
    let what = match fault {
        FaultSpec::KillPods { selector } => format!("a Pod of {selector} dies"),
        FaultSpec::ScaleToZero { name, .. } => format!("{name} is down"),
        FaultSpec::DeleteService { name, .. } => format!("the Service {name} is gone"),
        FaultSpec::Process { command, .. } => format!("{} is run", command[0]),
    };
    format!("Does {who} go on answering when {what}?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec_with(change: impl Fn(&mut InitArgs)) -> Result<ExperimentSpec, String> {
        let mut args = InitArgs { url: Some("http://x/".to_owned()), ..InitArgs::default() };
        change(&mut args);
        ExperimentSpec::from_args(&args, None, &TargetDetails::default())
    }

    #[test]
    fn missing_flags_are_all_named() {
        let check = |change: &dyn Fn(&mut InitArgs), expected: &[&str]| {
            let why = spec_with(change).unwrap_err();
            for text in expected {
                assert!(why.contains(text), "{text:?} is not in {why}");
            }
        };
        check(&|args| args.url = None, &["--url or --service", "--fault (kill-pods, "]);
        check(&|args| args.fault = Some(FaultArg::KillPods), &["--label-selector"]);
        check(&|args| args.fault = Some(FaultArg::ScaleToZero), &["--target"]);
        check(&|args| args.fault = Some(FaultArg::Process), &["--command", "--undo or --no-undo"]);
        let beside = TargetDetails {
            unavailable_reason: Some("nobody answers".to_owned()),
            ..TargetDetails::default()
        };
        let args = InitArgs {
            url: Some("http://x/".to_owned()),
            fault: Some(FaultArg::ScaleToZero),
            target: Some("web".to_owned()),
            ..InitArgs::default()
        };
        let why = ExperimentSpec::from_args(&args, None, &beside).unwrap_err();
        assert!(why.contains("--replicas, as the cluster does not say it: nobody answers;"), "{why}");
    }

    #[test]
    fn complete_args_give_a_spec() {
        let found = spec_with(|args| {
            args.fault = Some(FaultArg::Process);
            args.command = Some("sh -c 'exit 0'".to_owned());
            args.no_undo = true;
        });
        let fault =
            FaultSpec::Process { command: ["sh", "-c", "exit 0"].map(str::to_owned).to_vec(), undo: None };
        let expected = ExperimentSpec {
            title: "Does x go on answering when sh is run?".to_owned(),
            endpoint: EndpointSpec::Url("http://x/".to_owned()),
            fault,
            namespace: None,
        };
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn flag_of_other_fault_is_rejected() {
        let check = |change: &dyn Fn(&mut InitArgs), expected: &str| {
            assert_eq!(spec_with(change).unwrap_err(), expected);
        };
        check(
            &|args| {
                args.fault = Some(FaultArg::KillPods);
                args.replicas = Some(2);
            },
            "--replicas is of scale-to-zero, and the fault is kill-pods: leave it out",
        );
        check(
            &|args| {
                args.fault = Some(FaultArg::Process);
                args.target = Some("web".to_owned());
            },
            "--target is of scale-to-zero and delete-service, and the fault is process: leave it out",
        );
    }

    #[test]
    fn shell_syntax_in_command_is_rejected() {
        for line in ["a | b && c", "a; b", "a|b", "a && b", "a > b", "a 2> b", "a < b", "a &"] {
            let why = parse_command(line).unwrap_err();
            assert!(why.ends_with(&format!("write sh -c '{line}'")), "{why}");
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
        for good in ["app=web", "app==web", " app = web ", "a!=b,app=web", "tier in (a, b)", "app=web,!old"] {
            assert_eq!(parse_selector(good).as_deref(), Ok(good.trim()), "{good}");
        }
        for wrong in ["", " ", ",", "app=web,", "a!=b", "!a", "a", "a notin (b)", "=b", "a in (b", "a=b\nc"] {
            assert!(parse_selector(wrong).is_err(), "{wrong}");
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
        for wrong in ["", "Web", "web.shop", "web:port", "-web", "web:99999", "a b"] {
            check(wrong, None);
        }
        assert!(parse_url("https://x:1/y").is_ok());
        for wrong in ["", "x", "ftp://x/", "http://", "/a"] {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }
}
