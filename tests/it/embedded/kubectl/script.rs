//! A sequence of kubectl commands and their output.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fancy_regex::Regex;
use serde_json::{Value, json};

use crate::harness::{ProcessResult, Site, finish, signal, wait_until};

/// The part of two outputs that must be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alike {
    /// All of it.
    Whole,
    /// The last line: earlier lines depend on timing.
    Ending,
    /// The first line: Go structures follow.
    Opening,
    /// The exit code: the text differs by permissions, versions and kinds.
    Code,
}

use Alike::Whole;

/// A command, the part of its output that must be equal, and the result.
pub type Said = (String, Alike, ProcessResult);

/// The path of kubectl. Some installations, such as Google Cloud's, select a kubectl by the version of the
/// server:
/// then the newest of them, so that both clusters are tested with the same one.
fn program() -> PathBuf {
    let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let found =
        folders.iter().map(|folder| folder.join("kubectl")).find(|path| path.exists()).expect("kubectl");
    let found = found.canonicalize().unwrap();
    let beside = std::fs::read_dir(found.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let minor = |path: &PathBuf| {
        path.file_name()?.to_str()?.strip_prefix("kubectl.1.").and_then(|minor| minor.parse::<u32>().ok())
    };
    beside.filter(|path| minor(path).is_some()).max_by_key(minor).unwrap_or(found)
}

/// A cluster and the outputs on it.
pub struct Script<'a> {
    pub site: &'a Site,
    program: PathBuf,
    pub said: Vec<Said>,
}

impl<'a> Script<'a> {
    pub fn new(site: &'a Site) -> Self {
        Self { site, program: program(), said: Vec::new() }
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(shlex::split(words).expect("words"))
            .current_dir(self.site.sandbox.path(""))
            .env("KUBECONFIG", &self.site.config)
            .env("HOME", self.site.sandbox.path(""))
            .env("KUBECTL_EXTERNAL_DIFF", "diff -U0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn say(&mut self, alike: Alike, words: &str) {
        let finished = finish(self.command(words).spawn().expect("kubectl"));
        self.said.push((words.to_owned(), alike, finished));
    }

    pub fn all(&mut self, commands: &[&str]) {
        for words in commands {
            self.say(Whole, words);
        }
    }

    /// Waits until a Deployment has exactly its desired Pods, all ready.
    pub fn settle(&self, name: &str) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let path = self.site.at("apps/v1", &format!("deployments/{name}"));
        let found = self.site.until(&path, |answer| {
            let (wanted, status) = (number(&answer.body["spec"]["replicas"]), &answer.body["status"]);
            status["observedGeneration"] == answer.body["metadata"]["generation"]
                && ["replicas", "updatedReplicas", "availableReplicas"]
                    .iter()
                    .all(|field| number(&status[field]) == wanted)
        });
        let wanted = found["spec"]["replicas"].as_u64().unwrap();
        let pods = self.site.at("v1", &format!("pods?labelSelector=app%3D{name}"));
        self.site.until(&pods, |answer| {
            let pods = answer.body["items"].as_array().unwrap();
            pods.len() as u64 == wanted && pods.iter().all(crate::harness::is_ready)
        });
        let endpoints = self.site.at("v1", &format!("endpoints/{name}"));
        self.site.until(&endpoints, |answer| {
            let addresses = answer.body["subsets"][0]["addresses"].as_array().map_or(0, Vec::len);
            answer.code == 404 || addresses as u64 == wanted
        });
    }

    /// The output of a watching command: the other commands cause events, and the watch ends when its output
    /// contains the expected line.
    pub fn watch(&mut self, words: &str, then: &str, until: &str) {
        let mut child = self.command(words).spawn().expect("kubectl");
        let (id, lines) = (child.id(), BufReader::new(child.stdout.take().unwrap()).lines());
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut seen: Vec<String> = Vec::new();
        let until = Regex::new(until).unwrap();
        // the table starts with its header and the existing rows
        for _ in 0..2 {
            seen.push(receiver.recv_timeout(crate::harness::DEADLINE).expect("a line"));
        }
        self.say(Whole, then);
        wait_until(words, || {
            seen.extend(receiver.try_iter());
            seen.iter().any(|line| until.is_match(line).unwrap())
        });
        signal(id, rustix::process::Signal::KILL);
        let _ = child.wait();
        // a repeated row has a change in a hidden column
        let mut lines: Vec<String> = seen.iter().map(|line| redacted(self.site, line)).collect();
        lines.dedup();
        let told = ProcessResult { code: Some(0), stdout: lines.join("\n"), stderr: String::new() };
        self.said.push((words.to_owned(), Whole, told));
    }
}

/// Removes what the embedded cluster does not have: container states, images, and the mounted token of the
/// service
/// account.
fn plain(document: &mut Value) {
    let token = |one: &Value| one["name"].as_str().is_some_and(|name| name.starts_with("default-token-"));
    match document {
        Value::Object(fields) => {
            for name in ["volumes", "volumeMounts"] {
                if let Some(list) = fields.get_mut(name).and_then(Value::as_array_mut) {
                    list.retain(|one| !token(one));
                }
                if fields.get(name) == Some(&json!([])) {
                    fields.shift_remove(name);
                }
            }
            for name in ["containerID", "imageID"] {
                fields.entry(name).and_modify(|id| *id = json!("ID"));
            }
            if let Some(image) = fields.get_mut("image").filter(|image| image.is_string()) {
                *image = json!(image.as_str().unwrap().trim_start_matches("docker.io/"));
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

/// Removes what may differ.
pub fn redacted(site: &Site, text: &str) -> String {
    let read: Option<Value> = match text {
        json if json.starts_with("{\n") => serde_json::from_str(json).ok(),
        yaml if yaml.starts_with("apiVersion:") => serde_yaml::from_str(yaml).ok(),
        _ => None,
    };
    let read = read.map(|mut document| {
        plain(&mut document);
        format!("{document:#}")
    });
    let text = read.as_deref().unwrap_or(text);
    let text = text
        .replace(&site.namespace, "NAMESPACE")
        .replace(&*site.sandbox.path("").to_string_lossy(), "FOLDER");
    let rules = [
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UID"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( [+-]\d{4}|Z)", "TIME"),
        (r"\b(\d{1,3}\.){3}\d{1,3}\b", "IP"),
        (r"\b(embedded-\d|testbed)(?![/\w:])", "NODE"),
        (r"\bweb-[a-z0-9]{8,10}-[a-z0-9]{5}\b", "web-HASH-POD"),
        (r"\bweb-[a-z0-9]{8,10}\b", "web-HASH"),
        (r#"(pod-template-hash"?[=:] ?"?)[a-z0-9]{8,10}"#, "${1}HASH"),
        (r#"("?resourceVersion"?: )"\d+""#, r#"${1}"VERSION""#),
        (r"(?m)(^| )\d+[smhd](\d+[smhd])?(?= |$)", "${1}AGE"),
        (r"\((LIVE|MERGED)-\d+", "$1"),
        (r"/tmp/(LIVE|MERGED)-\d+", "$1"),
        (r"https://IP:\d+", "https://IP:PORT"),
        // on a real cluster the two may come in either order
        ("ErrImagePull", "ImagePullBackOff"),
        ("image can't be pulled", "trying and failing to pull image"),
        (r"(?m) +$", ""),
        // the width of a column depends on its cells
        (r" {2,}(?=\S)", "  "),
    ];
    let mut text = text;
    for (pattern, with) in rules {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}
