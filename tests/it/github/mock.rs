//! A mock of GitHub: comments over several pages, pull requests, permissions, limits, errors. It records its
//! requests.
//!
//! `tests/action/github_mock.py` is the same mock for the Python tests.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};

use crate::harness::{Request, Response, Server};

/// The valid token.
pub const TOKEN: &str = "ghs_the0secret0of0the0job";
/// The only repository.
pub const REPOSITORY: &str = "shop/web";
/// The owner of the token.
pub const US: &str = "github-actions[bot]";
/// The path of the API, as on GitHub Enterprise Server.
const BASE: &str = "/api/v3";

/// A comment.
#[derive(Clone, Debug)]
pub struct Comment {
    pub id: u64,
    pub pull_request: u64,
    pub login: String,
    pub body: String,
}

/// A response that replaces the usual one.
#[derive(Clone, Debug)]
pub struct Fault {
    /// To requests with this method.
    pub method: &'static str,
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// Whether the request still takes effect.
    pub is_done: bool,
}

impl Fault {
    /// A response with only a message.
    pub fn new(method: &'static str, status: u16, message: &str) -> Self {
        let body = json!({"message": message}).to_string();
        Self { method, status, headers: Vec::new(), body, is_done: false }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The state of the mock.
pub struct State {
    pub comments: Vec<Comment>,
    /// As the API has them.
    pub pulls: Vec<Value>,
    /// Whether the token may write.
    pub may_write: bool,
    /// The longest comment, in characters.
    pub longest: usize,
    /// The page size, which overrides that of the request.
    pub page: usize,
    /// Responses that replace the usual ones, each once.
    pub faults: Vec<Fault>,
    /// Comments that are listed, and missing when they are updated.
    pub gone: Vec<u64>,
    next: u64,
}

/// The server and its state.
pub struct GitHub {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl GitHub {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            comments: Vec::new(),
            pulls: Vec::new(),
            may_write: true,
            longest: 65_536,
            page: 30,
            faults: Vec::new(),
            gone: Vec::new(),
            next: 1000,
        }));
        let kept = Arc::clone(&state);
        // responses contain the address of the server, which is known when it listens
        let address = Arc::new(Mutex::new(String::new()));
        let known = Arc::clone(&address);
        let server =
            Server::start(move |request| kept.lock().unwrap().answer(request, &known.lock().unwrap()));
        *address.lock().unwrap() = server.url("");
        Self { server, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The URL of the API.
    pub fn url(&self) -> String {
        self.server.url(BASE)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// The number of requests with a method.
    pub fn asked(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.method == method).count()
    }

    /// The comments of an author in the order of creation.
    pub fn of(&self, login: &str) -> Vec<Comment> {
        self.state().comments.iter().filter(|comment| comment.login == login).cloned().collect()
    }

    /// Adds a comment of an author.
    pub fn add(&self, pull_request: u64, login: &str, body: &str) -> u64 {
        self.state().add(pull_request, login, body)
    }

    /// Opens a pull request.
    pub fn open(&self, number: u64, repository: &str, branch: &str, sha: &str) {
        let repo = json!({"full_name": repository});
        self.state().pulls.push(json!({"number": number, "state": "open", "title": "@everyone",
            "head": {"ref": branch, "sha": sha, "repo": repo, "label": format!("x:{branch}")},
            "base": {"ref": "main", "sha": "0", "repo": {"full_name": REPOSITORY}}}));
    }
}

impl State {
    fn add(&mut self, pull_request: u64, login: &str, body: &str) -> u64 {
        self.next += 1;
        let comment = Comment { id: self.next, pull_request, login: login.to_owned(), body: body.to_owned() };
        self.comments.push(comment);
        self.next
    }

    fn answer(&mut self, request: &Request, address: &str) -> Response {
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return error(401, "Bad credentials");
        }
        let versioned = request.header("x-github-api-version") == Some("2022-11-28");
        if !versioned || request.header("user-agent").is_none() {
            return error(403, "Request forbidden by administrative rules.");
        }
        if let Some(at) = self.faults.iter().position(|fault| fault.method == request.method) {
            let fault = self.faults.remove(at);
            if fault.is_done {
                drop(self.usual(request, address));
            }
            let headers: Vec<_> = fault.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            return Response::with(fault.status, &headers, &fault.body);
        }
        self.usual(request, address)
    }

    fn usual(&mut self, request: &Request, address: &str) -> Response {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let Some(rest) = path.strip_prefix(BASE).and_then(|path| path.strip_prefix("/repos/")) else {
            return error(404, "Not Found");
        };
        let Some(rest) = rest.strip_prefix(REPOSITORY) else { return error(404, "Not Found") };
        let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["issues", number, "comments"]) => {
                let number: u64 = number.parse().unwrap();
                let of = self.comments.iter().filter(|comment| comment.pull_request == number);
                let all: Vec<Value> = of.map(shown).collect();
                self.paged(&all, path, query, address)
            }
            ("GET", ["pulls"]) => {
                let fits = |pull: &&Value| pull["state"] == "open";
                let all: Vec<Value> = self.pulls.iter().filter(fits).cloned().collect();
                self.paged(&all, path, query, address)
            }
            ("POST", ["issues", number, "comments"]) => {
                let number: u64 = number.parse().unwrap();
                match self.written(request) {
                    Err(refused) => refused,
                    Ok(body) => {
                        let id = self.add(number, US, &body);
                        let comment = self.comments.iter().find(|comment| comment.id == id).unwrap();
                        Response::with(
                            201,
                            &[("Content-Type", "application/json")],
                            &shown(comment).to_string(),
                        )
                    }
                }
            }
            ("PATCH", ["issues", "comments", id]) => {
                let id: u64 = id.parse().unwrap();
                if self.gone.contains(&id) {
                    self.comments.retain(|comment| comment.id != id);
                }
                let body = match self.written(request) {
                    Err(refused) => return refused,
                    Ok(body) => body,
                };
                match self.comments.iter_mut().find(|comment| comment.id == id) {
                    None => error(404, "Not Found"),
                    Some(comment) if comment.login != US => {
                        error(403, "Resource not accessible by integration")
                    }
                    Some(comment) => {
                        comment.body = body;
                        Response::json(&shown(comment))
                    }
                }
            }
            _ => error(404, "Not Found"),
        }
    }

    /// The body to write, if the token and its length permit it.
    fn written(&self, request: &Request) -> Result<String, Response> {
        if !self.may_write {
            return Err(error(403, "Resource not accessible by integration"));
        }
        let document: Value =
            serde_json::from_str(&request.body).map_err(|_| error(400, "Problems parsing JSON"))?;
        let body = document["body"].as_str().unwrap_or_default();
        if body.trim().is_empty() || body.chars().count() > self.longest {
            let message = format!("Body is too long (maximum is {} characters)", self.longest);
            return Err(error(422, &message));
        }
        Ok(body.to_owned())
    }

    fn paged(&self, all: &[Value], path: &str, query: &str, address: &str) -> Response {
        let number = |name: &str, usual: usize| -> usize {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.map_or(usual, |text| text.parse().unwrap())
        };
        let (page, size) = (number("page", 1), number("per_page", 30).min(self.page));
        let from = ((page - 1) * size).min(all.len());
        let to = (from + size).min(all.len());
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("page=")).collect();
        let kept = kept.join("&");
        let last = all.len().div_ceil(size).max(1);
        let link = |page: usize, kind: &str| format!("<{address}{path}?{kept}&page={page}>; rel=\"{kind}\"");
        let links = if to < all.len() {
            format!("{}, {}", link(page + 1, "next"), link(last, "last"))
        } else {
            link(1, "first")
        };
        Response::with(
            200,
            &[("Content-Type", "application/json"), ("Link", &links)],
            &json!(&all[from..to]).to_string(),
        )
    }
}

fn shown(comment: &Comment) -> Value {
    json!({"id": comment.id, "body": comment.body, "user": {"login": comment.login, "type": "Bot"},
        "html_url": format!("https://git.example.com/shop/web/pull/{}#issuecomment-{}", comment.pull_request, comment.id)})
}

fn error(status: u16, message: &str) -> Response {
    let body = json!({"message": message, "documentation_url": "https://docs.github.com/rest"});
    Response::new(status, "application/json", &body.to_string())
}
