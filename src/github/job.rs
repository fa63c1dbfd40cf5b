//! What the runner says of the job that this program is part of, in variables. Floor 1.

use std::path::PathBuf;

use url::Url;

/// The API of github.com; a server of one's own says another.
const API: &str = "https://api.github.com";
/// github.com itself.
const SERVER: &str = "https://github.com";
/// Hosts that may be spoken to without TLS: those of this machine.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// What is known of the job. Outside GitHub nothing is.
#[derive(Clone, Debug)]
pub struct WorkflowJob {
    /// Whether this is a job of GitHub Actions: only then somebody understands workflow commands.
    pub is_on_github: bool,
    /// Where the API is, as it was said.
    api: String,
    /// Where people look; none where nobody can.
    pub server: Option<Url>,
    /// The repository that the job belongs to.
    pub repository: Option<Repository>,
    /// The name of the event that began it.
    pub event: Option<String>,
    /// Where the event's file is.
    pub event_file: Option<PathBuf>,
    /// The run.
    pub run: Option<WorkflowRunId>,
    /// The branch or tag of the event: `refs/heads/main`.
    pub reference: Option<String>,
    /// The commit of the event.
    pub sha: Option<String>,
    /// The folder that the repository is checked out to.
    pub workspace: Option<PathBuf>,
    /// The file of the job summary.
    pub summary: Option<PathBuf>,
    /// The file of the step's outputs.
    pub outputs: Option<PathBuf>,
}

/// A repository: `OWNER/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Whose it is.
    pub owner: String,
    /// Its name.
    pub name: String,
}

/// A run of a workflow. One that was begun later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkflowRunId {
    /// Its number.
    pub id: u64,
    /// Which attempt at it.
    pub attempt: u64,
}

impl WorkflowJob {
    /// Reads the variables. An error says which of them cannot be used.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let number = |name: &str| match set(name) {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| format!("{name} is a number, not '{}'", excerpt(&text))),
        };
        let (id, attempt) = (number("GITHUB_RUN_ID")?, number("GITHUB_RUN_ATTEMPT")?);
        Ok(Self {
            is_on_github: set("GITHUB_ACTIONS").as_deref() == Some("true"),
            api: set("GITHUB_API_URL").unwrap_or_else(|| API.to_owned()),
            server: parse_web_url(set("GITHUB_SERVER_URL").as_deref().unwrap_or(SERVER)),
            repository: match set("GITHUB_REPOSITORY") {
                None => None,
                Some(text) => {
                    Some(Repository::parse(&text).ok_or_else(|| {
                        format!("GITHUB_REPOSITORY is OWNER/NAME, not '{}'", excerpt(&text))
                    })?)
                }
            },
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

    /// Where the API is. An error says why a token is not sent there.
    pub fn api(&self) -> Result<Url, String> {
        parse_api_url("GITHUB_API_URL", &self.api)
    }

    /// Where people look at a run of the repository.
    pub fn run_url(&self, run: WorkflowRunId) -> Option<String> {
        let Repository { owner, name } = self.repository.as_ref()?;
        let server = self.server.as_ref()?.as_str().trim_end_matches('/');
        let attempt = if run.attempt > 1 { format!("/attempts/{}", run.attempt) } else { String::new() };
        Some(format!("{server}/{owner}/{name}/actions/runs/{}{attempt}", run.id))
    }
}

impl Repository {
    /// Reads `OWNER/NAME`; nothing where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let fits = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
        };
        (fits(owner) && fits(name)).then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// Whether a name as an event has it is this one. Names differ in more than capitals.
    pub fn has_name(&self, full_name: &str) -> bool {
        self.to_string().eq_ignore_ascii_case(full_name)
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

/// An address that a browser takes.
fn parse_web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.username().is_empty()).then_some(url)
}

/// An address that a token may be sent to: nobody between is to read it.
fn parse_api_url(variable: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{variable}: '{}': {error}", excerpt(text)))?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() != "https" && !(url.scheme() == "http" && LOOPBACK.contains(&host)) {
        return Err(format!("{variable} is an https address, not '{}'", excerpt(text)));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(format!("{variable} is an address without a user and without a query"));
    }
    Ok(url)
}

/// The beginning of a value, for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(variables: &[(&str, &str)]) -> Result<WorkflowJob, String> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        WorkflowJob::from_env(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn outside_github_nothing_is_known() {
        let job = job(&[("GITHUB_REPOSITORY", "")]).unwrap();
        assert!(!job.is_on_github && job.repository.is_none() && job.run.is_none());
        assert_eq!(job.api().unwrap().as_str(), "https://api.github.com/");
    }

    #[test]
    fn a_server_of_ones_own_has_its_own_addresses() {
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
    fn what_cannot_be_used_is_refused_by_name() {
        let check = |name: &str, value: &str| {
            let error = job(&[(name, value)]).and_then(|job| job.api()).unwrap_err();
            assert!(error.contains(name), "{error}");
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
        // what nobody can look at is no reason to stop
        assert!(job(&[("GITHUB_SERVER_URL", "javascript:x")]).unwrap().server.is_none());
    }

    #[test]
    fn later_runs_are_greater() {
        let run = |id, attempt| WorkflowRunId { id, attempt };
        assert!(run(2, 1) > run(1, 9) && run(2, 2) > run(2, 1));
    }
}
