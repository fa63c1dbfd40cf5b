//! What the kubeconfigs of the table are made of: a cluster, its certificates, tokens of it, servers beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};

use super::cases::Case;
use super::connect_proxy::ConnectProxy;
use crate::harness::{Response, ServerCertificate, TlsServer};

/// Material of the table.
pub struct Base {
    folder: tempfile::TempDir,
    /// The namespace of the service account. The token ends with it.
    namespace: String,
    pub server: String,
    /// PEM texts of the cluster and its administrator.
    pub authority: String,
    pub certificate: String,
    pub key: String,
    /// A token of a service account.
    pub token: String,
    pub proxy: ConnectProxy,
    pub servers: Vec<(ServerCertificate, TlsServer)>,
}

impl Drop for Base {
    fn drop(&mut self) {
        let words = ["delete", "namespace", &self.namespace, "--wait=false"];
        drop(Command::new("kubectl").args(words).output());
    }
}

impl Base {
    pub fn new() -> Self {
        let kubectl = |words: &[&str]| {
            let output = Command::new("kubectl").args(words).output().expect("kubectl");
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("text").trim().to_owned()
        };
        let config: Value = serde_json::from_str(&kubectl(&[
            "config",
            "view",
            "--raw",
            "--minify",
            "--flatten",
            "-o",
            "json",
        ]))
        .expect("a kubeconfig");
        let data = |path: &str| {
            let text = config.pointer(path).and_then(Value::as_str).expect("data");
            String::from_utf8(base64::prelude::BASE64_STANDARD.decode(text).expect("base64")).expect("PEM")
        };
        let namespace = format!("kubeconfigs-{}", std::process::id());
        kubectl(&["create", "namespace", &namespace]);
        kubectl(&["create", "serviceaccount", "reader", "-n", &namespace]);
        let token = kubectl(&["create", "token", "reader", "-n", &namespace]);
        let answer = |_: &_| {
            let review = json!({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
                "gitVersion": "v1.36.0", "status": {"userInfo": {"username": "mock"}}});
            Response::with(201, &[("Content-Type", "application/json")], &review.to_string())
        };
        let servers = ServerCertificate::ALL.map(|kind| (kind, TlsServer::start_with(kind, answer)));
        let base = Self {
            folder: tempfile::tempdir().expect("a folder"),
            namespace,
            server: config
                .pointer("/clusters/0/cluster/server")
                .and_then(Value::as_str)
                .expect("a server")
                .into(),
            authority: data("/clusters/0/cluster/certificate-authority-data"),
            certificate: data("/users/0/user/client-certificate-data"),
            key: data("/users/0/user/client-key-data"),
            token,
            proxy: ConnectProxy::start(),
            servers: servers.into_iter().collect(),
        };
        for (name, text) in [
            ("ca.crt", &base.authority),
            ("user.crt", &base.certificate),
            ("user.key", &base.key),
            ("token", &base.token),
        ] {
            base.write(name, text);
        }
        base.write("token-nl", &format!("{}\n", base.token));
        base.write("empty", "");
        base.write("blank", " \n");
        base.write("not-pem", "nothing\n");
        base.write("both.crt", &format!("{}{}", base.authority, base.servers[0].1.authority()));
        base
    }

    pub fn directory(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// The port of the cluster.
    pub fn host_and_port(&self) -> &str {
        self.server.trim_start_matches("https://")
    }

    /// The data in a kubeconfig for a PEM text.
    pub fn data(text: &str) -> String {
        base64::prelude::BASE64_STANDARD.encode(text)
    }

    /// Texts that no error may contain.
    pub fn secrets(&self) -> Vec<String> {
        let line = |text: &str| text.lines().nth(2).expect("a line").to_owned();
        let key = Self::data(&self.key);
        vec![self.token.clone(), line(&self.key), key[100..160].to_owned(), "s3cret".to_owned()]
    }

    /// The variables of a case.
    pub fn environment(&self, case: &Case) -> Vec<(String, String)> {
        let mut variables = vec![
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
            ("HOME".to_owned(), self.directory().display().to_string()),
        ];
        variables.extend(case.environment.iter().cloned());
        variables
    }

    /// A kubeconfig whose current context is that of the administrator.
    pub fn config(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "one",
            "clusters": [{"name": "c", "cluster":
                {"server": self.server, "certificate-authority-data": Self::data(&self.authority)}}],
            "users": [{"name": "u", "user": {"client-certificate-data": Self::data(&self.certificate),
                "client-key-data": Self::data(&self.key)}}],
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}]})
    }
}
