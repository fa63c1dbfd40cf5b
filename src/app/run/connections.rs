//! Checks the connections of activities that have credentials of their own.
//!
//! They are known once secrets are resolved, before anything was changed. Nothing is sent, and no login program starts.

use super::prepare::unreachable;
use super::rejected::RejectedRun;
use crate::app::run_context::RunContext;
use crate::app::{AppContext, AppError, Outcome};
use crate::chaosk8s::is_module;
use crate::console::{ConsoleLine, LineLevel};
use crate::error_code::{Coded as _, ErrorCode, message_chain};
use crate::experiment::Experiment;
use crate::experiment::resolve::{PythonCall, ResolvedActivity, resolve};
use crate::k8s::IgnoredSecrets;
use crate::substitution::{Redactor, Scope};

/// Rejects connections that cannot work, that the context allowlist does not contain, or that differ from what the
/// secrets name.
///
/// Runs with `--strict=false` fail only when they use such a connection.
pub(super) async fn check_connections(
    context: &AppContext,
    run_context: &RunContext,
    source: &str,
    experiment: &Experiment,
    scope: &Scope,
) -> Result<(), RejectedRun> {
    let redactor = Redactor::of_experiment(scope, &experiment.document);
    for activity in experiment.activities() {
        // an activity that cannot be resolved fails when it runs
        let Ok(ResolvedActivity::Python(call)) = resolve(activity, scope) else { continue };
        if !is_module(&call.module) {
            continue;
        }
        if context.connection.is_restricted() {
            let allowed = run_context.kubernetes.check_allowlist(&call.secrets).await;
            allowed.map_err(|error| unreachable(source, "", &error))?;
        }
        if call.secrets.is_empty() {
            continue;
        }
        let name = redactor.redact_text(&activity.name);
        let mask = |text: &str| redactor.redact_text(text).into_owned();
        if context.is_strict()
            && let Err(error) = run_context.kubernetes.cluster(&call.secrets).await
        {
            let message = format!("cannot use the cluster of '{name}': {}", mask(&message_chain(&error)));
            let mut rejection = AppError::new(error.code(), message).with_outcome(Outcome::Unreachable);
            rejection.hint = error.hint().as_deref().map(mask);
            return Err(RejectedRun::new(source, "runtime", rejection));
        }
        check_ignored(context, run_context, &call, &name, mask)
            .map_err(|error| RejectedRun::new(source, "runtime", error))?;
    }
    Ok(())
}

/// Reports secrets that name a cluster, and do not count. As in the Chaos Toolkit, a kubeconfig comes first.
///
/// An error if another cluster is used, unless a flag selects it.
fn check_ignored(
    context: &AppContext,
    run_context: &RunContext,
    call: &PythonCall,
    name: &str,
    mask: impl Fn(&str) -> String,
) -> Result<(), AppError> {
    // the embedded cluster replaces every other one
    if context.embedded_kubeconfig.is_some() {
        return Ok(());
    }
    let Some(IgnoredSecrets { keys, used, is_other_cluster, by_flag }) =
        run_context.kubernetes.ignored_secrets(&call.secrets)
    else {
        return Ok(());
    };
    let keys = keys.join(", ");
    let describe =
        |verb: &str| mask(&format!("{verb} {keys} in the secrets of '{name}': {used} comes first"));
    if context.is_strict() && is_other_cluster && !by_flag {
        let hint = "set KUBECONFIG to a file that does not exist, or name a context in KUBERNETES_CONTEXT";
        return Err(AppError::new(ErrorCode::VariablesInvalid, describe("cannot use")).with_hint(hint));
    }
    context.reporter.show(&ConsoleLine::note(LineLevel::Warning, describe("ignoring")));
    Ok(())
}
