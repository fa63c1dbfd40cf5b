//! Invalid command lines.

use super::{Transcript, folder};

#[test]
fn global_flag_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    said.calls(
        &sandbox,
        &[
            "",
            "--nonsense",
            "-n run",
            "-v 11 validate e.json",
            "--v=some validate e.json",
            "--color sometimes validate e.json",
            "--log-file-level loud validate e.json",
            "--log-format xml validate e.json",
            "--log-file nowhere/file validate e.json",
            "--exit-code odd validate e.json",
            "--strict=maybe validate e.json",
            "--change-dir nowhere validate e.json",
            "--settings",
            "--kubeconfig",
            "--as-user-extra novalue run e.json",
            "--request-timeout soon run e.json",
            "--certificate-authority ca --insecure-skip-tls-verify run e.json",
            "--client-certificate c run e.json",
            "--client-key k run e.json",
            "--service-access fly run e.json",
            "--connect-to web run e.json",
            "--connect-to web=web.svc run e.json",
            "--connect-to web:80=web run e.json",
            "--connect-to web:80=web.svc:a/b run e.json",
            "--connect-to 'a b:80=web.svc' run e.json",
            "--seed abc run e.json",
            "--seed -1 run e.json",
            "--namespace",
            "--context a --context b run e.json",
        ],
    );
    said.check("errors-usage-global");
}

#[test]
fn run_and_validate_flag_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    said.calls(
        &sandbox,
        &[
            "run",
            "run e.json --nonsense",
            "run e.json --var novalue",
            "run e.json --var n:int=x",
            "run e.json --var n:float=x",
            "run e.json --var n:json={",
            "run e.json --var n:odd=x",
            "run e.json --var =x",
            "run e.json --var-file nowhere",
            "run e.json --control-file nowhere",
            "run e.json --timeout soon",
            "run e.json --timeout ''",
            "run e.json --timeout=-1",
            "run e.json --effect-timeout 5x",
            "run e.json --annotation novalue",
            "run e.json --annotation =x",
            "run e.json --hypothesis-frequency=-1",
            "run e.json --hypothesis-frequency=nan",
            "run e.json --hypothesis-strategy sometimes",
            "run e.json --hypothesis-strategy continously --dry activities",
            "run e.json --rollback-strategy sometimes",
            "run e.json --dry some",
            "run e.json --sample=1e19",
            "run e.json --sample=often",
            "run e.json --sample 5s",
            "run e.json --settle x",
            "run e.json --recovery x",
            "run e.json -o xml",
            "run e.json --apply m.yaml",
            "run e.json --embedded --context c",
            "run e.json --embedded --apply nowhere",
            "run e.json --journal-path",
            "validate",
            "validate e.json -o xml",
            "validate e.json --var novalue",
            "validate e.json --timeout 5s",
        ],
    );
    said.check("errors-usage-run");
}

#[test]
fn trial_ci_and_recover_flag_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    said.calls(
        &sandbox,
        &[
            "trial",
            "trial e.json",
            "trial e.json --before m.yaml",
            "trial e.json --before m.yaml --after m.yaml --repeat 0",
            "trial e.json --before m.yaml --after m.yaml --repeat zwei",
            "trial e.json --before m.yaml --after m.yaml --margin ratio=lots",
            "trial e.json --before m.yaml --after m.yaml --margin ratio=-1%",
            "trial e.json --before m.yaml --after m.yaml --fail-on worse",
            "trial e.json --before m.yaml --after m.yaml --ready-timeout soon",
            "trial e.json --before m.yaml --after m.yaml -o xml",
            "trial e.json --before m.yaml --after m.yaml --embedded --server x",
            "ci --repeat 101",
            "ci --timeout soon",
            "ci --margin much",
            "ci --sample often",
            "ci --var novalue",
            "ci --var-file nowhere",
            "ci --rollback-strategy sometimes",
            "ci --fail-on worse",
            "ci --embedded --context c",
            "ci",
            "ci --experiment e.json --before m.yaml",
            "ci --experiment e.json --after m.yaml",
            "ci --experiment e.json --repeat 2",
            "ci --experiment e.json --common m.yaml",
            "ci --experiment e.json --in-place",
            "ci --experiment e.json --ready-timeout 1m",
            "ci --experiment e.json --margin ratio=1%",
            "ci --experiment e.json --allow-outside x",
            "ci --experiment e.json --fail-on broken",
            "ci --experiment e.json --apply m.yaml",
            "ci --experiment e.json --before m.yaml --after m.yaml --apply m.yaml",
            "ci --experiment e.json --before m.yaml --after m.yaml --sample false",
            "recover x --from out",
            "recover -o xml",
            "recover --yes=maybe",
        ],
    );
    said.check("errors-usage-trial");
}

#[test]
fn other_command_flag_errors_match() {
    let (sandbox, mut said) = (folder(), Transcript::new());
    said.calls(
        &sandbox,
        &[
            "compare",
            "compare a.json",
            "compare --before a.json",
            "compare --after a.json",
            "compare a.json b.json --before a.json --after b.json",
            "compare a.json b.json --margin ratio=lots",
            "compare a.json b.json --margin speed=1%",
            "compare a.json b.json --fail-on worse",
            "compare a.json b.json -o html",
            "report",
            "report a.json -o xml",
            "publish --comment sometimes",
            "publish --comment-id 'a b'",
            "publish --pull-request none",
            "publish --pull-request 0",
            "publish --margin much",
            "completion",
            "completion tcsh",
            "completion install --dir",
            "demo --scenario other",
            "discover a b",
            "discover -o xml",
            "doctor -o xml",
            "doctor --role",
            "doctor a.json b.json",
            "embedded",
            "embedded stop",
            "init --fault fire",
            "init --replicas none",
            "init --replicas 0",
            "init --service a --url http://b/",
            "init --undo x --no-undo",
            "options all",
            "sample-app",
            "sample-app provider --listen nowhere",
            "sample-app consumer --timeout soon",
            "help",
            "help run",
            "info",
            "settings",
            "skills",
            "version",
            "rnu e.json",
            "something",
        ],
    );
    said.check("errors-usage-others");
}

#[test]
fn ci_input_errors_match() {
    let mut said = Transcript::new();
    for (command, name, value) in [
        ("ci", "EMBEDDED", "True"),
        ("ci", "IN_PLACE", "1"),
        ("ci", "EXPERIMENT", "a\nb"),
        ("ci", "TIMEOUT", "soon"),
        ("ci", "BEFORE", "a"),
        ("ci", "FAIL_ON", "worse"),
        ("ci", "SEED", "x"),
        ("publish", "COMMENT", "sometimes"),
        ("publish", "DRY_RUN", "yes"),
        ("publish", "PULL_REQUEST", "none"),
        ("recover", "OUTPUT_DIR", "a\nb"),
    ] {
        let sandbox = folder().env(&format!("KUBECTL_CHAOS_INPUT_{name}"), value);
        said.heading(&format!("KUBECTL_CHAOS_INPUT_{name}={value:?}"));
        said.call(&sandbox, command);
    }
    said.check("errors-usage-inputs");
}
