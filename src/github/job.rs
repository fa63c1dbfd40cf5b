//! Environment variables of a GitHub Actions job.

use std::path::PathBuf;

use url::Url;

use super::Error;
use crate::text::shorten;

/// Default API URL; GitHub Enterprise Server sets another one.
const API: &str = "https://api.github.com";
const SERVER: &str = "https://github.com";
/// Hosts that may be accessed without TLS.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// GitHub Actions job. Outside GitHub every field is empty.
#[derive(Clone, Debug)]
pub struct WorkflowJob {
    /// Whether a runner of GitHub Actions reads the output, and with it workflow commands.
    pub is_on_github: bool,
    /// URL of the API, unchecked.
    api: String,
    /// URL of the web interface; `None` if it is invalid.
    pub server: Option<Url>,
    pub repository: Option<Repository>,
    /// Name of the event that triggered the job.
    pub event: Option<String>,
    pub event_file: Option<PathBuf>,
    pub run: Option<WorkflowRunId>,
    /// Branch or tag of the event: `refs/heads/main`.
    pub reference: Option<String>,
    pub sha: Option<String>,
    /// Directory of the repository's checkout.
    pub workspace: Option<PathBuf>,
    pub summary: Option<PathBuf>,
    pub outputs: Option<PathBuf>,
}

/// Repository: `OWNER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    pub owner: String,
    pub name: String,
}

/// Run of a workflow. A later run compares as greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkflowRunId {
    pub id: u64,
    pub attempt: u64,
}

impl WorkflowJob {
    /// Reads the environment variables of the runner.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let number = |name: &'static str| match set(name) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| invalid(name, &text, "a number")),
        };
        let (id, attempt) = (number("GITHUB_RUN_ID")?, number("GITHUB_RUN_ATTEMPT")?);
        let repository = match set("GITHUB_REPOSITORY") {
            None => None,
            Some(text) => Some(
                Repository::parse(&text).ok_or_else(|| invalid("GITHUB_REPOSITORY", &text, "OWNER/NAME"))?,
            ),
        };
        Ok(Self {
            is_on_github: set("GITHUB_ACTIONS").as_deref() == Some("true"),
            api: set("GITHUB_API_URL").unwrap_or_else(|| API.to_owned()),
            server: parse_web_url(set("GITHUB_SERVER_URL").as_deref().unwrap_or(SERVER)),
            repository,
            event: set("GITHUB_EVENT_NAME"),
            event_file: set("GITHUB_EVENT_PATH").map(PathBuf::from),
            run: id.map(|id| WorkflowRunId { id, attempt: attempt.unwrap_or(1) }),
            reference: set("GITHUB_REF"),
            sha: set("GITHUB_SHA"),
            workspace: set("GITHUB_WORKSPACE").map(PathBuf::from),
            summary: set("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            outputs: set("GITHUB_OUTPUT").map(PathBuf::from),
        })
    }

    /// Returns the URL of the API. An error says why the token must not be sent there.
    pub fn api(&self) -> Result<Url, Error> {
        parse_api_url("GITHUB_API_URL", &self.api)
    }

    /// Returns the web page of a run.
    pub fn run_url(&self, run: WorkflowRunId) -> Option<String> {
        let Repository { owner, name } = self.repository.as_ref()?;
        let server = self.server.as_ref()?.as_str().trim_end_matches('/');
        let attempt = if run.attempt > 1 { format!("/attempts/{}", run.attempt) } else { String::new() };
        Some(format!("{server}/{owner}/{name}/actions/runs/{}{attempt}", run.id))
    }
}

impl Repository {
    /// Parses `OWNER/NAME`.
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let fits = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
        };
        (fits(owner) && fits(name)).then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// Whether a full name means this repository. GitHub ignores case.
    pub fn has_name(&self, full_name: &str) -> bool {
        self.to_string().eq_ignore_ascii_case(full_name)
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// Parses a URL that a browser opens.
fn parse_web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.username().is_empty()).then_some(url)
}

/// Parses a URL to which a token may be sent: with TLS, unless the host is local.
fn parse_api_url(variable: &'static str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|_| invalid(variable, text, "an https URL"))?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" && !(url.scheme() == "http" && LOOPBACK.contains(&host)) {
        return Err(invalid(variable, text, "an https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        // the value can contain a password
        return Err(invalid(variable, "…", "a URL without user and query"));
    }
    Ok(url)
}

fn invalid(name: &'static str, value: &str, expected: &'static str) -> Error {
    Error::InvalidVariable { name, value: shorten(value), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(variables: &[(&str, &str)]) -> Result<WorkflowJob, Error> {
        let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name);
        WorkflowJob::from_env(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn job_outside_github_is_empty() {
        let job = job(&[("GITHUB_REPOSITORY", "")]).unwrap();
        assert!(!job.is_on_github && job.repository.is_none() && job.run.is_none());
        assert_eq!(job.api().unwrap().as_str(), "https://api.github.com/");
    }

    #[test]
    fn enterprise_server_sets_its_urls() {
        let job = job(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "https://git.example.com"),
            ("GITHUB_API_URL", "https://git.example.com/api/v3"),
            ("GITHUB_REPOSITORY", "shop/web"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_RUN_ATTEMPT", "2"),
        ])
        .unwrap();
        assert!(job.is_on_github);
        assert_eq!(job.api().unwrap().as_str(), "https://git.example.com/api/v3");
        let page = |run: WorkflowRunId| job.run_url(run).unwrap();
        assert_eq!(page(job.run.unwrap()), "https://git.example.com/shop/web/actions/runs/7/attempts/2");
        assert_eq!(
            page(WorkflowRunId { id: 8, attempt: 1 }),
            "https://git.example.com/shop/web/actions/runs/8"
        );
    }

    #[test]
    fn invalid_variable_is_named() {
        let check = |name: &str, value: &str| {
            let error = job(&[(name, value)]).and_then(|job| job.api()).unwrap_err();
            assert!(matches!(error, Error::InvalidVariable { name: found, .. } if found == name), "{error}");
        };
        check("GITHUB_RUN_ID", "x");
        check("GITHUB_REPOSITORY", "a/b/c");
        check("GITHUB_REPOSITORY", "a/..");
        check("GITHUB_REPOSITORY", "nothing");
        check("GITHUB_API_URL", "http://api.example.com");
        check("GITHUB_API_URL", "ftp://127.0.0.1");
        check("GITHUB_API_URL", "not an address");
        check("GITHUB_API_URL", "https://me:pw@api.example.com");
        assert!(job(&[("GITHUB_API_URL", "http://127.0.0.1:1234")]).unwrap().api().is_ok());
        // an invalid web URL is not an error
        assert!(job(&[("GITHUB_SERVER_URL", "javascript:x")]).unwrap().server.is_none());
    }

    #[test]
    fn later_run_compares_greater() {
        let run = |id, attempt| WorkflowRunId { id, attempt };
        assert!(run(2, 1) > run(1, 9) && run(2, 2) > run(2, 1));
    }
}
