//! Starts the binary in a temporary directory with its own environment.

mod cluster;
mod experiment;
mod process;
mod redaction;
mod secret_leaks;
mod server;
pub mod source_tree;
mod test_cluster;
mod tls;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use cluster::{function, kubeconfig, kubeconfig_of, refused};
pub use experiment::{action, experiment, probe, with};
pub use process::is_running_in;
pub use redaction::{redact, redact_values, replace};
pub use secret_leaks::{EVERYTHING, leaks_nothing};
pub use server::{Request, Response, Server};
pub use test_cluster::{Answer, LISTENS, Site, is_ready, listens, object, pod, pod_spec};
pub use tls::{ServerCertificate, TlsServer, distrustful};

/// The time limit of every wait in these tests.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// No arguments.
pub const NONE: [&str; 0] = [];

/// A working directory, and the environment of the binary.
pub struct Sandbox {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// Creates an empty directory, which is also the home directory.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), environment: Vec::new() }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and creates its parent directories.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(&path, content).expect("a written file");
        path
    }

    /// Reads a file in the directory.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Reads a JSON file in the directory.
    pub fn json(&self, name: &str) -> Value {
        let text = self.read(name);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"))
    }

    /// Reads `./journal.json`.
    pub fn journal(&self) -> Value {
        self.json("journal.json")
    }

    /// A command that starts the binary.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-chaos"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("TZ", "UTC")
            // for .ci/line-coverage
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary and waits for its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> ProcessResult {
        finish(self.start(arguments))
    }

    /// Writes the experiment to `experiment.json` and runs it.
    pub fn experiment<S: AsRef<OsStr>>(
        &self,
        experiment: &Value,
        arguments: impl IntoIterator<Item = S>,
    ) -> ProcessResult {
        self.write("experiment.json", experiment.to_string());
        let given = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        self.run(["run".into(), "experiment.json".into()].into_iter().chain(given))
    }

    /// Starts the binary with piped outputs.
    pub fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a started process")
    }
}

/// The result of a finished process.
#[derive(Debug)]
pub struct ProcessResult {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl ProcessResult {
    /// Asserts the exit code, and shows all output otherwise.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that standard error contains a text.
    #[track_caller]
    pub fn reports(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in\n{}", self.stderr);
        self
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }
}

/// Waits for a process and collects its output. A process that exceeds the deadline is killed and fails the
/// test.
pub fn finish(mut child: Child) -> ProcessResult {
    let (sender, receiver) = std::sync::mpsc::channel();
    let id = child.id();
    let outputs = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        let read = |source: Option<Box<dyn std::io::Read + Send>>| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                if let Some(mut source) = source {
                    source.read_to_end(&mut bytes).expect("readable output");
                }
                bytes
            })
        };
        let stdout = read(outputs.0.map(|pipe| Box::new(pipe) as _));
        let stderr = read(outputs.1.map(|pipe| Box::new(pipe) as _));
        let status = child.wait().expect("a finished process");
        let output = Output {
            status,
            stdout: stdout.join().expect("standard output"),
            stderr: stderr.join().expect("standard error"),
        };
        // the receiver is dropped after the deadline
        drop(sender.send(output));
    });
    let Ok(output) = receiver.recv_timeout(DEADLINE) else {
        signal(id, rustix::process::Signal::KILL);
        panic!("the process did not end within {DEADLINE:?}");
    };
    ProcessResult {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
    }
}

/// Sends a signal to a process.
pub fn signal(id: u32, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_raw(id.try_into().expect("a process id")).expect("not 0");
    // the process may have ended
    let _ = rustix::process::kill_process(id, signal);
}

/// Waits until a condition holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The file exists and is not empty.
pub fn is_written(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0)
}
