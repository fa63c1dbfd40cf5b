//! Secrets in every place where a user can write one: each place fails in turn, at the start of a run and in its middle,
//! and no output contains the secret.

#![allow(clippy::too_many_lines, reason = "a table")]

use serde_json::{Value, json};

use crate::github::Job;
use crate::github::mock::GitHub;
use crate::harness::{
    EVERYTHING, ProcessResult, Request, Response, Sandbox, Server, experiment, function, kubeconfig, refused,
    with,
};
use crate::http::nowhere;

/// Where a run fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Before the first activity.
    Start,
    /// After an activity that succeeded.
    Middle,
}

/// A place with a secret.
struct Plant {
    place: &'static str,
    secrets: Vec<String>,
    what: Planted,
}

enum Planted {
    /// A field of the kubeconfig, for a mock or a closed port.
    User(Value),
    Cluster(Value),
    /// The text of the kubeconfig.
    Text(String),
    Flags(Vec<String>),
    Variable(&'static str, String),
    /// Keys of the experiment.
    Experiment(Value),
    /// A provider of the second activity.
    Provider(Value),
    VariableFile(String),
}

fn secret(number: usize) -> String {
    format!("Pl4nted-{number}-s3cret")
}

/// Returns all places.
fn plants() -> Vec<Plant> {
    let mut found: Vec<Plant> = Vec::new();
    let mut add = |place: &'static str, plant: &dyn Fn(&str) -> Planted| {
        let text = secret(found.len());
        found.push(Plant { place, secrets: vec![text.clone()], what: plant(&text) });
    };
    users(&mut add);
    clusters(&mut add);
    experiments(&mut add);
    for plant in &mut found {
        if plant.place.contains("encoded") {
            let secret = plant.secrets[0].clone();
            plant.secrets.extend(encodings(&secret));
        }
    }
    // also in the encoding of a password
    for plant in &mut found {
        let password = plant.secrets[0].clone();
        if plant.place.contains("password") {
            use base64::Engine as _;
            plant.secrets.push(base64::prelude::BASE64_STANDARD.encode(format!("me:{password}")));
        }
    }
    found
}

/// Returns the parts of base64 that depend on nothing but the secret, and another encoding.
fn encodings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    let base64 = |before: usize| {
        let text = "x".repeat(before) + secret;
        let encoded = base64::prelude::BASE64_STANDARD.encode(&text);
        encoded[(before * 8).div_ceil(6)..text.len() * 8 / 6].to_owned()
    };
    (0..3).map(base64).chain([secret.replace('-', "%2d")]).collect()
}

type Add<'a> = dyn FnMut(&'static str, &dyn Fn(&str) -> Planted) + 'a;

fn users(add: &mut Add<'_>) {
    let program = |arguments: Value, variables: Value| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": arguments,
            "interactiveMode": "Never", "env": variables}})
    };
    // the program prints everything that it knows, and fails
    const SHOUT: &str = "echo $0 $* >&2; env >&2; exit 3";
    add("token", &|s| Planted::User(json!({"token": s})));
    add("token with a line break inside", &|s| Planted::User(json!({"token": format!("{s}\n{s}")})));
    add("token that is a list", &|s| Planted::User(json!({"token": [s]})));
    add("password of a user", &|s| Planted::User(json!({"username": "me", "password": s})));
    add("token beside a password", &|s| Planted::User(json!({"username": "me", "password": s, "token": s})));
    add("client-key-data that is not base64", &|s| {
        Planted::User(json!({"client-certificate-data": "LQ==", "client-key-data": format!("%{s}")}))
    });
    add("client-key-data that is not a key", &|s| {
        use base64::Engine as _;
        let key = base64::prelude::BASE64_STANDARD.encode(s);
        Planted::User(json!({"client-certificate-data": "LQ==", "client-key-data": key}))
    });
    add("access-token of an auth-provider", &|s| {
        Planted::User(json!({"auth-provider": {"name": "gcp", "config": {"access-token": s}}}))
    });
    add("id-token of an auth-provider", &|s| {
        Planted::User(json!({"auth-provider": {"name": "oidc", "config": {"id-token": s}}}))
    });
    add("argument of a login program", &|s| {
        Planted::User(program(json!(["-c", SHOUT, "x", format!("--oidc-client-secret={s}")]), json!([])))
    });
    add("positional argument of a login program", &|s| {
        Planted::User(program(json!(["-c", SHOUT, "x", s]), json!([])))
    });
    add("variable of a login program", &|s| {
        Planted::User(program(json!(["-c", SHOUT]), json!([{"name": "AWS_SECRET_ACCESS_KEY", "value": s}])))
    });
    add("variable of a login program that prints it encoded", &|s| {
        // alone, in lines, within other texts, and as a query of an address
        let script = r#"printf %s "$KEY" | base64 >&2; echo "$KEY" | base64 >&2; for text in "x$KEY" "xy$KEY." "$KEY"; do
            echo "$text" | base64 | tr +/ -_ | tr -d = >&2; done; printf %s "$KEY" | sed s/-/%2d/g >&2; exit 3"#;
        Planted::User(program(
            json!(["-c", script]),
            json!([{"name": "AWS_SECRET_ACCESS_KEY", "value": s},
            {"name": "KEY", "value": s}]),
        ))
    });
    add("output of a login program", &|s| {
        Planted::User(program(json!(["-c", format!("echo 'token: {s}'")]), json!([])))
    });
    add("token with a line break of a login program", &|s| {
        let output = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": {"token": format!("{s}\n{s}")}});
        Planted::User(program(json!(["-c", format!("cat <<'END'\n{output}\nEND")]), json!([])))
    });
    add("variable of a login program that does not exist", &|s| {
        let mut user = program(json!([s]), json!([{"name": "KEY", "value": s}]));
        user["exec"]["command"] = "no-such-program".into();
        Planted::User(user)
    });
    add("kubeconfig with a syntax error", &|s| {
        Planted::Text(format!("users:\n- name: u\n  user:\n    token: {s}: {s}\n"))
    });
    add("kubeconfig with a wrong type", &|s| Planted::Text(format!("users:\n- name: u\n  user: [{s}]\n")));
    add("kubeconfig that is something else", &|s| Planted::Text(s.to_owned()));
    add("flag --token", &|s| Planted::Flags(vec![format!("--token={s}")]));
    add("flag --token with a line break inside", &|s| Planted::Flags(vec![format!("--token={s}\n{s}")]));
    add("variable KUBERNETES_API_KEY", &|s| Planted::Variable("KUBERNETES_API_KEY", s.to_owned()));
}

fn clusters(add: &mut Add<'_>) {
    add("password in the address of a server", &|s| {
        Planted::Cluster(json!({"server": format!("http://me:{s}@127.0.0.1:1")}))
    });
    add("password in an invalid address", &|s| {
        Planted::Cluster(json!({"server": format!("ftp://me:{s}@127.0.0.1:1")}))
    });
    add("password in an address without a port", &|s| {
        Planted::Cluster(json!({"server": format!("http://me:{s}@127.0.0.1:port")}))
    });
    add("password of a proxy", &|s| {
        Planted::Cluster(
            json!({"server": "https://api.invalid", "proxy-url": format!("http://me:{s}@127.0.0.1:1")}),
        )
    });
    add("password of an invalid proxy", &|s| {
        Planted::Cluster(
            json!({"server": "https://api.invalid", "proxy-url": format!("ftp://me:{s}@127.0.0.1:1")}),
        )
    });
    add("password of a proxy of the environment", &|s| {
        Planted::Variable("HTTPS_PROXY", format!("http://me:{s}@127.0.0.1:1"))
    });
    add("flag --server with a password", &|s| {
        Planted::Flags(vec![format!("--server=http://me:{s}@127.0.0.1:1")])
    });
    add("flag --server that is invalid", &|s| Planted::Flags(vec![format!("--server=ftp://me:{s}@h")]));
    add("certificate-authority-data", &|s| {
        Planted::Cluster(json!({"certificate-authority-data": format!("%{s}")}))
    });
    add("extension of a cluster", &|s| Planted::Cluster(json!({"extensions": s})));
}

fn experiments(add: &mut Add<'_>) {
    let http = |url: String| json!({"type": "http", "url": url, "timeout": 2});
    add("password in the address of a probe", &|s| {
        Planted::Provider(http(nowhere().replace("//", &format!("//me:{s}@"))))
    });
    add("password in an invalid address of a probe", &|s| {
        Planted::Provider(http(format!("http://me:{s}@127.0.0.1:port/")))
    });
    add("password in an address of another scheme", &|s| {
        Planted::Provider(http(format!("ftp://me:{s}@127.0.0.1/")))
    });
    for name in ["Authorization", "Cookie", "X-API-Key", "Private-Token"] {
        add("header of a probe", &|s| {
            Planted::Provider(with(http(nowhere()), &json!({"headers": {name: format!("Bearer {s}")}})))
        });
    }
    add("header of a probe with a line break", &|s| {
        Planted::Provider(with(http(nowhere()), &json!({"headers": {"Authorization": format!("{s}\n{s}")}})))
    });
    add("inline secret in an address", &|s| {
        Planted::Experiment(json!({"secrets": {"g": {"k": s}}, "used": "url"}))
    });
    add("inline secret in an argument", &|s| {
        Planted::Experiment(json!({"secrets": {"g": {"k": s}}, "used": "argument"}))
    });
    add("inline secret in a header", &|s| {
        Planted::Experiment(json!({"secrets": {"g": {"k": s}}, "used": "header"}))
    });
    add("token among the secrets of the cluster", &|s| {
        Planted::Experiment(json!({"used": "cluster", "secrets": {"k8s": {
            "KUBERNETES_HOST": "http://127.0.0.1:1", "KUBERNETES_API_KEY": s}}}))
    });
    add("token with a line break among the secrets of the cluster", &|s| {
        Planted::Experiment(json!({"used": "cluster", "secrets": {"k8s": {
            "KUBERNETES_HOST": "http://127.0.0.1:1", "KUBERNETES_API_KEY": format!("{s}\n{s}")}}}))
    });
    add("secret of a variable file", &|s| {
        Planted::VariableFile(json!({"secrets": {"g": {"k": s}}}).to_string())
    });
}

/// Result of a run, with everything that it wrote.
struct Written {
    finished: ProcessResult,
    texts: Vec<(&'static str, String)>,
}

type Answer = Box<dyn Fn(&Request) -> Response + Send + Sync>;

/// Runs the experiment with the secret.
fn run(plant: &Plant, moment: Moment) -> Written {
    let rejects = matches!(&plant.what, Planted::User(_) | Planted::Flags(_) | Planted::Variable(..));
    // credentials are sent only with TLS
    let start: fn(Answer) -> Server =
        if rejects { |answer| Server::secure(answer) } else { |answer| Server::start(answer) };
    let server = start(Box::new(move |request| match (request.path.as_str(), rejects) {
        // an answer that repeats what it got
        (_, true) => {
            let got = request.header("authorization").unwrap_or_default().to_owned();
            refused(401, &format!("not accepted: {got}"), &Value::Null)
        }
        ("/version", _) => Response::json(&json!({"gitVersion": "v1.36.0"})),
        _ => refused(404, "not found", &Value::Null),
    }));
    let job = Job::of_a_pull_request();
    let sandbox = &job.sandbox;
    let mut cluster = json!({"server": server.url(""), "insecure-skip-tls-verify": rejects});
    let mut user = json!({"token": "t"});
    let mut flags: Vec<String> = Vec::new();
    let count = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "a=b"}));
    let process = |script: &str| json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    let mut provider = count["provider"].clone();
    let mut more = json!({});
    let mut variable = None;
    match &plant.what {
        Planted::User(value) => user = value.clone(),
        Planted::Cluster(value) => cluster = with(cluster, value),
        Planted::Text(_) => {}
        Planted::Flags(given) => flags.extend(given.iter().cloned()),
        Planted::Variable(name, value) => {
            variable = Some((*name, value.clone()));
            cluster["server"] = "https://api.invalid".into();
        }
        Planted::Provider(value) => provider = value.clone(),
        Planted::VariableFile(text) => {
            sandbox.write("vars.json", text);
            flags.push("--var-file=vars.json".to_owned());
            more = json!({"secrets": {"g": {"k": {"type": "env", "key": "NONE", "default": "other"}}}});
            provider = process("echo '${k}'; echo '${k}' >&2; sleep 5");
            provider["timeout"] = 0.3.into();
        }
        Planted::Experiment(value) => {
            let mut value = value.clone();
            provider = match value["used"].as_str() {
                Some("url") => json!({"type": "http", "url": format!("{}?${{k}}", nowhere())}),
                Some("argument") => with(process("echo '${k}'; sleep 5"), &json!({"timeout": 0.3})),
                Some("header") => json!({"type": "http", "url": nowhere(), "headers": {"X": "${k}"}}),
                _ => with(count["provider"].clone(), &json!({"secrets": ["k8s"]})),
            };
            value.as_object_mut().expect("keys").remove("used");
            more = value;
        }
    }
    let mut config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "one",
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}]})
    .to_string();
    if let Planted::Text(text) = &plant.what {
        config.clone_from(text);
    }
    sandbox.write("config", config);
    let first = json!({"type": "probe", "name": "first", "provider": process("true")});
    let second = json!({"type": "probe", "name": "second", "provider": provider});
    let whole = with(experiment(&json!([first, second])), &more);
    // without strict mode the cluster is reached by the activity only
    if moment == Moment::Middle {
        flags.push("--strict=false".to_owned());
    }
    let reports = ["--junit=junit.xml", "--markdown=report.md", "--html=report.html"];
    let given = EVERYTHING.iter().chain(&reports).map(|flag| (*flag).to_owned());
    sandbox.write("experiment.json", whole.to_string());
    let mut command = sandbox.command(
        ["run".to_owned(), "experiment.json".to_owned(), "--kubeconfig=config".to_owned()]
            .into_iter()
            .chain(given)
            .chain(flags),
    );
    if let Some((name, value)) = &variable {
        command.env(name, value);
    }
    let output = command.output().expect("a run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let finished = ProcessResult {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    let texts = collect(sandbox, &finished);
    Written { finished, texts: publish(job, texts) }
}

/// Reads what the run wrote.
fn collect(sandbox: &Sandbox, finished: &ProcessResult) -> Vec<(&'static str, String)> {
    let mut texts =
        vec![("standard output", finished.stdout.clone()), ("standard error", finished.stderr.clone())];
    for name in
        ["journal.json", "events.ndjson", "all.log", "junit.xml", "report.md", "report.html", "summary.md"]
    {
        texts.extend(std::fs::read_to_string(sandbox.path(name)).map(|text| (name, text)));
    }
    texts
}

/// Publishes the journal, and adds the comment and the summary.
fn publish(job: Job, mut texts: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    let journal = texts.iter().find(|(name, _)| *name == "journal.json").map(|(_, text)| text.clone());
    let Some(journal) = journal.and_then(|text| serde_json::from_str(&text).ok()) else { return texts };
    let github = GitHub::start();
    let job = job.at(&github, 1).with_run(&journal);
    let finished = job.sandbox.run(["publish"]);
    texts.push(("the output of publish", finished.stdout + &finished.stderr));
    texts.push(("the summary", job.sandbox.read("summary.md")));
    texts.extend(github.state().comments.iter().map(|comment| ("the comment", comment.body.clone())));
    texts
}

#[test]
fn planted_secrets_are_in_no_output() {
    let mut cases = 0;
    let mut failed = 0;
    let mut outputs = std::collections::BTreeSet::new();
    for plant in plants() {
        for moment in [Moment::Start, Moment::Middle] {
            let written = run(&plant, moment);
            cases += 1;
            let said = &written.finished.stderr;
            assert_ne!(written.finished.code, Some(101), "{} {moment:?} panics: {said}", plant.place);
            failed += usize::from(
                written.finished.code != Some(0)
                    || written
                        .texts
                        .iter()
                        .any(|(name, text)| *name == "journal.json" && text.contains("\"failed\"")),
            );
            for (name, text) in &written.texts {
                outputs.insert(*name);
                for secret in &plant.secrets {
                    let line = text.lines().find(|line| line.contains(secret.as_str()));
                    assert_eq!(line, None, "{} {moment:?}: {secret} is in {name}", plant.place);
                }
            }
        }
    }
    println!("{cases} cases, {failed} of them fail, in {} outputs: no secret is shown", outputs.len());
    assert_eq!(failed, cases, "each case fails, else it shows nothing");
    assert!(outputs.contains("the comment") && outputs.contains("report.html"), "{outputs:?}");
}

#[test]
fn login_program_is_named_with_its_exit_code() {
    let sandbox = Sandbox::new();
    let user = |command: &str, hint: Option<&str>| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": command,
            "args": ["-c", "echo no luck with $KEY >&2; exit 7"], "interactiveMode": "Never",
            "installHint": hint, "env": [{"name": "KEY", "value": "s3cret-of-mine"}]}})
    };
    let count = function("probe", "pod.probes", "count_pods", &json!({"label_selector": "a=b"}));
    let check = |user: Value, expected: &str| {
        let config = kubeconfig(&sandbox, "https://127.0.0.1:1", &user);
        let given = ["--kubeconfig", &config];
        sandbox.experiment(&experiment(&json!([count])), given).exits(4).reports(expected);
    };
    check(user("sh", None), "login program 'sh' failed with exit code 7: no luck with ***\n");
    check(user("no-such-program", None), "login program 'no-such-program' is not installed\n");
    check(user("no-such-program", Some("brew install it")), "hint: brew install it\n");
}
