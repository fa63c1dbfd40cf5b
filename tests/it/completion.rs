//! Completion: for kubectl, for shells, and the installed helper.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{ProcessResult, Response, Sandbox, Server, finish, kubeconfig, kubeconfig_of, refused};

/// Completes words like a shell script.
fn complete(sandbox: &Sandbox, words: &[&str]) -> ProcessResult {
    let finished = sandbox.run(["__complete"].iter().chain(words)).exits(0);
    assert_eq!(finished.stderr, "", "standard error stays empty");
    finished
}

/// Creates a directory that has this program under its own name.
fn with_the_program(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path("bin");
    std::fs::create_dir_all(&folder).unwrap();
    symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), folder.join("kubectl-chaos")).unwrap();
    folder
}

#[test]
fn kubectl_complete_symlink_answers_completion() {
    let sandbox = Sandbox::new();
    let beside = sandbox.path("kubectl_complete-chaos");
    symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), &beside).unwrap();
    let ask = |words: &[&str]| {
        let mut command = Command::new(&beside);
        command.args(words).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        let finished = finish(command.spawn().unwrap()).exits(0);
        assert_eq!(finished.stderr, "");
        finished.stdout
    };
    let validate = ask(&["val"]);
    assert!(validate.starts_with("validate\t") && validate.ends_with("\n:4\n"), "{validate}");
    let output = ask(&["run", "--output", "y"]);
    assert!(output.starts_with("yaml\t") && output.ends_with("\n:4\n"), "{output}");
    assert_eq!(ask(&["run", ""]), "json\nyaml\nyml\n:8\n");
    assert_eq!(ask(&["nothing", "of", "this"]), ":4\n");
    assert!(ask(&["discover", "terminate"]).starts_with("terminate_pods\t"));
}

#[test]
fn completion_lists_names_from_kubeconfig() {
    let sandbox = Sandbox::new();
    let config = kubeconfig(&sandbox, "http://127.0.0.1:1", &json!({}));
    let other = json!({"contexts": [{"name": "other"}, {"name": "one"}, {"name": "a\u{1b}[2J"}]});
    let other = sandbox.write("other", other.to_string()).display().to_string();
    let broken = sandbox.write("broken", "contexts: [").display().to_string();
    let list = format!("{config}:{broken}:{other}:nowhere");
    let sandbox = sandbox.env("KUBECONFIG", list);
    assert_eq!(complete(&sandbox, &["run", "--context", ""]).stdout, "one\nother\n:4\n");
    assert_eq!(complete(&sandbox, &["run", "--context=ot"]).stdout, "other\n:4\n");
    assert_eq!(complete(&sandbox, &["--cluster", ""]).stdout, "c\n:4\n");
    assert_eq!(complete(&sandbox, &["run", "e.json", "--user", ""]).stdout, "u\n:4\n");
    // --kubeconfig excludes all other files
    assert_eq!(complete(&sandbox, &["--kubeconfig", &other, "run", "--cluster", ""]).stdout, ":4\n");
    assert_eq!(complete(&sandbox, &["--kubeconfig=nowhere", "run", "--context", ""]).stdout, ":4\n");
}

#[test]
fn completion_lists_namespaces_and_trials_of_cluster() {
    let api = Server::secure(|request| {
        let named = |name: &str, labels: Value| json!({"metadata": {"name": name, "labels": labels}});
        let trial = |name: &str| json!({"kubectl-chaos/trial": name, "other": "label"});
        match request.path.split('?').next().unwrap() {
            "/api/v1/namespaces" if request.path.contains("labelSelector") => {
                Response::json(&json!({"items": [named("x", trial("0a1b")), named("y", trial("0a1b"))]}))
            }
            "/api/v1/namespaces" => {
                Response::json(&json!({"items": [named("shop", Value::Null), named("shelf", json!({}))]}))
            }
            "/api/v1/namespaces/shop/secrets" => Response::json(&json!({"items": [named("z", trial("9f"))]})),
            _ => refused(404, "not found", &Value::Null),
        }
    });
    let sandbox = Sandbox::new();
    let config = kubeconfig_of(&sandbox, &api, &json!({"token": "of-the-file"}));
    assert_eq!(complete(&sandbox, &["--kubeconfig", &config, "run", "-n", ""]).stdout, "shop\nshelf\n:4\n");
    assert_eq!(
        complete(&sandbox, &["run", "--kubeconfig", &config, "--namespace=she"]).stdout,
        "shelf\n:4\n"
    );
    assert_eq!(complete(&sandbox, &["recover", "--kubeconfig", &config, ""]).stdout, "0a1b\n9f\n:4\n");
    assert_eq!(api.requests()[0].header("authorization"), Some("Bearer of-the-file"));
}

#[test]
fn unreachable_cluster_gives_no_completions() {
    let check = |sandbox: &Sandbox, config: &str| {
        let begun = Instant::now();
        assert_eq!(complete(sandbox, &["--kubeconfig", config, "run", "-n", ""]).stdout, ":4\n");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    };
    let sandbox = Sandbox::new();
    let silent = Server::holding(|_| Response::nothing());
    check(&sandbox, &kubeconfig_of(&sandbox, &silent, &json!({})));
    check(&sandbox, &kubeconfig(&sandbox, "http://127.0.0.1:1", &json!({})));
    let refusing = Server::start(|_| refused(403, "you may not", &Value::Null));
    check(&sandbox, &kubeconfig_of(&sandbox, &refusing, &json!({})));
    // the output and prompts of a credential plugin are hidden, and completion does not wait for it
    let refusing = Server::secure(|_| refused(403, "you may not", &Value::Null));
    let slow = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
        "args": ["-c", "echo password? >&2; read answer; sleep 6"], "interactiveMode": "IfAvailable"}});
    check(&sandbox, &kubeconfig_of(&sandbox, &refusing, &slow));
}

#[test]
fn completion_install_keeps_files_of_other_programs() {
    let sandbox = Sandbox::new();
    let bin = with_the_program(&sandbox);
    let path = bin.join("kubectl_complete-chaos");
    let sandbox = sandbox.env("PATH", format!("/nowhere:{}", bin.display()));
    let install = |arguments: &[&str]| sandbox.run(["completion", "install"].iter().chain(arguments));
    let told = install(&[]).exits(0);
    assert!(told.stdout.starts_with(&format!("wrote {}\n", path.display())), "{told:?}");
    assert_eq!(told.stderr, "");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    let mut command = Command::new(&path);
    command.args(["run", "-o", "y"]).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let asked = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).exits(0);
    assert!(asked.stdout.starts_with("yaml\t") && asked.stderr.is_empty(), "{asked:?}");
    assert!(install(&[]).exits(0).stdout.starts_with("updated "));
    // a foreign file
    std::fs::write(&path, "#!/bin/sh\necho mine\n").unwrap();
    install(&[]).exits(7).reports("was not written by kubectl-chaos");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "#!/bin/sh\necho mine\n");
    // never write through a link
    std::fs::remove_file(&path).unwrap();
    let precious = sandbox.write("precious", "written by `kubectl chaos completion install`");
    symlink(&precious, &path).unwrap();
    install(&[]).exits(7);
    assert_eq!(sandbox.read("precious"), "written by `kubectl chaos completion install`");
    std::fs::remove_file(&path).unwrap();
    symlink(env!("CARGO_BIN_EXE_kubectl-chaos"), &path).unwrap();
    assert!(install(&[]).exits(0).stdout.starts_with("already installed: "));
    assert!(path.symlink_metadata().unwrap().is_symlink());
}

#[test]
fn completion_install_dir_off_path_causes_warning() {
    let sandbox = Sandbox::new();
    let bin = with_the_program(&sandbox);
    let sandbox = sandbox.env("PATH", bin.display().to_string());
    let install = |folder: &str| sandbox.run(["completion", "install", "--dir", folder]);
    install("nowhere").exits(2).reports("nowhere");
    std::fs::create_dir(sandbox.path("elsewhere")).unwrap();
    install("elsewhere").exits(0).reports("is not on PATH");
    assert!(sandbox.path("elsewhere/kubectl_complete-chaos").exists());
    // a directory that all users can write is never chosen
    std::fs::set_permissions(&bin, std::fs::Permissions::from_mode(0o777)).unwrap();
    sandbox.run(["completion", "install"]).exits(2).reports("--dir");
}

/// Finds a program on the `PATH` of the tests.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists())
}

/// Runs a shell script with this program on `PATH`, in a directory with files of three types.
fn in_a_shell(shell: &Path, script: &str) -> String {
    let sandbox = Sandbox::new();
    let bin = with_the_program(&sandbox);
    for file in ["one.json", "two.yaml", "three.txt", "sub/x"] {
        sandbox.write(file, "");
    }
    let path = std::env::join_paths([bin.as_path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let mut command = Command::new(shell);
    command
        .args(["-c", script])
        .current_dir(sandbox.path(""))
        .env("PATH", path)
        .env("HOME", sandbox.path(""));
    finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .exits(0)
        .stdout
}

#[test]
fn bash_completes_commands_and_flags() {
    // skip machines without Bash
    let Some(bash) = find("bash") else { return };
    let script = r#"
        source <(kubectl-chaos completion bash)
        t() { COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=(); __kubectl-chaos_complete; echo "$1|${COMPREPLY[*]}"; }
        t "kubectl-chaos re"; t "kubectl-chaos run t"; t "kubectl-chaos run -o "; t "kubectl-chaos run --output=y"
        t "kubectl-chaos --change-dir "; t "kubectl-chaos compare --fail-on broken,re"; t "kubectl-chaos run --seed "
    "#;
    let expected = "kubectl-chaos re|recover report\nkubectl-chaos run t|two.yaml\n\
        kubectl-chaos run -o |text json yaml agent\nkubectl-chaos run --output=y|yaml\n\
        kubectl-chaos --change-dir |bin sub\nkubectl-chaos compare --fail-on broken,re|broken,regressed\n\
        kubectl-chaos run --seed |\n";
    let said = in_a_shell(&bash, script).replace("|sub bin", "|bin sub");
    assert_eq!(said, expected);
}

#[test]
#[ignore = "needs fish and zsh"]
fn fish_and_zsh_complete_commands_and_flags() {
    let fish = in_a_shell(
        &find("fish").expect("fish"),
        "kubectl-chaos completion fish | source
        for line in 're' 'run t' 'run --output=y' 'run --seed '; complete -C \"kubectl-chaos $line\"; echo .; end",
    );
    let names: Vec<&str> = fish.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(names, ["recover", "report", ".", "three.txt", "two.yaml", ".", "--output=yaml", ".", "."]);
    // functions replace those of Zsh and print the candidates
    let zsh = in_a_shell(
        &find("zsh").expect("zsh"),
        r#"compdef() { :; }; compset() { :; }
        _files() { echo "files $*"; }
        _describe() { local -a them; them=("${(@P)3}"); print -rl -- "${(@)them%%:*}"; }
        source <(kubectl-chaos completion zsh)
        t() { words=(kubectl-chaos "$@"); CURRENT=${#words}; __kubectl-chaos_complete; echo .; }
        t re; t run t; t run --output=y; t --change-dir ''; t run --journal-path ''"#,
    );
    let expected = "recover\nreport\n.\nfiles -g (*.json|*.yaml|*.yml)\n.\nyaml\n.\nfiles -/\n.\nfiles \n.\n";
    assert_eq!(zsh, expected);
}

#[test]
fn powershell_script_contains_commands() {
    let script = Sandbox::new().run(["completion", "powershell"]).exits(0).stdout;
    assert!(script.contains("Register-ArgumentCompleter -Native -CommandName 'kubectl-chaos'"), "{script}");
    assert!(script.contains("'recover'") && script.contains("'--kubeconfig'"));
}

#[test]
#[ignore = "needs kubectl"]
fn kubectl_plugin_completion_works() {
    let kubectl = find("kubectl").expect("kubectl").canonicalize().unwrap();
    let sandbox = Sandbox::new();
    let bin = with_the_program(&sandbox);
    let config = kubeconfig(&sandbox, "http://127.0.0.1:1", &json!({}));
    let sandbox = sandbox.env("PATH", bin.display().to_string());
    // kubectl is started by its path: PATH has only this program
    let ask = |words: &[&str]| {
        let mut command = Command::new(&kubectl);
        command.args(words).env_clear().env("PATH", &bin).env("HOME", sandbox.path(""));
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let listed = ask(&["plugin", "list", "--name-only"]).exits(0);
    let lines: Vec<&str> = listed.stdout.lines().filter(|line| line.contains("chaos")).collect();
    assert_eq!(lines, ["kubectl-chaos"], "{listed:?}");
    assert_eq!(listed.stderr, "");
    sandbox.run(["completion", "install"]).exits(0);
    // the helper is not listed as a plugin
    assert_eq!(ask(&["plugin", "list", "--name-only"]).exits(0).stdout, listed.stdout);
    let completed = |words: &[&str]| ask(&[&["__complete", "chaos"], words].concat()).exits(0).stdout;
    // the helper is a shell script; the shell is not on PATH either
    assert!(completed(&["run", "-o", ""]).starts_with("text\t"), "{}", completed(&["run", "-o", ""]));
    assert!(completed(&["run", "-o", ""]).contains("\njson\t"));
    assert!(completed(&["run", "-o", ""]).ends_with(":4\n"));
    assert_eq!(completed(&["run", ""]), "json\nyaml\nyml\n:8\n");
    assert_eq!(completed(&["run", "--kubeconfig", &config, "--context", ""]), "one\n:4\n");
    // kubectl passes on exit codes and the name
    assert_eq!(ask(&["chaos", "--version"]).exits(0).stdout.split(' ').next(), Some("kubectl"));
    let version = ask(&["chaos", "--version"]).exits(0).stdout;
    assert!(version.starts_with(concat!("kubectl chaos ", env!("CARGO_PKG_VERSION"), " (")), "{version}");
    ask(&["chaos", "run", "nowhere.json"]).exits(3);
}
