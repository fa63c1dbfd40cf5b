//! The values that every use case gets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::outcome::Outcome;
use super::output_lock::OutputLock;
use super::reporter::Reporter;
use super::signals::Signals;
use crate::config::ProcessEnv;
use crate::embedded::ParseArguments;
use crate::journal::{Journal, Strictness};
use crate::k8s::service::ServiceAlias;
use crate::k8s::{ConnectionFlags, ContextAllowlist};
use crate::provider::{FunctionOptions, ServiceAccess};

/// Returns the exit code that the journal of a run records.
pub(crate) type JournalExitCode = fn(&Journal, Outcome) -> u8;

/// Everything that a use case works with, besides its request.
#[derive(Clone)]
pub(crate) struct AppContext {
    pub(crate) connection: ConnectionOptions,
    /// The kubeconfig of an embedded cluster, which replaces every other one.
    pub(crate) embedded_kubeconfig: Option<PathBuf>,
    /// Settings file; a leading `~/` is the home directory.
    pub(crate) settings_path: String,
    pub(crate) strictness: Strictness,
    /// Whether journals contain outputs without redaction, like those of the Chaos Toolkit.
    pub(crate) has_plain_outputs: bool,
    pub(crate) journal_exit_code: JournalExitCode,
    pub(crate) environment: ProcessEnv,
    /// Identifier of this invocation.
    pub(crate) run_id: String,
    pub(crate) signals: Signals,
    pub(crate) reporter: Arc<dyn Reporter>,
    /// The lock on the output directory, if the caller has locked it.
    pub(crate) output_lock: Option<OutputLock>,
    /// Parses the arguments of a container of the demo application.
    pub(crate) parse_container: ParseArguments,
}

impl AppContext {
    pub(crate) fn is_strict(&self) -> bool {
        self.strictness != Strictness::Lenient
    }

    /// Returns a copy for an embedded cluster, whatever flags, environment and variable files say.
    pub(crate) fn for_embedded_cluster(&self, kubeconfig: &Path) -> Self {
        Self {
            connection: self.connection.for_kubeconfig(kubeconfig.to_owned()),
            embedded_kubeconfig: Some(kubeconfig.to_owned()),
            ..self.clone()
        }
    }
}

/// How to reach the cluster and its Services.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionOptions {
    pub(crate) flags: ConnectionFlags,
    /// Whether an action without a selector may target everything.
    pub(crate) allow_all: bool,
    pub(crate) service_access: ServiceAccess,
    pub(crate) service_aliases: Vec<ServiceAlias>,
    /// Seed of random choices.
    pub(crate) seed: Option<u64>,
}

impl ConnectionOptions {
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.flags.namespace.as_deref().filter(|name| !name.is_empty())
    }

    /// Returns whether contexts are restricted.
    pub(crate) fn is_restricted(&self) -> bool {
        self.flags.guard.is_some()
    }

    /// Returns a copy restricted by an allowlist.
    pub(crate) fn restricted(&self, allowlist: ContextAllowlist) -> Self {
        self.with_flags(|flags| flags.guard = Some(allowlist))
    }

    /// Returns a copy for another namespace.
    pub(crate) fn within(&self, namespace: &str) -> Self {
        self.with_flags(|flags| flags.namespace = Some(namespace.to_owned()))
    }

    /// Returns a copy for another context.
    pub(crate) fn for_context(&self, context: &str) -> Self {
        self.with_flags(|flags| flags.context = Some(context.to_owned()))
    }

    /// Returns a copy for the kubeconfig of an embedded cluster, without the other flags of the connection.
    pub(crate) fn for_kubeconfig(&self, kubeconfig: PathBuf) -> Self {
        self.with_flags(|flags| {
            *flags = ConnectionFlags {
                kubeconfig: Some(kubeconfig),
                context: Some(crate::embedded::NAME.to_owned()),
                namespace: flags.namespace.take(),
                request_timeout: flags.request_timeout,
                guard: flags.guard.take(),
                ..ConnectionFlags::default()
            }
        })
    }

    fn with_flags(&self, change: impl FnOnce(&mut ConnectionFlags)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.flags);
        changed
    }

    /// Returns the options of functions. If the run is lenient, actions without a selector are allowed, as in the
    /// Chaos Toolkit.
    pub(crate) fn function_options(&self, is_strict: bool) -> FunctionOptions {
        FunctionOptions {
            flags: self.flags.clone(),
            allow_all: self.allow_all || !is_strict,
            seed: self.seed,
            is_lenient: !is_strict,
        }
    }
}

/// Returns a random identifier of a run: a version 4 UUID.
pub(crate) fn new_run_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::app::ProgressDisplay;
    use crate::console::ConsoleLine;

    /// Reporter that shows nothing.
    #[derive(Clone)]
    struct SilentReporter;

    impl Reporter for SilentReporter {
        fn show(&self, _: &ConsoleLine) {}

        fn has_toolkit_readers(&self) -> bool {
            false
        }

        fn warn_once(&self, _: &str) {}

        fn send_command(&self, _: &str) {}

        fn quieter(&self) -> Arc<dyn Reporter> {
            Arc::new(self.clone())
        }

        fn start_progress(self: Arc<Self>) -> Option<Box<dyn ProgressDisplay>> {
            None
        }
    }

    /// Returns a context without settings, environment and signals.
    pub(in crate::app) fn context() -> AppContext {
        AppContext {
            connection: ConnectionOptions::default(),
            embedded_kubeconfig: None,
            settings_path: String::new(),
            strictness: Strictness::Strict,
            has_plain_outputs: false,
            journal_exit_code: |_, _| 0,
            environment: ProcessEnv::default(),
            run_id: String::new(),
            signals: Signals::new(|_, _| Ok(())),
            reporter: Arc::new(SilentReporter),
            output_lock: None,
            parse_container: |_| Err("no container".into()),
        }
    }

    #[test]
    fn embedded_kubeconfig_replaces_the_flags_of_the_connection() {
        let text = |text: &str| Some(text.to_owned());
        let flags = ConnectionFlags {
            kubeconfig: Some(PathBuf::from("other")),
            context: text("production"),
            cluster: text("production"),
            user: text("admin"),
            server: text("https://production"),
            token: text("t"),
            impersonate: text("root"),
            insecure: true,
            namespace: text("shop"),
            ..ConnectionFlags::default()
        };
        let options = ConnectionOptions { flags, seed: Some(7), ..ConnectionOptions::default() };
        let allowlist = ContextAllowlist::new(["embedded".to_owned()], "hint");
        let embedded = options.restricted(allowlist).for_kubeconfig(PathBuf::from("k"));
        let ConnectionFlags { kubeconfig, context, cluster, user, server, token, .. } = &embedded.flags;
        assert_eq!((kubeconfig.as_deref(), context.as_deref()), (Some(Path::new("k")), Some("embedded")));
        assert_eq!([cluster, user, server, token, &embedded.flags.impersonate], [&None; 5]);
        assert!(!embedded.flags.insecure);
        // what does not select another cluster stays
        assert_eq!((embedded.namespace(), embedded.seed), (Some("shop"), Some(7)));
        assert!(embedded.is_restricted());
    }
}
