//! Probes that wait until workloads are ready, or not ready.
//!
//! The first matching state ends the wait, including the state at the start. The timeout applies to the whole probe.

use crate::chaosk8s::error::Result;
use crate::k8s::{DAEMON_SETS, DEPLOYMENTS, ObjectSelector, Resource, STATEFUL_SETS};
use std::time::Duration;

use serde_json::Value as Json;

use super::FunctionContext;
use super::pods::fail_or_false;
use super::workloads::number;
use crate::chaosk8s::arguments::fill_name;

const BE_READY: &str = "raise_on_not_fully_available";
const NOT_BE_READY: &str = "raise_on_fully_available";

/// Whether all replicas are ready. Zero of zero is not ready.
fn replicas_are_ready(workload: &Json) -> bool {
    let desired = number(workload, "/spec/replicas");
    desired > 0 && number(workload, "/status/readyReplicas") == desired
}

fn pods_are_ready(set: &Json) -> bool {
    number(set, "/status/numberReady") == number(set, "/status/desiredNumberScheduled")
}

/// Waits for a state of the workload, until the timeout.
async fn wait(
    context: &FunctionContext,
    resource: &Resource,
    judge: impl Fn(&Json) -> bool,
) -> Result<(bool, String, i64)> {
    let name = context.arguments.required("name");
    let mut selection = ObjectSelector::name(&name);
    if let Some(labels) = context.arguments.some_text("label_selector") {
        selection.labels = fill_name(&labels, &name)?;
    }
    let seconds = context.arguments.integer("timeout")?.unwrap_or(30);
    let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let is_met = context
        .cluster
        .watch(resource, Some(&context.namespace()), &selection, limit, |object| judge(object).then_some(()))
        .await?;
    Ok((is_met.is_some(), name, seconds))
}

async fn check_or_raise(
    context: &FunctionContext,
    resource: &Resource,
    ready: bool,
    kind: &str,
) -> Result<Json> {
    let (is_met, name, seconds) =
        wait(context, resource, |object| replicas_are_ready(object) == ready).await?;
    if is_met {
        return Ok(true.into());
    }
    let (what, flag) = if ready { ("recover", BE_READY) } else { ("stop running", NOT_BE_READY) };
    fail_or_false(context, flag, format!("{kind} '{name}' failed to {what} within {seconds}s"))
}

pub(super) async fn deployment_fully(context: &FunctionContext) -> Result<Json> {
    check_or_raise(context, &DEPLOYMENTS, true, "deployment").await
}

pub(super) async fn deployment_not_fully(context: &FunctionContext) -> Result<Json> {
    check_or_raise(context, &DEPLOYMENTS, false, "deployment").await
}

pub(super) async fn stateful_set_fully(context: &FunctionContext) -> Result<Json> {
    check_or_raise(context, &STATEFUL_SETS, true, "microservice").await
}

pub(super) async fn stateful_set_not_fully(context: &FunctionContext) -> Result<Json> {
    check_or_raise(context, &STATEFUL_SETS, false, "microservice").await
}

pub(super) async fn daemon_set_fully(context: &FunctionContext) -> Result<Json> {
    Ok(wait(context, &DAEMON_SETS, pods_are_ready).await?.0.into())
}

pub(super) async fn daemon_set_not_fully(context: &FunctionContext) -> Result<Json> {
    Ok(wait(context, &DAEMON_SETS, |set| !pods_are_ready(set)).await?.0.into())
}
