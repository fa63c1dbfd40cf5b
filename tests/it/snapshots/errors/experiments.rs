//! Unreadable and invalid experiments.

use serde_json::{Value, json};

use super::{Transcript, folder, sound};
use crate::harness::{Response, Sandbox, Server, with};

/// Validates a text, and adds the errors to the transcript.
fn file(said: &mut Transcript, name: &str, content: &[u8]) {
    let sandbox = Sandbox::new();
    sandbox.write(name, content);
    let shown = String::from_utf8_lossy(content);
    said.heading(&shown.trim_end().replace('\n', "\n# "));
    said.call(&sandbox, &format!("validate {name}"));
}

#[test]
fn experiment_file_errors_match() {
    let mut said = Transcript::new();
    for content in [
        "",
        "{\"title\": \"x\",\n  \"method\": [}\n",
        "{\"title\": \"x\"} trailing",
        "{\"title\": \"x\"",
        "{\"title\"",
        "{title: 1}",
        "{\"title\": \"\\x\"}",
        "{\"title\": \"\\u00g0\"}",
        "{\"title\": \"\\ud800\"}",
        "{\"title\": 01}",
        "{\"title\": nope}",
        "{\"title\": \"a\nb\"}",
        "{\"title\": \"x\", \"title\": \"y\", \"description\": \"d\", \"method\": []}",
        "{\"title\": 123456789012345678901234567890123456789012345}",
        "[1, 2]",
        "\"text\"",
        "null",
        "{}",
    ] {
        file(&mut said, "a.json", content.as_bytes());
    }
    file(&mut said, "a.json", b"{\"title\": \"\xff\xfe\"}");
    for content in [
        "   \n# nothing\n",
        "title: x\n  description: [\n",
        "a: 1\n---\nb: 2\n",
        "title: x\nmethod:\n\t- a: 1\n",
        "title: *none\n",
        "title: x\ntitle: y\ndescription: d\nmethod: []\n",
        "title: !!python/object:os.system x\n",
        "? [a, b]\n: x\n",
        "just text\n",
        "title: \"x\n",
        "title: yes\ndescription: 1.5\nmethod: []\n",
    ] {
        file(&mut said, "a.yaml", content.as_bytes());
    }
    said.check("errors-experiment-files");
}

#[test]
fn experiment_source_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    let large = std::fs::File::create(sandbox.path("large.json")).unwrap();
    large.set_len(100 * 1024 * 1024).unwrap();
    sandbox.write("deep.json", "[".repeat(10_000) + &"]".repeat(10_000));
    sandbox.write("deep.yaml", "[".repeat(10_000));
    let bomb: String = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |bomb, level| {
        bomb + &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "))
    });
    sandbox.write("bomb.yaml", bomb);
    said.calls(
        &sandbox,
        &[
            "run nowhere.json",
            "run .",
            "run large.json",
            "run deep.json",
            "run deep.yaml",
            "run bomb.yaml",
            "run /dev/null",
            "run -",
            "run ftp://127.0.0.1/e.json",
            "run http://127.0.0.1:1/e.json",
            "validate nowhere.json e.json",
            "validate nowhere.json -o json",
            "run e.json nowhere.json",
            "run e.json --no-validation --var other=x",
            "validate e.json --var other=x",
            "validate e.json --var declaredd=x",
        ],
    );
    let server = Server::start(|request| match request.path.as_str() {
        "/gone.json" => Response::new(404, "text/plain", "no"),
        "/broken.json" => Response::new(200, "application/json", "{"),
        "/broken.yaml" => Response::new(200, "application/x-yaml", "a: ["),
        "/nothing.json" => Response::nothing(),
        "/page" => Response::new(200, "text/html", "<html>"),
        _ => Response::with(302, &[("Location", "/loop")], ""),
    });
    for path in ["/gone.json", "/broken.json", "/broken.yaml", "/nothing.json", "/page", "/loop"] {
        said.call(&sandbox, &format!("run {}", server.url(path)));
    }
    said.check("errors-experiment-sources");
}

/// Validates the valid experiment with other entries.
fn entries(said: &mut Transcript, sandbox: &Sandbox, entries: &Value) {
    said.heading(&entries.to_string());
    sandbox.write("x.json", with(sound(), entries).to_string());
    said.call(sandbox, "validate x.json");
}

#[test]
fn experiment_entry_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    let control = |control: Value| json!({"controls": [control]});
    let guard = |arguments: Value| {
        json!({"controls": [{"name": "c", "provider": {"type": "python",
            "module": "chaosaddons.controls.safeguards", "arguments": arguments}}]})
    };
    let probe = json!({"type": "probe", "name": "p", "provider": {"type": "process", "path": "true"}});
    for one in [
        json!({"title": ""}),
        json!({"title": 7}),
        json!({"description": null}),
        json!({"method": null}),
        json!({"method": "x"}),
        json!({"methods": []}),
        json!({"tags": ["a", "", 5]}),
        json!({"tags": "abc"}),
        json!({"tags": 5}),
        json!({"extensions": [{"name": "x"}, {"name": " "}, 5]}),
        json!({"extensions": {}}),
        json!({"extensions": [{"name": "kubectl-chaos", "x": 1}]}),
        json!({"extensions": [{"name": "kubectl-chaos", "activities": {"none": {}}}]}),
        json!({"rollbacks": null}),
        json!({"steady-state-hypothesis": null}),
        json!({"steady-state-hypothesis": {"probes": []}}),
        json!({"steady-state-hypothesis": {"title": "h", "probes": 5}}),
        json!({"steady-state-hypothesis": {"title": "h", "probes": [probe]}}),
        json!({"runtime": {"hypothesis": {"strategy": "continuous"}, "rollbacks": {"strategy": "allways"},
            "python": {}, "fast": 1}}),
        json!({"runtime": {"hypothesis": "skip"}}),
        json!({"runtime": 5}),
        json!({"configuration": {"a": {"type": "env", "key": "NONE"}, "c": {"type": "env"}}}),
        json!({"configuration": {"a": {"type": "env", "key": "HOME", "env_var_type": "odd"}}}),
        json!({"configuration": {"a": {"type": "env", "key": "HOME", "env_var_type": "int"}}}),
        json!({"configuration": []}),
        json!({"secrets": {"plain": "x"}}),
        json!({"secrets": {"g": {"k": {"type": "env", "key": "NONE"}}}}),
        json!({"secrets": {"g": {"k": {"type": "env"}}}}),
        json!({"secrets": {"g": {"k": {"type": "vault", "key": "x"}}}}),
        json!({"secrets": 5}),
        control(json!("nameless")),
        control(json!({"provider": {}})),
        control(json!({"name": "c"})),
        control(json!({"name": "c", "provider": {"type": "http"}})),
        control(json!({"name": "c", "provider": {"type": "python"}})),
        control(json!({"name": "c", "provider": {"type": "python", "module": "mine.controls"}})),
        control(json!({"name": "c", "scope": "during", "provider": {"type": "python", "module": "m"}})),
        guard(json!({})),
        guard(json!({"probes": [{"ref": "x"}]})),
        guard(json!({"probes": [probe]})),
        guard(json!({"probes": [with(probe.clone(), &json!({"type": "action"}))]})),
        guard(json!({"probes": [with(probe.clone(), &json!({"tolerance": 0, "frequency": "often"}))]})),
    ] {
        entries(&mut said, &sandbox, &one);
    }
    said.check("errors-experiment-entries");
}

#[test]
fn activity_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    let process = json!({"type": "process", "path": "true"});
    let of = |rest: Value| with(json!({"type": "action", "name": "a", "provider": process}), &rest);
    let provider = |provider: Value| of(json!({"provider": provider}));
    let function = |module: &str, name: &str, arguments: Value| {
        provider(json!({"type": "python", "module": module, "func": name, "arguments": arguments}))
    };
    for one in [
        json!({}),
        json!(5),
        json!({"ref": ""}),
        json!({"ref": "none"}),
        json!({"ref": "a", "name": "b"}),
        of(json!({"name": ""})),
        of(json!({"name": 5})),
        of(json!({"type": "thing"})),
        of(json!({"type": null})),
        of(json!({"background": "yes"})),
        of(json!({"tolerance": 0})),
        of(json!({"timeout": 5})),
        of(json!({"pauses": null})),
        of(json!({"pauses": 5})),
        of(json!({"pauses": {"before": "long", "after": []}})),
        of(json!({"provider": null})),
        of(json!({"colour": "red"})),
        of(json!({"controls": [{"name": "c"}]})),
        provider(json!({})),
        provider(json!({"type": "ssh"})),
        provider(json!({"type": "process"})),
        provider(json!({"type": "process", "path": ""})),
        provider(json!({"type": "process", "path": "nothing-of-this-name"})),
        provider(json!({"type": "process", "path": "./nothing"})),
        provider(json!({"type": "process", "path": "~/nothing"})),
        provider(json!({"type": "process", "path": "${x}"})),
        provider(json!({"type": "process", "path": "true", "arguments": {"a": "b"}, "timeout": "x"})),
        provider(json!({"type": "process", "path": "true", "arguments": 5})),
        provider(json!({"type": "http"})),
        provider(json!({"type": "http", "url": "nonsense"})),
        provider(json!({"type": "http", "url": "ftp://h/"})),
        provider(json!({"type": "http", "url": "http://h/", "headers": "x", "timeout": "x"})),
        provider(json!({"type": "http", "url": "http://h/", "headers": {"a b": 1}})),
        provider(json!({"type": "http", "url": "http://web.svc/", "method": "POST"})),
        provider(json!({"type": "python"})),
        provider(json!({"type": "python", "module": "m"})),
        function("mine", "f", json!({})),
        function("chaosk8s.pod.actions", "terminate", json!({})),
        function("chaosk8s.pods.actions", "terminate_pods", json!({})),
        function("chaosk8s.pod.actions", "terminate_pods", json!({})),
        function("chaosk8s.pod.actions", "terminate_pods", json!([])),
        function("chaosk8s.pod.actions", "terminate_pods", json!({"label_selector": "a=b", "what": 1})),
        function("chaosk8s.pod.actions", "terminate_pods", json!({"label_selector": "a=b", "qty": []})),
        function("chaosk8s.pod.actions", "terminate_pods", json!({"label_selector": "a=b", "mode": "odd"})),
        function("chaosk8s.deployment.actions", "scale_deployment", json!({"name": "web"})),
        function("chaosk8s.pod.probes", "count_pods", json!({"label_selector": "a=b"})),
    ] {
        said.heading(&one.to_string());
        sandbox.write("x.json", with(sound(), &json!({"rollbacks": [one]})).to_string());
        said.call(&sandbox, "validate x.json");
    }
    said.check("errors-activities");
}

#[test]
fn tolerance_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    let regex = |pattern: &str| json!({"type": "regex", "pattern": pattern});
    let path = |path: &str| json!({"type": "jsonpath", "path": path});
    let process =
        |path: &str| json!({"type": "probe", "name": "t", "provider": {"type": "process", "path": path}});
    for tolerance in [
        json!(null),
        json!({}),
        json!([]),
        json!([1, 2, 3]),
        json!({"type": "odd"}),
        json!({"type": "range"}),
        json!({"type": "range", "range": [1]}),
        json!({"type": "range", "range": ["a", "b"]}),
        json!({"type": "range", "range": 5}),
        json!({"type": "regex"}),
        json!({"type": "jsonpath"}),
        json!({"type": "jsonpath", "path": 5}),
        json!({"type": "jsonpath", "path": "$.a", "count": "x"}),
        regex("("),
        regex("a)"),
        regex("[a"),
        regex("[z-a]"),
        regex("*a"),
        regex("a**"),
        regex("a{3,1}"),
        regex("\\"),
        regex("\\8"),
        regex("\\xg"),
        regex("\\N{DASH}"),
        regex("(?P<1>a)"),
        regex("(?P<a>b)(?P<a>c)"),
        regex("(?P=none)"),
        regex("(?<=a+)b"),
        regex("(?z)"),
        regex("a(?i)"),
        regex("(?P<a"),
        regex("(?(1)a|b|c)"),
        path("a.b"),
        path("$."),
        path("$.a["),
        path("$.a[x]"),
        path("$.a-b"),
        path("$.a.none()"),
        path("$.a[?(@.b =~ '(')]"),
        path(""),
        path("$[1:2:0]"),
        process("nothing-of-this-name"),
        json!({"type": "probe", "name": "t"}),
    ] {
        said.heading(&tolerance.to_string());
        let probe = json!({"type": "probe", "name": "p", "tolerance": tolerance,
            "provider": {"type": "process", "path": "true"}});
        let hypothesis = json!({"steady-state-hypothesis": {"title": "h", "probes": [probe]}});
        sandbox.write("x.json", with(sound(), &hypothesis).to_string());
        said.call(&sandbox, "validate x.json");
    }
    said.check("errors-tolerances");
}

#[test]
fn validate_output_matches() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    sandbox.write("wrong.json", json!({"title": "", "methods": [], "description": "d"}).to_string());
    sandbox.write("wrong.yaml", "title: t\ndescription: d\nmethod:\n  - type: action\n    name: a\n");
    for format in ["text", "json", "yaml"] {
        said.call(&sandbox, &format!("validate e.json wrong.json wrong.yaml -o {format}"));
    }
    said.calls(
        &sandbox,
        &["validate e.json", "validate -q wrong.json", "--log-format json validate wrong.json"],
    );
    said.check("validate");
}
