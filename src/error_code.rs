//! Stable codes of the errors that a user can meet.
//!
//! A code is for machines and tests; it never changes once released. Messages are for people and may change.
//! `docs/errors.md` is generated from this list.

use std::fmt;

use serde::{Serialize, Serializer};

/// Declares the codes: variant, name, meaning.
macro_rules! error_codes {
    ($($variant:ident, $name:literal, $meaning:literal;)+) => {
        /// A stable code, such as `cluster.forbidden`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant,)+
        }

        impl ErrorCode {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the code as text: `area.reason`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns one sentence that says when the error occurs.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

error_codes! {
    CiContextRefused, "ci.context-refused", "The policy for CI jobs does not allow the kubeconfig context.";
    CiEventRefused, "ci.event-refused", "The policy for CI jobs does not allow runs for this GitHub event.";
    CiResultsDirectory, "ci.results-directory", "The results directory of a CI job contains files that kubectl-chaos did not write.";
    ClientAnswer, "client.answer", "Something else than an API server answers, such as a login page.";
    ClientConfig, "client.config", "The connection that an activity needs is not configured.";
    ClientDns, "client.dns", "The host name of the API server cannot be resolved.";
    ClientLogin, "client.login", "The credentials for the cluster cannot be obtained.";
    ClientProxy, "client.proxy", "The proxy cannot be used, or cannot be reached.";
    ClientUnauthorized, "client.unauthorized", "The API server does not accept the credentials.";
    ClusterApi, "cluster.api", "The API server answers with an error that has no code of its own.";
    ClusterConflict, "cluster.conflict", "The object was changed, or exists already.";
    ClusterForbidden, "cluster.forbidden", "The API server denies the request: a permission is missing.";
    ClusterNotFound, "cluster.not-found", "The object or the kind does not exist in the cluster.";
    ClusterService, "cluster.service", "A Service cannot be reached: it or its port is missing, or no Pod of it is ready.";
    ClusterTimeout, "cluster.timeout", "The API server does not answer in time.";
    ClusterTls, "cluster.tls", "The certificate of the API server is not trusted.";
    ClusterUnreachable, "cluster.unreachable", "No connection to the API server can be made.";
    CompareInput, "compare.input", "The journals to compare are missing, mixed up, or of different experiments.";
    DemoFailed, "demo.failed", "A step of the demo did not end as promised.";
    EmbeddedFailed, "embedded.failed", "The embedded cluster cannot start or cannot apply its manifests.";
    EmbeddedManifest, "embedded.manifest", "A manifest for the embedded cluster cannot be read or applied.";
    ExperimentInvalid, "experiment.invalid", "The experiment has errors; the diagnostics list them.";
    ExperimentNotReadable, "experiment.not-readable", "The experiment cannot be read from its file or address.";
    FileConflict, "file.conflict", "Two files or directories of the command line are in each other's way.";
    FileNotReadable, "file.not-readable", "A file or directory cannot be read.";
    FileNotWritable, "file.not-writable", "A file or directory cannot be written.";
    FileUntrusted, "file.untrusted", "A file of an untrusted directory is not a plain file, or is too large.";
    FunctionFailed, "function.failed", "A function of the Chaos Toolkit fails.";
    GithubApi, "github.api", "GitHub refuses a request, or does not answer.";
    GithubEvent, "github.event", "The event file or the environment of the GitHub job cannot be used.";
    InitInput, "init.input", "A value for the new experiment is missing or does not fit.";
    InternalPanic, "internal.panic", "The program met a bug; please report it.";
    InternalRuntime, "internal.runtime", "The operating system refuses something that the program needs to work.";
    JournalInvalid, "journal.invalid", "A journal cannot be read, or no run writes such a journal.";
    KubeconfigInvalid, "kubeconfig.invalid", "The kubeconfig cannot be read, or what it names does not exist.";
    PublishInput, "publish.input", "The results to publish, or the pull request to publish to, cannot be determined.";
    RecoverRefused, "recover.refused", "Recovery needs a confirmation, or a value it cannot verify.";
    RunInterrupted, "run.interrupted", "A signal interrupted the program before the run started.";
    SettingsInvalid, "settings.invalid", "The settings file cannot be read.";
    TrialBaseline, "trial.baseline", "The runs of an earlier trial cannot be used before the change.";
    TrialCleanup, "trial.cleanup-incomplete", "A trial or a recovery cannot delete or restore everything.";
    TrialCluster, "trial.cluster", "The cluster does not allow the steps of a trial.";
    TrialIsolation, "trial.isolation", "An activity would reach beyond the namespace of the trial.";
    TrialManifest, "trial.manifest", "A manifest of a trial is invalid or cannot be applied.";
    TrialNotReady, "trial.not-ready", "The workloads of a trial do not become ready.";
    TrialState, "trial.state", "The state file of a trial is missing, invalid, or belongs to another trial.";
    UsageInvalid, "usage.invalid", "The command line is wrong.";
    VariablesInvalid, "variables.invalid", "A variable file or a declared variable cannot be used.";
    VaultFailed, "vault.failed", "HashiCorp Vault does not return the secret.";
}

impl ErrorCode {
    /// Whether the failure is on this side: it says nothing about the system under test.
    pub fn is_of_client(self) -> bool {
        matches!(
            self,
            Self::ClientAnswer
                | Self::ClientConfig
                | Self::ClientDns
                | Self::ClientLogin
                | Self::ClientProxy
                | Self::ClientUnauthorized
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An error that a user can meet.
pub trait Coded: std::error::Error {
    /// Returns the stable code.
    fn code(&self) -> ErrorCode;

    /// Returns what the user can do, in the imperative.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Joins the message of an error and of its sources: `outer: inner: innermost`.
pub fn message_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_have_two_parts() {
        let mut names: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        for name in &names {
            let (area, reason) = name.split_once('.').unwrap();
            let is_word =
                |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !text.is_empty();
            assert!(is_word(area) && is_word(reason), "{name}");
        }
        assert!(names.is_sorted(), "the list is alphabetical");
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
