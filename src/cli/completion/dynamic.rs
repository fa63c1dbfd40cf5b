//! Dynamic candidates: names from kubeconfig files, from the cluster, and from the function catalogue.
//!
//! The user waits for the candidates, so a cluster query takes at most one second; a failed query has no candidates.

use std::sync::mpsc;
use std::time::Duration;

use clap::Parser;

use super::engine::{Candidate, DynamicSource};
use crate::app::discover;
use crate::cli::connection_args::ConnectionArgs;
use crate::cli::shared_args::GlobalArgs;
use crate::config::ProcessEnv;
use crate::k8s;
use crate::k8s::{ClusterClient, ConnectionFlags, KubeconfigNames, connect, kubeconfigs, list_namespaces};
use crate::sort;
use crate::trial::list_trial_names;
use crate::value::Map;

/// The time limit for a cluster query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the candidates of a source. `given` holds the global flags.
pub(super) fn look_up(source: DynamicSource, given: &[String], environment: &ProcessEnv) -> Vec<Candidate> {
    if source == DynamicSource::Functions {
        return discover::names().collect();
    }
    let Some(flags) = parse_flags(given) else { return Vec::new() };
    let of_files = |names: fn(&KubeconfigNames) -> &Vec<String>| {
        let mut candidates: Vec<String> = Vec::new();
        for file in kubeconfigs(&flags, environment) {
            // an unreadable file has no candidates
            let names = file.names.iter().flat_map(names);
            candidates.extend(names.cloned());
        }
        sort::sort(&mut candidates);
        candidates.dedup();
        without_description(candidates)
    };
    match source {
        DynamicSource::Functions => Vec::new(),
        DynamicSource::Contexts => of_files(|names| &names.contexts),
        DynamicSource::Clusters => of_files(|names| &names.clusters),
        DynamicSource::Users => of_files(|names| &names.users),
        DynamicSource::Namespaces => {
            without_description(query_cluster(flags, environment, async |cluster| {
                list_namespaces(cluster).await
            }))
        }
        DynamicSource::Trials => without_description(query_cluster(flags, environment, async |cluster| {
            list_trial_names(cluster).await
        })),
    }
}

fn without_description(candidates: Vec<String>) -> Vec<Candidate> {
    candidates.into_iter().map(|word| (word, String::new())).collect()
}

/// The flags that every command takes.
#[derive(Parser)]
struct GlobalFlags {
    #[command(flatten)]
    _global: GlobalArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Parses the global flags; nothing if they are incomplete.
fn parse_flags(given: &[String]) -> Option<ConnectionFlags> {
    let words = ["kubectl-chaos"].into_iter().chain(given.iter().map(String::as_str));
    let flags = GlobalFlags::try_parse_from(words).ok()?.connection.into_options().flags;
    Some(ConnectionFlags { unattended: true, request_timeout: Some(QUERY_TIMEOUT), ..flags })
}

/// Queries a cluster on another thread. Credential plugins cannot be interrupted, so the thread is abandoned
/// after the time limit.
fn query_cluster(
    flags: ConnectionFlags,
    environment: &ProcessEnv,
    ask: impl AsyncFnOnce(&ClusterClient) -> Result<Vec<String>, k8s::Error> + Send + 'static,
) -> Vec<String> {
    let (sender, receiver) = mpsc::channel();
    let environment = environment.clone();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let candidates = runtime.block_on(async {
            let cluster = connect(&flags, &environment, &Map::new()).await?;
            ask(&cluster).await
        });
        // the receiver may be gone
        let _ = sender.send(candidates.unwrap_or_default());
    });
    receiver.recv_timeout(QUERY_TIMEOUT).unwrap_or_default()
}
