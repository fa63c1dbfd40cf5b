//! What only the outside knows: names of kubeconfig files, of a cluster, of the catalogue. Floor 3.
//!
//! Whoever presses a key waits for it: a cluster is asked for a second at most, and silence is an answer.

use std::sync::mpsc;
use std::time::Duration;

use clap::Parser as _;

use super::engine::{Candidate, DynamicSource};
use crate::cli::args::Cli;
use crate::cli::discover;
use crate::config::ProcessEnv;
use crate::k8s::{
    ClusterClient, ClusterError, ConnectionFlags, KubeconfigNames, connect, kubeconfigs, list_namespaces,
};
use crate::trial::list_trial_names;
use crate::value::Map;

/// How long somebody is kept waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// The words that are known, by the flags that were written.
pub(super) fn look_up(what: DynamicSource, given: &[String], environment: &ProcessEnv) -> Vec<Candidate> {
    if what == DynamicSource::Functions {
        return discover::words().collect();
    }
    let Some(flags) = flags(given) else { return Vec::new() };
    let of_files = |names: fn(&KubeconfigNames) -> &Vec<String>| {
        let mut found: Vec<String> = Vec::new();
        for file in kubeconfigs(&flags, environment) {
            // a file that cannot be read knows nothing
            let names = file.names.iter().flat_map(names);
            found.extend(names.cloned());
        }
        found.sort();
        found.dedup();
        plain(found)
    };
    match what {
        DynamicSource::Functions => Vec::new(),
        DynamicSource::Contexts => of_files(|names| &names.contexts),
        DynamicSource::Clusters => of_files(|names| &names.clusters),
        DynamicSource::Users => of_files(|names| &names.users),
        DynamicSource::Namespaces => {
            plain(of_a_cluster(flags, environment, async |cluster| list_namespaces(cluster).await))
        }
        DynamicSource::Trials => {
            plain(of_a_cluster(flags, environment, async |cluster| list_trial_names(cluster).await))
        }
    }
}

fn plain(words: Vec<String>) -> Vec<Candidate> {
    words.into_iter().map(|word| (word, String::new())).collect()
}

/// The flags that were written, as far as they can be understood.
fn flags(given: &[String]) -> Option<ConnectionFlags> {
    let words = ["kubectl-chaos"].into_iter().chain(given.iter().map(String::as_str)).chain(["options"]);
    let cli = Cli::try_parse_from(words).ok()?;
    let flags = cli.connection.options(true).flags;
    Some(ConnectionFlags { unattended: true, request_timeout: Some(PATIENCE), ..flags })
}

/// Asks a cluster. What starts meanwhile, such as a plugin that logs in, cannot be cut short: it is left behind.
fn of_a_cluster(
    flags: ConnectionFlags,
    environment: &ProcessEnv,
    ask: impl AsyncFnOnce(&ClusterClient) -> Result<Vec<String>, ClusterError> + Send + 'static,
) -> Vec<String> {
    let (sender, receiver) = mpsc::channel();
    let environment = environment.clone();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let found = runtime.block_on(async {
            let cluster = connect(&flags, &environment, &Map::new()).await?;
            ask(&cluster).await
        });
        // nobody may be waiting any more
        let _ = sender.send(found.unwrap_or_default());
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}
