//! Provider of processes on this machine.
//!
//! Each process runs in its own process group, which a timeout or an interrupt kills as a whole. Invalid UTF-8 in
//! the output is replaced.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::executable::{expand_home, find};
use super::{ActivityError, EffectCheck, PreparedActivity, Provider};
use crate::config::ProcessEnv;
use crate::experiment::resolve::{ProcessArguments, ProcessCall, ResolvedActivity};
use crate::experiment::{ProviderUsage, ValidationFinding};
use crate::mutation::{EffectState, ProgressCallback, Target};
use crate::value::{Map, Value};

/// Limit for each output, in bytes; the rest is dropped.
const MAX_OUTPUT: u64 = 16 * 1024 * 1024;
/// Limit for the first line of a script, in bytes. It is that of Linux.
const MAX_FIRST_LINE: u64 = 256;
/// The error number of a file that is not a program of this machine (`ENOEXEC`).
const EXEC_FORMAT_ERROR: i32 = 8;

/// Provider of processes.
pub struct ProcessProvider {
    environment: Arc<ProcessEnv>,
}

impl ProcessProvider {
    /// Creates a provider. Processes get the environment without withheld variables.
    pub fn new(environment: Arc<ProcessEnv>) -> Self {
        Self { environment }
    }
}

impl Provider for ProcessProvider {
    fn check(&self, usage: ProviderUsage<'_>, provider: &Map) -> Vec<ValidationFinding> {
        let activity = usage.activity;
        let Some(path) = provider.get("path").and_then(Value::as_text).filter(|path| !path.is_empty()) else {
            return Vec::new();
        };
        if find(path, &self.environment).is_some() {
            return Vec::new();
        }
        let fault = format!("path '{path}' cannot be found, in activity '{activity}'");
        let hint = if path.contains('$') {
            "placeholders in a path are not filled: write the path out"
        } else if path.starts_with('~') {
            "write the home directory out"
        } else if path.contains('/') {
            "check that it exists and is executable; relative paths start at the working directory"
        } else {
            "install it, or add its directory to PATH"
        };
        vec![ValidationFinding::at("path", fault).hint(hint)]
    }

    fn prepare(
        &self,
        call: ResolvedActivity,
    ) -> BoxFuture<'_, Result<Box<dyn PreparedActivity>, ActivityError>> {
        Box::pin(async move {
            let ResolvedActivity::Process(call) = call else {
                return Err(ActivityError::Unexpected("not a process".to_owned()));
            };
            let path = expand_home(&call.path, &self.environment);
            let program = find(&path, &self.environment)
                .ok_or_else(|| ActivityError::Unexpected(format!("path '{}' cannot be found", call.path)))?;
            let environment = Arc::clone(&self.environment);
            let prepared: Box<dyn PreparedActivity> =
                Box::new(PreparedProcess { program, call, environment });
            Ok(prepared)
        })
    }
}

struct PreparedProcess {
    program: PathBuf,
    call: ProcessCall,
    environment: Arc<ProcessEnv>,
}

impl PreparedProcess {
    fn command(&self) -> Command {
        let mut command = match &self.call.arguments {
            ProcessArguments::List(arguments) => {
                let mut command = Command::new(&self.program);
                command.args(arguments);
                command
            }
            ProcessArguments::Shell(text) => {
                let line = format!("{} {text}", self.program.display());
                let (shell, option) = if cfg!(windows) { ("cmd.exe", "/C") } else { ("/bin/sh", "-c") };
                let mut command = Command::new(shell);
                command.arg(option).arg(line);
                command
            }
        };
        command.env_clear().envs(self.environment.for_processes());
        command.stdin(input()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        command
    }

    async fn run(&self) -> Result<Value, ActivityError> {
        let mut child = self.command().spawn().map_err(|error| {
            let reason = start_failure(&self.program, &error).unwrap_or_else(|| error.to_string());
            ActivityError::Unexpected(format!("{} could not be started: {reason}", self.program.display()))
        })?;
        let group = ProcessGroup::new(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let finished = async { tokio::try_join!(read(stdout), read(stderr), child.wait()) };
        let finished = match self.call.timeout.map(duration) {
            None => Some(finished.await),
            Some(limit) => tokio::time::timeout(limit, finished).await.ok(),
        };
        let Some(finished) = finished else {
            group.kill();
            // the process is gone; without this it would stay behind as a zombie until the run is over
            let _ = child.wait().await;
            return Err(ActivityError::Failed("process activity took too long to complete".to_owned()));
        };
        group.release();
        let (stdout, stderr, status) =
            finished.map_err(|error| ActivityError::Unexpected(error.to_string()))?;
        let output = [
            ("status", Value::Int(code(status).into())),
            ("stdout", stdout.into()),
            ("stderr", stderr.into()),
        ];
        Ok(Value::Map(output.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
    }
}

impl PreparedActivity for PreparedProcess {
    fn targets(&self) -> &[Target] {
        &[]
    }

    fn apply<'a>(
        &'a mut self,
        _told: &'a ProgressCallback<'a>,
    ) -> BoxFuture<'a, Result<Value, ActivityError>> {
        Box::pin(self.run())
    }

    fn confirm(self: Box<Self>, outcome: Result<&Value, &ActivityError>) -> EffectCheck {
        let (state, detail) = match outcome.map(|output| output.get("status").cloned().unwrap_or_default()) {
            Ok(Value::Int(0)) => (EffectState::Confirmed, "exit status 0".to_owned()),
            Ok(Value::Int(signal)) if signal < 0 => {
                (EffectState::Mismatch, format!("ended by signal {}", -signal))
            }
            // a shell that cannot start the program
            Ok(Value::Int(status @ (126 | 127))) => {
                let reason = read_start(&self.program).and_then(|start| missing_interpreter(&start));
                let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                (EffectState::Mismatch, format!("exit status {status}{reason}"))
            }
            Ok(status) => (EffectState::Mismatch, format!("exit status {}", status.python_text())),
            Err(error) => (EffectState::Mismatch, error.text().to_owned()),
        };
        EffectCheck::Known(state, detail)
    }
}

/// Explains why a program that exists cannot be started; `None` if the system's own message says it.
///
/// The system reports a missing interpreter as if the program itself were missing.
fn start_failure(program: &Path, error: &std::io::Error) -> Option<String> {
    let is_wrong_format = error.raw_os_error() == Some(EXEC_FORMAT_ERROR);
    if !is_wrong_format && error.kind() != std::io::ErrorKind::NotFound {
        return None;
    }
    let start = read_start(program)?;
    if start.starts_with(b"\x7fELF") {
        let file = if is_wrong_format { "architecture" } else { "dynamic loader" };
        return Some(format!("its {file} is not that of this machine"));
    }
    if is_wrong_format {
        let is_marked = start.starts_with(b"\xef\xbb\xbf");
        let reason = if is_marked { "it begins with a byte-order mark" } else { "it has no #! line" };
        return Some(format!("{reason}: a script has to begin with its interpreter, such as #!/bin/sh"));
    }
    missing_interpreter(&start)
}

/// Names the interpreter in the first line of a script; `None` if it exists, or if there is no such line.
fn missing_interpreter(start: &[u8]) -> Option<String> {
    let first_line = start.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let first_line = String::from_utf8_lossy(first_line);
    let name = first_line.trim_start_matches([' ', '\t']).split([' ', '\t']).next()?;
    if name.is_empty() || Path::new(name).exists() {
        return None;
    }
    let reason = format!("its interpreter '{}' was not found", name.trim_end());
    Some(if name.ends_with('\r') {
        format!("{reason}, because the line ends with CR LF: save the file with LF line ends")
    } else {
        reason
    })
}

/// Reads the beginning of a program.
fn read_start(program: &Path) -> Option<Vec<u8>> {
    let mut start = Vec::new();
    std::fs::File::open(program).ok()?.take(MAX_FIRST_LINE).read_to_end(&mut start).ok()?;
    Some(start)
}

/// The standard input of this program, except where that is a terminal: a process in a group of its own that
/// reads from one would be stopped, and wait for ever.
fn input() -> Stdio {
    use std::io::IsTerminal as _;
    if std::io::stdin().is_terminal() { Stdio::null() } else { Stdio::inherit() }
}

/// Everything up to the end of the stream, as text; what is beyond the limit is read and dropped, so that the
/// process is not held up.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let Some(mut stream) = stream else { return Ok(String::new()) };
    let mut bytes = Vec::new();
    (&mut stream).take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == MAX_OUTPUT {
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// Converts seconds to a duration: zero if not positive, the maximum if too long.
pub(super) fn duration(seconds: f64) -> Duration {
    if seconds <= 0.0 {
        Duration::ZERO
    } else {
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// The exit code, or the negative number of the signal that ended the process.
#[cfg(unix)]
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap_or(-1)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// The process group of a child, which ends with this value unless it is released.
struct ProcessGroup {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl ProcessGroup {
    fn new(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self { leader: id.and_then(rustix::process::Pid::from_raw) }
    }

    fn kill(&self) {
        if let Some(leader) = self.leader {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }

    /// Releases the group: after the wait, another process may get the number of the leader.
    fn release(mut self) {
        self.leader = None;
    }
}

#[cfg(unix)]
impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Elsewhere a child is ended alone, by its `kill_on_drop`.
#[cfg(not(unix))]
#[expect(clippy::unused_self, reason = "on Unix they use the leader")]
impl ProcessGroup {
    fn new(_child: &Child) -> Self {
        Self {}
    }

    fn kill(&self) {}

    fn release(self) {}
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn process(path: &str, arguments: &[&str], timeout: Option<f64>) -> ResolvedActivity {
        let arguments = ProcessArguments::List(arguments.iter().map(|a| (*a).to_owned()).collect());
        ResolvedActivity::Process(ProcessCall { path: path.to_owned(), arguments, timeout })
    }

    fn provider() -> ProcessProvider {
        let mut environment = ProcessEnv::of_process();
        environment.set("ADDED", "by a file");
        environment.set("GITHUB_TOKEN", "not yours");
        ProcessProvider::new(Arc::new(environment))
    }

    async fn run(call: ResolvedActivity) -> Result<(i128, String, String), ActivityError> {
        let output = provider().prepare(call).await?.apply(&|_| {}).await?;
        let text = |key: &str| output.get(key).unwrap().as_text().unwrap().to_owned();
        let Some(Value::Int(status)) = output.get("status") else { panic!() };
        Ok((*status, text("stdout"), text("stderr")))
    }

    #[tokio::test]
    async fn output_and_exit_code_come_back() {
        let sh = |script: &str| process("sh", &["-c", script], None);
        let check = |result: Result<(i128, String, String), ActivityError>,
                     status: i128,
                     stdout: &str,
                     stderr: &str| {
            assert_eq!(result, Ok((status, stdout.to_owned(), stderr.to_owned())));
        };
        check(run(sh("echo out; echo err >&2; exit 7")).await, 7, "out\n", "err\n");
        check(run(sh("kill -TERM $$")).await, -15, "", "");
        check(run(sh("printf 'caf\\351'")).await, 0, "caf\u{fffd}", "");
        check(run(sh("echo \"$ADDED $GITHUB_TOKEN.\"")).await, 0, "by a file .\n", "");
        let shell = ProcessCall {
            path: "echo".to_owned(),
            arguments: ProcessArguments::Shell("one | tr a-z A-Z; echo $((1+1))".to_owned()),
            timeout: None,
        };
        check(run(ResolvedActivity::Process(shell)).await, 0, "ONE\n2\n", "");
    }

    #[tokio::test]
    async fn timeout_ends_the_process_group() {
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join("survived");
        let script = format!("(sleep 1; touch {}) & sleep 5", marker.display());
        let started = Instant::now();
        let result = run(process("sh", &["-c", &script], Some(0.2))).await;
        assert_eq!(
            result,
            Err(ActivityError::Failed("process activity took too long to complete".to_owned()))
        );
        assert!(started.elapsed() < Duration::from_secs(3), "it is not waited for");
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(!marker.exists(), "what the process started ended with it");
    }

    #[tokio::test]
    async fn dropping_the_process_ends_its_group() {
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join("survived");
        let script = format!("(sleep 1; touch {}) & sleep 5", marker.display());
        let mut prepared = provider().prepare(process("sh", &["-c", &script], None)).await.unwrap();
        let cancelled = tokio::time::timeout(Duration::from_millis(200), prepared.apply(&|_| {})).await;
        assert!(cancelled.is_err());
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(!marker.exists());
    }

    #[tokio::test]
    async fn zero_timeout_expires_at_once() {
        for timeout in [0.0, -1.0] {
            assert!(matches!(
                run(process("sleep", &["5"], Some(timeout))).await,
                Err(ActivityError::Failed(_))
            ));
        }
        assert!(run(process("true", &[], Some(1e300))).await.is_ok());
    }

    #[tokio::test]
    async fn program_without_interpreter_states_the_cause() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        let start = async |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            let error = run(process(path.to_str().unwrap(), &[], None)).await.unwrap_err();
            error.text().rsplit_once("could not be started: ").unwrap().1.to_owned()
        };
        assert_eq!(
            start(b"#!/bin/sh\r\necho\r\n").await,
            "its interpreter '/bin/sh' was not found, because the line ends with CR LF: save the file with LF line ends"
        );
        assert_eq!(start(b"#! /no/such -e\n").await, "its interpreter '/no/such' was not found");
        let marked = start(b"\xef\xbb\xbf#!/bin/sh\n").await;
        assert!(marked.starts_with("it begins with a byte-order mark: "), "{marked}");
        assert!(start(b"\x7fELF nothing").await.starts_with("its architecture is not that"));
        // a shell starts it, and reports the failure by its exit status
        std::fs::write(&path, "#!/bin/sh\r\necho\r\n").unwrap();
        let arguments = ProcessArguments::Shell("x".to_owned());
        let call = ProcessCall { path: path.display().to_string(), arguments, timeout: None };
        let mut prepared = provider().prepare(ResolvedActivity::Process(call)).await.unwrap();
        let output = prepared.apply(&|_| {}).await.unwrap();
        let EffectCheck::Known(_, detail) = prepared.confirm(Ok(&output)) else { panic!() };
        assert!(
            detail.contains(": its interpreter '/bin/sh' was not found, because the line ends"),
            "{detail}"
        );
    }

    #[tokio::test]
    async fn missing_program_is_unexpected() {
        let result = run(process("no-such-program-here", &[], None)).await;
        assert_eq!(
            result,
            Err(ActivityError::Unexpected("path 'no-such-program-here' cannot be found".to_owned()))
        );
    }

    #[tokio::test]
    async fn large_output_is_truncated_and_does_not_block() {
        let script = "head -c 20000000 /dev/zero | tr '\\0' x";
        let (status, stdout, _) = run(process("sh", &["-c", script], Some(30.0))).await.unwrap();
        assert_eq!((status, stdout.len() as u64), (0, MAX_OUTPUT));
    }

    #[test]
    fn an_action_is_confirmed_by_its_exit_code() {
        let confirm = |outcome: Result<&Value, &ActivityError>| {
            let environment = Arc::new(ProcessEnv::default());
            let ResolvedActivity::Process(call) = process("x", &[], None) else { panic!() };
            let prepared = Box::new(PreparedProcess { program: "x".into(), call, environment });
            match prepared.confirm(outcome) {
                EffectCheck::Known(state, detail) => (state, detail),
                EffectCheck::Watched(_) => panic!(),
            }
        };
        let status = |status: i32| Value::Map(Map::from_iter([("status".to_owned(), status.into())]));
        assert_eq!(confirm(Ok(&status(0))), (EffectState::Confirmed, "exit status 0".to_owned()));
        assert_eq!(confirm(Ok(&status(7))), (EffectState::Mismatch, "exit status 7".to_owned()));
        assert_eq!(confirm(Ok(&status(-9))), (EffectState::Mismatch, "ended by signal 9".to_owned()));
        let failed = ActivityError::Failed("too long".to_owned());
        assert_eq!(confirm(Err(&failed)), (EffectState::Mismatch, "too long".to_owned()));
    }
}
