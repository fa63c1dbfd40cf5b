//! Secrets that HashiCorp Vault keeps: KV version 1 and 2, by token, AppRole or Kubernetes login.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::experiment::configuration::VaultSecret;
use crate::experiment::resolve::Verification;
use crate::http_client::{self, ClientOptions, describe};
use crate::value::Map;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Where a Pod finds its own token.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What a fetch came to.
#[derive(Debug, Default)]
pub struct VaultSecrets {
    /// The secrets, by the place of their declaration.
    pub secrets: Map,
    /// What was not there.
    pub warnings: Vec<String>,
}

/// Fetches secrets. How to reach Vault stands in the experiment's configuration.
pub async fn fetch(
    wanted: &[VaultSecret],
    configuration: &Map,
    trust: &Verification,
) -> Result<VaultSecrets, String> {
    let mut fetched = VaultSecrets::default();
    if wanted.is_empty() {
        return Ok(fetched);
    }
    let vault = VaultClient::connect(configuration, trust).await?;
    for secret in wanted {
        let Some(path) = &secret.path else {
            fetched.warnings.push(format!("the secret at /secrets{} names no path in Vault", secret.at));
            continue;
        };
        match vault.read(path).await? {
            None => fetched.warnings.push(format!("there is no secret in Vault at {path}")),
            Some(payload) => {
                let value = match &secret.field {
                    None => payload,
                    Some(field) => payload
                        .get(field)
                        .cloned()
                        .ok_or_else(|| format!("the secret in Vault at {path} has no field {field}"))?,
                };
                fetched.secrets.insert(secret.at.clone(), value.into());
            }
        }
    }
    Ok(fetched)
}

struct VaultClient {
    client: reqwest::Client,
    address: String,
    token: String,
    mount: String,
    version_1: bool,
}

impl VaultClient {
    async fn connect(configuration: &Map, trust: &Verification) -> Result<Self, String> {
        let text = |key: &str| configuration.get(key).map(|value| value.python_text().into_owned());
        let address = text("vault_addr")
            .filter(|address| !address.is_empty())
            .ok_or("secrets of type vault need the configuration entry vault_addr, the address of Vault")?;
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
                let token = tokio::fs::read_to_string(&path).await.map_err(|error| {
                    format!("the service account token at {path} cannot be read: {error}")
                })?;
                let mount = text("vault_k8s_mount_point").unwrap_or_else(|| "kubernetes".to_owned());
                let body = json!({"role": role, "jwt": token.trim()});
                vault.login(&format!("auth/{mount}/login"), &body).await?
            }
            _ => {
                return Err(
                    "Vault needs a token or a role in the configuration: vault_token, or vault_role_id and \
                            vault_role_secret, or vault_sa_role"
                        .to_owned(),
                );
            }
        };
        Ok(vault)
    }

    async fn login(&self, path: &str, body: &Json) -> Result<String, String> {
        let request = self.client.post(format!("{}/v1/{path}", self.address)).body(body.to_string());
        let answer =
            self.send(request, path).await?.ok_or_else(|| format!("Vault has no login at {path}"))?;
        let token = answer.pointer("/auth/client_token").and_then(Json::as_str);
        token.map(str::to_owned).ok_or_else(|| format!("Vault's answer to {path} holds no token"))
    }

    /// The payload of a secret; `None` where there is none.
    async fn read(&self, path: &str) -> Result<Option<Json>, String> {
        let infix = if self.version_1 { "" } else { "data/" };
        let url = format!("{}/v1/{}/{infix}{}", self.address, self.mount, path.trim_start_matches('/'));
        let request = self.client.get(url).header("X-Vault-Token", self.token.clone());
        let answer = self.send(request, path).await?;
        let payload = if self.version_1 { "/data" } else { "/data/data" };
        Ok(answer.and_then(|answer| answer.pointer(payload).cloned()).filter(|payload| !payload.is_null()))
    }

    /// The answer as JSON; `None` for "not found".
    async fn send(&self, request: reqwest::RequestBuilder, what: &str) -> Result<Option<Json>, String> {
        let response = request.header("X-Vault-Request", "true").send().await.map_err(|error| {
            let address = http_client::shown(&self.address);
            format!("Vault at {address} cannot be reached: {}", describe(&error.without_url()))
        })?;
        let status = response.status();
        let text = response.text().await.map_err(|error| format!("Vault's answer broke off: {error}"))?;
        if status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer: Result<Json, _> = serde_json::from_str(&text);
        if !status.is_success() {
            let answer = answer.unwrap_or_default();
            let errors = answer.get("errors").and_then(Json::as_array).cloned().unwrap_or_default();
            let errors: Vec<_> = errors.iter().filter_map(Json::as_str).collect();
            return Err(format!("Vault refuses {what}: {status} {}", errors.join("; "))
                .trim_end()
                .to_owned());
        }
        // something else may answer at the address, such as the page of a proxy that wants a login
        answer.map(Some).map_err(|_| format!("Vault's answer to {what} is not JSON"))
    }
}
