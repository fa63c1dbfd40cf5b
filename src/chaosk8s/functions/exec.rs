//! Commands run in containers of Pods.

use crate::chaosk8s::error::{Error, PythonException, Result};
use crate::k8s;
use crate::k8s::{ApiRequest, ClusterClient, Metadata, PODS};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{FunctionContext, pods};
use crate::chaosk8s::arguments::to_json;
use crate::mutation::{ActivityProgress, EffectState, ProgressCallback, StopToken, Target};
use crate::value::Value;

/// How much of a command's output is kept.
const MAX_OUTPUT: u64 = 8 * 1024 * 1024;

/// How many characters of a command's standard error are told.
const MAX_SHOWN: usize = 1000;

/// A command, and the Pods that it will be run in.
#[derive(Clone, Debug)]
pub struct PodExec {
    pods: Vec<Metadata>,
    container: String,
    /// What selected the Pods.
    selected_by: String,
    /// Facts that the user needs before the command runs.
    warnings: Vec<String>,
    /// As it was given.
    given: Json,
    command: Vec<String>,
    limit: Option<Duration>,
    /// Of the first command that did not end well: in which Pod, with which exit code, and what it said.
    failed: Option<String>,
}

/// Chooses the Pods; those without a container of that name are left out.
pub(super) async fn prepare(context: &FunctionContext) -> Result<PodExec> {
    let arguments = &context.arguments;
    let command_argument = arguments.value("cmd");
    if !command_argument.is_truthy() {
        return Err(Error::failed("A command must be set to run a container"));
    }
    let command = match command_argument {
        Value::List(command) => command.iter().map(|argument| argument.python_text().into_owned()).collect(),
        other => shlex::split(&other.python_text())
            .ok_or_else(|| Error::raise(PythonException::ValueError, "No closing quotation".to_owned()))?,
    };
    let limit = arguments.number("request_timeout")?.and_then(|seconds| u64::try_from(seconds).ok());
    let limit = limit.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    // another type never equals the name of a container
    let container =
        arguments.value("container_name").as_text().filter(|name| !name.is_empty()).map(str::to_owned);
    let pods::ChosenPods { pods: chosen, selected_by, warnings, .. } = pods::select_targets(context).await?;
    let mut with_container = Vec::new();
    if let Some(container) = &container {
        for pod in chosen {
            if containers(&context.cluster, &pod).await?.contains(container) {
                with_container.push(pod);
            }
        }
    }
    Ok(PodExec {
        pods: with_container,
        container: container.unwrap_or_default(),
        selected_by,
        warnings,
        given: to_json(command_argument),
        command,
        limit,
        failed: None,
    })
}

async fn containers(cluster: &ClusterClient, pod: &Metadata) -> Result<Vec<String>> {
    let pod = cluster.json(&ApiRequest::get(&PODS, pod.namespace.as_deref(), &pod.name)).await?;
    let names = pod.pointer("/spec/containers").and_then(Json::as_array).into_iter().flatten();
    Ok(names.filter_map(|container| container["name"].as_str().map(str::to_owned)).collect())
}

impl PodExec {
    /// Returns the Pods.
    pub fn targets(&self) -> Vec<Target> {
        self.pods.iter().map(|pod| pod.target(&PODS.kind)).collect()
    }

    /// Runs the command in one Pod after the other.
    pub async fn apply(
        &mut self,
        cluster: &Arc<ClusterClient>,
        halt: &StopToken,
        progress: &ProgressCallback<'_>,
    ) -> Result<Json> {
        for warning in &self.warnings {
            progress(ActivityProgress::Note(warning.clone()));
        }
        let mut results = Vec::new();
        for (index, pod) in self.pods.iter().enumerate() {
            if halt.is_asked() {
                return Err(Error::failed("interrupted before the command ran in every Pod"));
            }
            let result = self.run(cluster, pod).await;
            progress(ActivityProgress::TargetDone { target: index, done: matches!(result, Ok((_, None))) });
            let (result, failed) = result?;
            results.push(result);
            self.failed = self.failed.take().or(failed);
        }
        Ok(results.into())
    }

    /// Checks that the command succeeded in every Pod.
    pub fn judge(&self, output: &Json) -> (EffectState, String) {
        let results = output.as_array().map(Vec::as_slice).unwrap_or_default();
        if results.is_empty() {
            let reason = if self.container.is_empty() {
                "container_name is missing, so the command ran nowhere".to_owned()
            } else {
                format!("no Pod with a container '{}' matched {}", self.container, self.selected_by)
            };
            return (EffectState::Mismatch, reason);
        }
        match &self.failed {
            None => (EffectState::Confirmed, format!("exit code 0 in {} Pods", results.len())),
            Some(failed) => (EffectState::Mismatch, failed.clone()),
        }
    }

    /// Runs the command in one Pod; returns the output and, if it failed, the reason.
    async fn run(&self, cluster: &Arc<ClusterClient>, pod: &Metadata) -> Result<(Json, Option<String>)> {
        let namespace = pod.namespace.clone().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
        let parameters = AttachParams {
            container: Some(self.container.clone()),
            stdin: false,
            stdout: true,
            stderr: true,
            tty: false,
            ..AttachParams::default()
        };
        let execution = async {
            let mut process = AbortOnDrop(
                cluster
                    .in_time(async {
                        let process = api.exec(&pod.name, &self.command, &parameters).await;
                        process.map_err(|error| cluster.upgrade_refused("pods/exec", &namespace, error))
                    })
                    .await?,
            );
            let status = process.0.take_status();
            let (stdout, stderr) = (process.0.stdout(), process.0.stderr());
            let status = async {
                match status {
                    Some(status) => status.await,
                    None => None,
                }
            };
            // both are read concurrently: a full pipe would block the command
            Ok::<_, k8s::Error>(tokio::join!(status, read(stdout), read(stderr)))
        };
        let finished = match self.limit {
            None => Some(execution.await?),
            Some(limit) => tokio::time::timeout(limit, execution).await.ok().transpose()?,
        };
        // as in the Chaos Toolkit, "stderr" is the status message of the server; that of the command is reported
        // separately
        let (code, said, stdout, failed) = match finished {
            None => {
                let late = self.limit.unwrap_or_default().as_secs();
                (json!(1), String::new(), String::new(), Some(format!("no result within {late} seconds")))
            }
            Some((status, stdout, stderr)) => {
                let (code, said) = exit_code(status);
                let failed = (code != 0).then(|| {
                    let code = Value::from(code.clone());
                    let stderr = stderr.trim();
                    let colon = if stderr.is_empty() { "" } else { ": " };
                    let excerpt: String = stderr.chars().take(MAX_SHOWN).collect();
                    format!("exit code {}{colon}{excerpt}", code.python_text())
                });
                (code, said, stdout, failed)
            }
        };
        let failed = failed.map(|failed| format!("in Pod {}: {failed}", pod.name));
        let result = json!({
            "pod_name": pod.name,
            "exit_code": code,
            "cmd": self.given,
            "stdout": stdout,
            "stderr": said,
        });
        Ok((result, failed))
    }
}

/// Connected command. Dropping it closes the connection; the command continues.
struct AbortOnDrop(AttachedProcess);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns the exit code as the Chaos Toolkit does: a number for success, else text.
fn exit_code(status: Option<Status>) -> (Json, String) {
    let Some(status) = status else { return (json!(1), String::new()) };
    if status.status.as_deref() == Some("Success") {
        return (json!(0), String::new());
    }
    let cause = status
        .details
        .and_then(|details| details.causes)
        .and_then(|causes| causes.into_iter().next())
        .and_then(|cause| cause.message);
    let message = status.message.unwrap_or_default();
    (cause.map_or(json!(1), Json::from), message)
}

async fn read(source: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        let mut source = source.take(MAX_OUTPUT);
        // keep the output up to a broken connection
        let _ = source.read_to_end(&mut bytes).await;
        // an unread pipe would block the command
        let _ = tokio::io::copy(&mut source.into_inner(), &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
