//! Login programs: credential plugins of kubectl (API group `client.authentication.k8s.io`).
//!
//! An error names the program, how it ended, and its masked standard error. It never has the arguments and variables.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::process::Command;

use super::{Credential, bearer, load_identity};
use crate::k8s::error::LoginError;
use crate::k8s::secrets::ConnectionSecrets;

/// How much of the standard error is shown, in characters: its end.
const MAX_SHOWN: usize = 500;

/// Login program of a user. Without `Debug`: it holds secrets.
#[derive(Clone)]
pub(in crate::k8s) struct LoginProgram {
    pub(in crate::k8s) command: String,
    pub(in crate::k8s) arguments: Vec<String>,
    pub(in crate::k8s) variables: Vec<(String, String)>,
    /// The variables of this process, without those that are withheld.
    pub(in crate::k8s) environment: Vec<(OsString, OsString)>,
    pub(in crate::k8s) api_version: String,
    pub(in crate::k8s) install_hint: Option<String>,
    /// Whether it gets the terminal; `None` if there is one.
    pub(in crate::k8s) may_interact: Option<bool>,
    /// The description of the cluster, if the program wants it.
    pub(in crate::k8s) cluster: Option<Json>,
}

/// Output of a login program.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    status: Option<ExecCredentialStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredentialStatus {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    client_certificate_data: Option<String>,
    #[serde(default)]
    client_key_data: Option<String>,
    #[serde(default)]
    expiration_timestamp: Option<String>,
}

impl LoginProgram {
    /// Runs the program, and returns the credential that it prints.
    pub(super) async fn run(
        &self,
        limit: Option<Duration>,
        secrets: &ConnectionSecrets,
    ) -> Result<Credential, LoginError> {
        let program = || self.command.clone();
        let has_terminal = std::io::stdin().is_terminal();
        if self.may_interact == Some(true) && !has_terminal {
            return Err(LoginError::NoTerminal { program: program() });
        }
        let interactive = self.may_interact.unwrap_or(has_terminal);
        let mut spec = json!({"interactive": interactive});
        if let Some(cluster) = &self.cluster {
            spec["cluster"] = cluster.clone();
        }
        let info = json!({"kind": "ExecCredential", "apiVersion": self.api_version, "spec": spec});
        let mut command = Command::new(&self.command);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
            .stderr(if interactive { Stdio::inherit() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let child = command.spawn().map_err(|source| self.not_started(source))?;
        let output = child.wait_with_output();
        let output = match limit.filter(|_| !interactive) {
            None => output.await,
            Some(limit) => tokio::time::timeout(limit, output)
                .await
                .map_err(|_| LoginError::TooSlow { program: program(), limit })?,
        };
        let output = output.map_err(|source| LoginError::NotStarted { program: program(), source })?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(LoginError::Failed {
                program: program(),
                end: describe(output.status),
                message: shorten(&secrets.mask(text.trim())),
            });
        }
        self.read(&output.stdout, secrets)
    }

    fn not_started(&self, source: std::io::Error) -> LoginError {
        let program = self.command.clone();
        if source.kind() == std::io::ErrorKind::NotFound {
            let hint = self.install_hint.as_deref().map(str::trim).filter(|hint| !hint.is_empty());
            return LoginError::NotFound { program, install_hint: hint.map(str::to_owned) };
        }
        LoginError::NotStarted { program, source }
    }

    /// Reads the output: JSON, or YAML as kubectl accepts it.
    fn read(&self, output: &[u8], secrets: &ConnectionSecrets) -> Result<Credential, LoginError> {
        let invalid =
            |reason: &'static str| LoginError::InvalidOutput { program: self.command.clone(), reason };
        let credential: ExecCredential = serde_json::from_slice(output)
            .ok()
            .or_else(|| serde_yaml::from_slice(output).ok())
            .ok_or_else(|| invalid("expected an ExecCredential in JSON"))?;
        if credential.kind.as_deref() != Some("ExecCredential") {
            return Err(invalid("expected kind ExecCredential"));
        }
        if credential.api_version.as_deref() != Some(self.api_version.as_str()) {
            return Err(invalid("its apiVersion is not that of the kubeconfig"));
        }
        let status = credential.status.ok_or_else(|| invalid("it has no status"))?;
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let (token, certificate, key) =
            (given(status.token), given(status.client_certificate_data), given(status.client_key_data));
        secrets.add([&token, &key].into_iter().flatten().cloned());
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let identity = load_identity(certificate.as_bytes(), key.as_bytes());
                Some(identity.map_err(|_| invalid("its client certificate or key cannot be used"))?)
            }
            (None, None) if token.is_none() => {
                return Err(invalid("it has neither a token nor a client certificate"));
            }
            (None, None) => None,
            _ => return Err(invalid("it has only one of client certificate and key")),
        };
        let authorization = token.map(|token| bearer(&token).ok_or(LoginError::InvalidToken)).transpose()?;
        let expires = match given(status.expiration_timestamp) {
            None => None,
            Some(text) => {
                let end: jiff::Timestamp =
                    text.trim().parse().map_err(|_| invalid("its expirationTimestamp is not a time"))?;
                Some(SystemTime::from(end))
            }
        };
        Ok(Credential { authorization, identity, expires })
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    status.code().map_or_else(|| "failed".to_owned(), |code| format!("failed with exit code {code}"))
}

/// Returns the end of a message on one line.
fn shorten(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = line.chars().count();
    if length <= MAX_SHOWN {
        return line;
    }
    let end: String = line.chars().skip(length - MAX_SHOWN).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> LoginProgram {
        LoginProgram {
            command: "login".to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            environment: Vec::new(),
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            install_hint: None,
            may_interact: Some(false),
            cluster: None,
        }
    }

    #[test]
    fn output_of_a_login_program_is_checked() {
        let check = |output: &str, expected: Result<&str, &str>| {
            let read = program().read(output.as_bytes(), &ConnectionSecrets::default());
            let found = read.map(|credential| credential.authorization.unwrap());
            match (found, expected) {
                (Ok(header), Ok(expected)) => assert_eq!(header, expected, "{output}"),
                (Err(error), Err(expected)) => {
                    let text = error.to_string();
                    assert!(text.contains(expected) && !text.contains("s3cret"), "{text}");
                }
                _ => panic!("{output}"),
            }
        };
        let with = |status: &str| {
            format!(
                "{{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\"{status}}}"
            )
        };
        check(&with(", \"status\": {\"token\": \"s3cret\\n\"}"), Ok("Bearer s3cret"));
        check(
            "kind: ExecCredential\napiVersion: client.authentication.k8s.io/v1\nstatus: {token: t}",
            Ok("Bearer t"),
        );
        check("s3cret", Err("expected an ExecCredential"));
        check(&with("").replace("v1", "v1beta1"), Err("apiVersion"));
        check(&with("").replace("ExecCredential", "Pod"), Err("kind"));
        check(&with(""), Err("no status"));
        check(&with(", \"status\": {}"), Err("neither a token"));
        check(&with(", \"status\": {\"clientKeyData\": \"s3cret\"}"), Err("only one"));
        check(
            &with(", \"status\": {\"clientKeyData\": \"s3cret\", \"clientCertificateData\": \"x\"}"),
            Err("cannot be used"),
        );
        check(&with(", \"status\": {\"token\": \"s3cret\\nX\"}"), Err("characters"));
        check(
            &with(", \"status\": {\"token\": \"s3cret\", \"expirationTimestamp\": \"soon\"}"),
            Err("not a time"),
        );
    }

    #[test]
    fn long_messages_keep_their_end() {
        assert_eq!(shorten(" a\n b "), "a b");
        let long = shorten(&"x".repeat(600));
        assert_eq!((long.chars().count(), long.starts_with('…')), (501, true));
    }
}
