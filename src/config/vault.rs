//! Secrets of HashiCorp Vault: KV version 1 and 2, by token, AppRole or Kubernetes login.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::error_code::{Coded, ErrorCode};
use crate::experiment::configuration::VaultSecret;
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};
use crate::value::Map;

/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Path of the service account token in a Pod.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Fetched secrets.
#[derive(Debug, Default)]
pub struct VaultSecrets {
    /// The secrets, by the JSON pointer of their declaration.
    pub secrets: Map,
    /// Missing secrets.
    pub warnings: Vec<String>,
}

/// Fetches secrets. The configuration of the experiment has the address and the credentials of Vault.
pub async fn fetch(
    secrets: &[VaultSecret],
    configuration: &Map,
    trust: &Verification,
) -> Result<VaultSecrets, VaultError> {
    let mut fetched = VaultSecrets::default();
    if secrets.is_empty() {
        return Ok(fetched);
    }
    let vault = VaultClient::connect(configuration, trust).await?;
    for secret in secrets {
        let Some(path) = &secret.path else {
            fetched.warnings.push(format!("secret /secrets{} has no path in Vault", secret.at));
            continue;
        };
        match vault.read(path).await? {
            None => fetched.warnings.push(format!("no secret in Vault at {path}")),
            Some(payload) => {
                let value = match &secret.field {
                    None => payload,
                    Some(field) => payload
                        .get(field)
                        .cloned()
                        .ok_or_else(|| VaultError::NoField { path: path.clone(), field: field.clone() })?,
                };
                fetched.secrets.insert(secret.at.clone(), value.into());
            }
        }
    }
    Ok(fetched)
}

/// Error of Vault, or of its configuration.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("missing configuration entry vault_addr: secrets of type vault need the address of Vault")]
    NoAddress,
    #[error(
        "missing Vault credentials in the configuration: expected vault_token, vault_role_id with \
         vault_role_secret, or vault_sa_role"
    )]
    NoCredentials,
    #[error(transparent)]
    Client(#[from] http_client::Error),
    #[error("cannot read the service account token {path}")]
    TokenFile { path: String, source: std::io::Error },
    #[error("cannot reach Vault at {address}: {cause}")]
    Unreachable { address: String, cause: String },
    #[error("cannot read the response of Vault")]
    BrokenAnswer(#[source] reqwest::Error),
    #[error("Vault refuses {request}: {}", describe_refusal(*status, errors))]
    Refused { request: String, status: reqwest::StatusCode, errors: Vec<String> },
    #[error("the answer of Vault to {request} is not JSON")]
    NotJson { request: String, source: serde_json::Error },
    #[error("Vault has no login at {path}")]
    NoLogin { path: String },
    #[error("the answer of Vault to {path} has no token")]
    NoToken { path: String },
    #[error("the secret in Vault at {path} has no field {field}")]
    NoField { path: String, field: String },
}

fn describe_refusal(status: reqwest::StatusCode, errors: &[String]) -> String {
    format!("{status} {}", errors.join("; ")).trim_end().to_owned()
}

impl Coded for VaultError {
    fn code(&self) -> ErrorCode {
        ErrorCode::VaultFailed
    }
}

struct VaultClient {
    client: reqwest::Client,
    address: String,
    token: String,
    mount: String,
    version_1: bool,
}

impl VaultClient {
    async fn connect(configuration: &Map, trust: &Verification) -> Result<Self, VaultError> {
        let text = |key: &str| configuration.get(key).map(|value| value.python_text().into_owned());
        let address =
            text("vault_addr").filter(|address| !address.is_empty()).ok_or(VaultError::NoAddress)?;
        let client = http_client::build(
            trust,
            ClientOptions {
                connect_timeout: Some(TIMEOUT),
                timeout: Some(TIMEOUT),
                ..ClientOptions::default()
            },
        )?;
        let mut vault = Self {
            client,
            address: address.trim_end_matches('/').to_owned(),
            token: String::new(),
            mount: text("vault_secrets_mount_point").unwrap_or_else(|| "secret".to_owned()),
            version_1: text("vault_kv_version").as_deref() == Some("1"),
        };
        vault.token = match (
            text("vault_token"),
            text("vault_role_id"),
            text("vault_role_secret"),
            text("vault_sa_role"),
        ) {
            (Some(token), ..) => token,
            (_, Some(role), Some(secret), _) => {
                let body = json!({"role_id": role, "secret_id": secret});
                vault.login("auth/approle/login", &body).await?
            }
            (.., Some(role)) => {
                let path = text("vault_sa_token_path")
                    .filter(|path| !path.is_empty())
                    .unwrap_or_else(|| SERVICE_ACCOUNT_TOKEN.to_owned());
                let token = tokio::fs::read_to_string(&path)
                    .await
                    .map_err(|source| VaultError::TokenFile { path: path.clone(), source })?;
                let mount = text("vault_k8s_mount_point").unwrap_or_else(|| "kubernetes".to_owned());
                let body = json!({"role": role, "jwt": token.trim()});
                vault.login(&format!("auth/{mount}/login"), &body).await?
            }
            _ => return Err(VaultError::NoCredentials),
        };
        Ok(vault)
    }

    async fn login(&self, path: &str, body: &Json) -> Result<String, VaultError> {
        let request = self.client.post(format!("{}/v1/{path}", self.address)).body(body.to_string());
        let answer =
            self.send(request, path).await?.ok_or_else(|| VaultError::NoLogin { path: path.to_owned() })?;
        let token = answer.pointer("/auth/client_token").and_then(Json::as_str);
        token.map(str::to_owned).ok_or_else(|| VaultError::NoToken { path: path.to_owned() })
    }

    /// Reads the payload of a secret; `None` if there is none.
    async fn read(&self, path: &str) -> Result<Option<Json>, VaultError> {
        let infix = if self.version_1 { "" } else { "data/" };
        let url = format!("{}/v1/{}/{infix}{}", self.address, self.mount, path.trim_start_matches('/'));
        let request = self.client.get(url).header("X-Vault-Token", self.token.trim());
        let answer = self.send(request, path).await?;
        let payload = if self.version_1 { "/data" } else { "/data/data" };
        Ok(answer.and_then(|answer| answer.pointer(payload).cloned()).filter(|payload| !payload.is_null()))
    }

    /// Sends a request, and parses the answer as JSON; `None` for "not found".
    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        operation: &str,
    ) -> Result<Option<Json>, VaultError> {
        let response = request.header("X-Vault-Request", "true").send().await;
        let response = response.map_err(|error| VaultError::Unreachable {
            address: http_client::display_url(&self.address),
            cause: describe(&error.without_url()),
        })?;
        let status = response.status();
        let text = response.text().await.map_err(VaultError::BrokenAnswer)?;
        if status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer: Result<Json, _> = serde_json::from_str(&text);
        if !status.is_success() {
            let answer = answer.unwrap_or_default();
            let errors = answer.get("errors").and_then(Json::as_array).cloned().unwrap_or_default();
            let errors = errors.iter().filter_map(Json::as_str).map(str::to_owned).collect();
            return Err(VaultError::Refused { request: operation.to_owned(), status, errors });
        }
        // another server may answer at the address, such as a login page of a proxy
        let not_json = |source| VaultError::NotJson { request: operation.to_owned(), source };
        answer.map(Some).map_err(not_json)
    }
}
