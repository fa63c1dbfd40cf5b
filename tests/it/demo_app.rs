//! The demo application: the consumer with a provider that is up, slow, failing or down.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr};

use serde_json::Value;

use crate::harness::{Response, Sandbox, Server, finish, signal, wait_until};

const FALLBACK: &str = "Hmm, no one available to say hello just yet ... maybe try later?";

/// A part of the application that listens on its own port until the test ends.
struct Part {
    child: Option<Child>,
    address: String,
    /// Keeps standard error open: the part may write more.
    _stderr: BufReader<ChildStderr>,
    _home: Sandbox,
}

impl Part {
    fn start(home: Sandbox, arguments: &[&str]) -> Self {
        let given = ["sample-app"].iter().chain(arguments).chain(&["--listen", "127.0.0.1:0"]);
        let mut child = home.start(given);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect(&line).trim_end_matches('/');
        Self { address: address.to_owned(), child: Some(child), _stderr: stderr, _home: home }
    }

    fn consumer(provider: &str, arguments: &[&str]) -> Self {
        let home = Sandbox::new().env("PROVIDER_URL", provider);
        Self::start(home, &[&["consumer"], arguments].concat())
    }

    /// The status and the body of a GET.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: sample\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn ask(&self) -> (u16, String) {
        self.get("/invokeConsumedService")
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            signal(child.id(), rustix::process::Signal::KILL);
            finish(child);
        }
    }
}

#[test]
fn consumer_forwards_provider_response() {
    let provider = Part::start(Sandbox::new(), &["provider"]);
    let hello = (200, "Hello from the provider!".to_owned());
    assert_eq!(provider.get("/"), hello);
    for breaker in [&[][..], &["--circuit-breaker"]] {
        let consumer = Part::consumer(&format!("http://{}/", provider.address), breaker);
        assert_eq!(consumer.ask(), hello);
        assert_eq!(consumer.get("/health").0, 200);
        assert_eq!(consumer.get("/other").0, 404);
    }
}

#[test]
fn consumer_without_provider_fails_or_falls_back() {
    let gone = {
        let provider = Part::start(Sandbox::new(), &["provider"]);
        format!("http://{}/", provider.address)
    };
    let (status, body) = Part::consumer(&gone, &[]).ask();
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &told["status"]), (500, &500.into()));
    let message = told["message"].as_str().unwrap();
    assert!(message.contains(&gone) && message.contains("refused"), "{message}");
    assert_eq!(Part::consumer(&gone, &["--circuit-breaker"]).ask(), (200, FALLBACK.to_owned()));
}

#[test]
fn slow_provider_times_out() {
    let silent = Server::holding(|_| Response::nothing());
    let (status, body) = Part::consumer(&silent.url("/"), &["--timeout", "100ms"]).ask();
    assert!(status == 500 && body.contains("timed out executing GET"), "{status} {body}");
}

#[test]
fn open_circuit_sends_no_requests() {
    let failing = Server::start(|_| Response::new(503, "text/plain", "no"));
    let arguments = ["--circuit-breaker", "--failure-threshold", "2", "--open-for", "1h"];
    let consumer = Part::consumer(&failing.url("/"), &arguments);
    for _ in 0..5 {
        assert_eq!(consumer.ask(), (200, FALLBACK.to_owned()));
    }
    assert_eq!(failing.requests().len(), 2);
    // after the open time, it tries again
    let arguments = ["--circuit-breaker", "--failure-threshold", "1", "--open-for", "1ms"];
    let consumer = Part::consumer(&failing.url("/"), &arguments);
    wait_until("another trial call", || {
        consumer.ask();
        failing.requests().len() > 3
    });
}

#[test]
fn provider_exits_0_on_sigterm() {
    let mut provider = Part::start(Sandbox::new(), &["provider"]);
    let child = provider.child.take().unwrap();
    signal(child.id(), rustix::process::Signal::TERM);
    finish(child).exits(0);
}

#[test]
fn invalid_demo_app_arguments_are_rejected() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    Sandbox::new().run(["sample-app", "provider", "--listen", &address]).exits(2).reports("cannot listen on");
    Sandbox::new().run(["sample-app", "consumer", "--failure-threshold", "0"]).exits(2);
    Sandbox::new().run(["sample-app", "consumer", "--listen", "nowhere"]).exits(2);
}
