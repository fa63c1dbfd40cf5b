//! The provider `http`, against servers on this machine: its requests, and the output of a response.

mod environment;
mod failure;
mod measurements;
mod request;
mod response;
mod tls;

use serde_json::{Value, json};

use crate::harness::{ProcessResult, Request, Response, Sandbox, Server, probe, with};

/// The result of a run with one probe.
struct Probed {
    finished: ProcessResult,
    /// The whole journal.
    journal: Value,
}

impl Probed {
    /// The probe's entry in the journal.
    fn entry(&self) -> &Value {
        &self.journal["run"][0]
    }

    /// The output of the probe.
    fn output(&self) -> &Value {
        &self.entry()["output"]
    }

    /// The last line of its error.
    #[track_caller]
    fn error(&self) -> &str {
        let chunks = self.entry()["exception"].as_array();
        let chunks = chunks.unwrap_or_else(|| panic!("it did not fail: {}", self.entry()));
        chunks.last().and_then(Value::as_str).expect("text").trim_end()
    }

    /// Asserts that the probe failed with exactly this text, and that the run continued.
    #[track_caller]
    fn fails(&self, text: &str) {
        assert_eq!(self.error(), format!("chaoslib.exceptions.ActivityFailed: {text}"));
        assert_eq!(self.entry()["status"], "failed");
        assert_eq!(self.entry()["output"], Value::Null);
        assert_eq!(self.journal["status"], "completed");
        assert_eq!(self.finished.code, Some(0), "{}", self.finished.stderr);
    }

    /// Asserts that the probe aborted the run.
    #[track_caller]
    fn aborts(&self, text: &str) {
        assert_eq!(self.journal["status"], "aborted", "{}", self.finished.stderr);
        assert_eq!(self.entry().get("status"), None);
        assert_eq!(self.finished.code, Some(9), "{}", self.finished.stderr);
        let lines = "CRITICAL] Experiment ran into an un expected fatal error, aborting now.\n";
        let (_, error) = self.finished.stderr.split_once(lines).expect("a fatal error");
        assert!(error.lines().next().is_some_and(|line| line.contains(text)), "{text:?} is not in\n{error}");
    }
}

/// Runs an experiment with one probe in this sandbox.
fn run(sandbox: &Sandbox, provider: &Value) -> Probed {
    let finished = sandbox.experiment(&probe(provider), [""; 0]);
    let journal = sandbox.journal();
    Probed { finished, journal }
}

/// Sends a probe to a URL.
fn get(url: &str) -> Probed {
    run(&Sandbox::new(), &json!({"type": "http", "url": url}))
}

/// Sends a probe to a URL with other keys of the provider.
fn send(url: &str, keys: &Value) -> Probed {
    run(&Sandbox::new(), &with(json!({"type": "http", "url": url}), keys))
}

/// A server that returns 200 and `fine`.
fn fine() -> Server {
    Server::start(|_| Response::new(200, "text/plain", "fine"))
}

/// The first request to a server.
#[track_caller]
fn first(server: &Server) -> Request {
    server.requests().into_iter().next().expect("a request")
}

/// An address on this machine without a listener.
pub fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}/", listener.local_addr().expect("an address"))
}
