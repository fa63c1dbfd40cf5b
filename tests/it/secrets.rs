//! Secrets are used and masked: no output contains them, and only processes that need them get them.

use serde_json::{Value, json};

use crate::harness::{
    EVERYTHING, ProcessResult, Response, Sandbox, Server, experiment, leaks_nothing, probe, with,
};
use crate::http::nowhere;

const INLINE: &str = "inline-s3cret";
const ENV: &str = "env-s3cret/+ value";
const KEY: &str = "-----BEGIN KEY-----\nfirst-line-of-it\nsecond-line-of-it\n-----END KEY-----\n";
const FILE: &str = "file-s3cret";
const VAULT: &str = "vault-s3cret";
const VAULT_TOKEN: &str = "hvs.vault-token";

/// Texts that no output may contain: the secrets, also encoded in a URL or JSON, and line by line.
const ALL: [&str; 9] = [
    INLINE,
    ENV,
    "env-s3cret%2F%2B",
    "first-line-of-it",
    "second-line-of-it",
    FILE,
    VAULT,
    VAULT_TOKEN,
    "8675309",
];

/// A sandbox with the secrets of the experiments of [`keeping`].
struct Safe {
    sandbox: Sandbox,
    vault: Server,
}

impl Safe {
    fn new() -> Self {
        let vault = Server::start(|_| {
            Response::json(&json!({"data": {"data": {"from_vault": VAULT, "number": 8_675_309}}}))
        });
        let sandbox = Sandbox::new().env("MY_ENV", ENV).env("MY_KEY", KEY);
        sandbox.write("vars.json", json!({"secrets": {"file": {"from_file": FILE}}}).to_string());
        Self { sandbox, vault }
    }

    /// Adds secrets of every kind to the experiment.
    fn keeping(&self, experiment: Value) -> Value {
        let declared = json!({
            "configuration": {"vault_addr": self.vault.url(""), "vault_token": VAULT_TOKEN},
            "secrets": {
                "written": {"inline": INLINE},
                "named": {"env": {"type": "env", "key": "MY_ENV"}, "key": {"type": "env", "key": "MY_KEY"}},
                "file": {"from_file": "replaced"},
                "kept": {"type": "vault", "path": "app"},
            },
        });
        let configuration = experiment.get("configuration").cloned().unwrap_or_else(|| json!({}));
        let mut whole = with(experiment, &declared);
        whole["configuration"] = with(declared["configuration"].clone(), &configuration);
        whole
    }

    /// Validates and runs it with every output, and searches them for secrets.
    ///
    /// An experiment that validation refuses runs without validation.
    #[track_caller]
    fn leaks_nothing(&self, experiment: Value, code: i32) -> ProcessResult {
        let experiment = self.keeping(experiment);
        self.sandbox.write("checked.json", experiment.to_string());
        let checked = self.sandbox.run(["validate", "checked.json", "--var-file=vars.json", "--verbose"]);
        for secret in ALL {
            let text = checked.stdout.clone() + &checked.stderr;
            assert!(!text.contains(secret), "{secret} is in the output of validate:\n{text}");
        }
        let unchecked = (checked.code == Some(3)).then_some("--no-validation");
        let flags = EVERYTHING.iter().copied().chain(["--var-file=vars.json"]).chain(unchecked);
        let finished = self.sandbox.experiment(&experiment, flags).exits(code);
        leaks_nothing(&self.sandbox, &finished, &ALL);
        finished
    }
}

/// A process that prints all secrets.
const SHOUT: &str = "printf '%s\n' '${inline}' '${env}' '${key}' '${from_file}' '${from_vault}' '${number}' \
                     '${vault_token}'";

fn sh(script: &str) -> Value {
    json!({"type": "process", "path": "sh", "arguments": ["-c", script]})
}

#[test]
fn secrets_in_process_output_are_masked() {
    let safe = Safe::new();
    let script = format!("({SHOUT}) > got; cat got; cat got >&2");
    safe.leaks_nothing(probe(&sh(&script)), 0);
    let expected = format!("{INLINE}\n{ENV}\n{KEY}\n{FILE}\n{VAULT}\n8675309\n{VAULT_TOKEN}\n");
    assert_eq!(safe.sandbox.read("got"), expected, "the process got them all");
    let output = &safe.sandbox.journal()["run"][0]["output"];
    assert_eq!(output["stdout"], "***\n***\n***\n\n***\n***\n***\n***\n");
    assert_eq!(output["stderr"], output["stdout"]);
}

#[test]
fn secrets_in_http_response_are_masked() {
    let safe = Safe::new();
    let echo = Server::start(|request| {
        let document = json!({
            "path": request.path, "body": request.body, "number": 8_675_309,
            request.header("x-secret").unwrap_or_default(): [VAULT, {"deep": INLINE}],
        });
        Response::with(
            200,
            &[("Content-Type", "application/json"), ("X-Echo", INLINE), ("Set-Cookie", VAULT)],
            &document.to_string(),
        )
    });
    let provider = json!({"type": "http", "url": echo.url("/${from_file}?t=${inline}"),
        "headers": {"X-Secret": "${from_vault}"}, "arguments": {"e": "${env}"}});
    safe.leaks_nothing(probe(&provider), 0);
    let request = &echo.requests()[0];
    assert_eq!(request.path, format!("/{FILE}?t={INLINE}&e=env-s3cret%2F%2B+value"));
    let output = &safe.sandbox.journal()["run"][0]["output"];
    assert_eq!(
        output["body"],
        json!({"path": "/***?t=***&e=***", "body": "", "number": "***", "***": ["***", {"deep": "***"}]})
    );
    assert_eq!(
        (&output["headers"]["X-Echo"], &output["headers"]["Set-Cookie"]),
        (&json!("***"), &json!("***"))
    );
}

#[test]
fn secrets_in_errors_are_masked() {
    let check = |provider: Value, flags: i32| {
        let safe = Safe::new();
        safe.leaks_nothing(probe(&provider), flags);
    };
    let closed = nowhere();
    let at = |part: &str| format!("{closed}{part}");
    // a failed activity
    check(json!({"type": "http", "url": at("${inline}?a=${env}&b=${from_vault}")}), 0);
    check(json!({"type": "http", "url": closed.replace("//", "//u:${from_file}@")}), 0);
    // unexpected errors, which abort the run
    check(json!({"type": "http", "url": "${inline}"}), 9);
    check(json!({"type": "http", "url": "${from_vault}://${from_file}"}), 9);
    check(json!({"type": "http", "url": closed, "headers": {"A": "${number}"}}), 0);
    check(json!({"type": "http", "url": closed, "headers": {"A": ["${number}", "${inline}"]}}), 9);
    check(json!({"type": "http", "url": closed, "timeout": "${inline}"}), 9);
    check(json!({"type": "http", "url": closed, "headers": {"A": "${key}"}}), 9);
    check(json!({"type": "process", "path": "echo", "arguments": "${number}"}), 9);
}

#[test]
fn secrets_in_names_titles_and_pauses_are_masked() {
    let safe = Safe::new();
    let step = |kind: &str, name: &str| json!({"type": kind, "name": name, "provider": sh(SHOUT), "pauses": {"before": "${inline}"}});
    let method = json!([step("action", "says inline-s3cret and ${from_vault}")]);
    let whole = json!({
        "title": "of inline-s3cret, ${env}, ${key}, ${from_file} and ${from_vault}",
        "description": "It has inline-s3cret in it.",
        "tags": ["inline-s3cret"],
        "contributions": {"inline-s3cret": "none"},
    });
    safe.leaks_nothing(with(experiment(&method), &whole), 9);
    assert!(
        safe.sandbox.read("all.log").contains("Running experiment: of ***, ***, ***"),
        "{}",
        safe.sandbox.read("all.log")
    );
}

#[test]
fn secrets_in_tolerances_and_rollbacks_are_masked() {
    let probe = |tolerance: Value| json!({"type": "probe", "name": "well", "tolerance": tolerance, "provider": sh(SHOUT)});
    let check = |tolerance: Value, code: i32| {
        let safe = Safe::new();
        let whole = json!({
            "steady-state-hypothesis": {"title": "Well with ${inline}", "probes": [probe(tolerance)]},
            "rollbacks": [{"type": "action", "name": "back", "provider": sh(&format!("{SHOUT}; exit 1"))}],
        });
        safe.leaks_nothing(with(experiment(&json!([])), &whole), code);
    };
    check(json!(0), 6);
    check(json!({"type": "regex", "target": "stdout", "pattern": "${inline}"}), 6);
    check(json!({"type": "regex", "target": "stdout", "pattern": "not ${inline}"}), 6);
    check(json!({"type": "jsonpath", "target": "stdout", "path": "$", "expect": ["${from_vault}"]}), 6);
    check(json!("${from_vault}"), 6);
    // the tolerance cannot be evaluated, and the error says why
    check(json!({"type": "regex", "target": "none", "pattern": "${from_file}"}), 6);
    check(
        json!({"type": "probe", "name": "judge", "provider": with(sh(SHOUT), &json!({"arguments": {"a": "${inline}"}}))}),
        6,
    );
}

#[test]
fn secrets_in_safeguards_are_masked() {
    let check = |tolerance: Value, provider: Value| {
        let safe = Safe::new();
        let guard = json!({"type": "probe", "name": "guard inline-s3cret", "tolerance": tolerance, "provider": provider});
        let control = json!({"name": "safe", "provider": {"type": "python",
            "module": "chaosaddons.controls.safeguards", "arguments": {"probes": [guard]}}});
        let whole = with(experiment(&json!([])), &json!({"controls": [control]}));
        let finished = safe.leaks_nothing(whole, 9);
        let reason = &finished.json()["kubectl-chaos"]["reason"];
        assert!(reason.as_str().is_some_and(|text| text.contains("safeguard 'guard ***' ")), "{reason}");
    };
    check(json!(1), sh(SHOUT));
    check(json!("${from_vault}"), sh(SHOUT));
    check(json!({"type": "regex", "target": "stdout", "pattern": "not ${from_vault}"}), sh(SHOUT));
    check(json!(200), json!({"type": "http", "url": format!("{}${{inline}}", nowhere())}));
    check(json!(200), json!({"type": "http", "url": "${inline}"}));
}

#[test]
fn secrets_in_configuration_probes_are_masked() {
    for script in [SHOUT.to_owned(), format!("{SHOUT}; exit 3")] {
        let safe = Safe::new();
        let dynamic =
            json!({"dynamic": {"type": "probe", "name": "ask inline-s3cret", "provider": sh(&script)}});
        let method = json!([{"type": "probe", "name": "use", "provider": sh("echo '${dynamic}'")}]);
        safe.leaks_nothing(with(experiment(&method), &json!({"configuration": dynamic})), 0);
    }
}

#[test]
fn secrets_in_every_output_format_are_masked() {
    for format in ["text", "yaml", "agent"] {
        let safe = Safe::new();
        let method = json!([{"type": "action", "name": "fail with inline-s3cret",
            "provider": {"type": "http", "url": format!("{}${{from_vault}}", nowhere())}}]);
        let whole = with(experiment(&method), &json!({"title": "of ${from_vault}"}));
        let flags = EVERYTHING[..4].iter().copied().chain([
            "--var-file=vars.json",
            "--output",
            format,
            "--log-format=json",
        ]);
        let finished = safe.sandbox.experiment(&safe.keeping(whole), flags).exits(5);
        leaks_nothing(&safe.sandbox, &finished, &ALL);
    }
}

#[test]
fn inline_secrets_are_masked_but_sources_are_kept() {
    let safe = Safe::new();
    safe.leaks_nothing(probe(&sh("true")), 0);
    let experiment = &safe.sandbox.journal()["experiment"];
    assert_eq!(experiment["secrets"]["written"], json!({"inline": "***"}));
    assert_eq!(experiment["secrets"]["named"]["env"], json!({"type": "env", "key": "MY_ENV"}));
    assert_eq!(experiment["secrets"]["kept"], json!({"type": "vault", "path": "app"}));
    assert_eq!(experiment["configuration"]["vault_token"], "***");
}

#[test]
fn chaos_toolkit_mode_writes_outputs_with_warning() {
    const FLAGS: [&str; 2] = ["--strict=false", "--exit-code=chaostoolkit"];
    const WARNING: &str =
        "Warning: --strict=false with --exit-code=chaostoolkit does not redact secrets in outputs\n";
    let whole = with(probe(&sh("echo ${inline}")), &json!({"secrets": {"g": {"inline": INLINE}}}));
    let check = |flags: &[&str], plain: bool| {
        let sandbox = Sandbox::new();
        let finished = sandbox.experiment(&whole, flags).exits(0);
        let expected = if plain { "inline-s3cret\n" } else { "***\n" };
        assert_eq!(sandbox.journal()["run"][0]["output"]["stdout"], expected, "{flags:?}");
        assert_eq!(finished.stderr.contains(WARNING), plain, "{}", finished.stderr);
    };
    check(&FLAGS, true);
    check(&FLAGS[..1], false);
    check(&FLAGS[1..], false);
    // without secrets there is no warning
    let sandbox = Sandbox::new();
    let finished = sandbox.experiment(&probe(&sh("echo x")), FLAGS).exits(0);
    assert!(!finished.stderr.contains("secrets"), "{}", finished.stderr);
}

#[test]
fn rejected_experiment_reveals_no_secrets() {
    let check = |secrets: Value| {
        let sandbox = Sandbox::new();
        let whole = with(
            probe(&json!({"type": "nothing", "arguments": [INLINE]})),
            &json!({"secrets": secrets, "description": INLINE}),
        );
        sandbox.write("e.json", whole.to_string());
        for verb in ["run", "validate"] {
            for format in ["text", "json", "agent"] {
                let finished = sandbox.run([verb, "e.json", "--verbose", "--output", format]).exits(3);
                assert!(
                    !finished.stderr.contains(INLINE) && !finished.stdout.contains(INLINE),
                    "{finished:?}"
                );
            }
        }
    };
    check(json!({"g": {"inline": INLINE}}));
    check(json!({"g": {"inline": [INLINE]}}));
    check(json!({"g": INLINE}));
    check(json!(INLINE));
    check(json!([INLINE]));
}
