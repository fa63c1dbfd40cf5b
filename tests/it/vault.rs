//! Secrets from HashiCorp Vault: usable by their name, and never seen.

use serde_json::{Value, json};

use crate::harness::{Chaos, Finished, Request, Response, Server};

const TOKEN: &str = "vault-session-token";
const SECRET: &str = "correct horse battery";

/// A Vault with one secret at `apps/shop` and two logins.
fn vault() -> Server {
    Server::start(|request: &Request| {
        let refuse = || Response::new(403, "application/json", r#"{"errors": ["permission denied"]}"#);
        let payload = json!({"password": SECRET, "user": "shop"});
        match request.path.as_str() {
            "/v1/auth/approle/login" => {
                let wanted = json!({"role_id": "role", "secret_id": "role-secret-text"});
                if request.body.parse::<Value>().unwrap() != wanted {
                    return refuse();
                }
                Response::json(&json!({"auth": {"client_token": TOKEN}}))
            }
            "/v1/auth/mesh/login" => {
                let wanted = json!({"role": "chaos", "jwt": "pod-token"});
                if request.body.parse::<Value>().unwrap() != wanted {
                    return refuse();
                }
                Response::json(&json!({"auth": {"client_token": TOKEN}}))
            }
            _ if request.header("X-Vault-Token") != Some(TOKEN) => refuse(),
            "/v1/secret/data/apps/shop" => Response::json(&json!({"data": {"data": payload}})),
            "/v1/kv/apps/shop" => Response::json(&json!({"data": payload})),
            _ => Response::new(404, "application/json", r#"{"errors": []}"#),
        }
    })
}

fn run(chaos: &Chaos, configuration: Value, secret: Value) -> Finished {
    let experiment = json!({
        "title": "t", "description": "d", "configuration": configuration, "secrets": {"shop": secret},
        "method": [{"type": "action", "name": "log in", "provider": {"type": "process", "path": "sh", "arguments":
            ["-c", "printf %s \"$1\" > used; echo it is $1; echo it is $1 >&2", "sh", "${password}"]}}],
    });
    chaos.experiment(&experiment, ["--events-file", "events", "--log-file", "log", "-v", "4", "-o", "json"])
}

/// The secret was used, and is nowhere to be read.
fn check(configuration: Value, secret: Value) {
    let server = vault();
    let chaos = Chaos::new();
    chaos.write("pod-token", "pod-token\n");
    let mut configuration = configuration;
    configuration["vault_addr"] = server.url("").into();
    if configuration.get("vault_sa_role").is_some() {
        configuration["vault_sa_token_path"] = chaos.path("pod-token").to_str().into();
    }
    let finished = run(&chaos, configuration, secret).exits(0);
    assert_eq!(chaos.read("used"), SECRET);
    let places = [
        chaos.read("journal.json"),
        chaos.read("events"),
        chaos.read("log"),
        finished.stdout,
        finished.stderr,
    ];
    for place in &places {
        for hidden in [SECRET, TOKEN, "role-secret-text"] {
            assert!(!place.contains(hidden), "{hidden} is in\n{place}");
        }
    }
    assert!(places[0].contains("it is ***"), "{}", places[0]);
}

#[test]
fn every_login_and_version_leads_to_the_secret() {
    let field = json!({"password": {"type": "vault", "path": "apps/shop", "key": "password"}});
    check(json!({"vault_token": TOKEN}), field.clone());
    check(
        json!({"vault_token": TOKEN, "vault_kv_version": 1, "vault_secrets_mount_point": "kv"}),
        field.clone(),
    );
    check(json!({"vault_role_id": "role", "vault_role_secret": "role-secret-text"}), field.clone());
    check(json!({"vault_sa_role": "chaos", "vault_k8s_mount_point": "mesh"}), field);
    // the whole payload: its fields are the group
    check(json!({"vault_token": TOKEN}), json!({"type": "vault", "path": "apps/shop"}));
}

#[test]
fn what_is_not_there_is_empty_with_a_warning() {
    let server = vault();
    let chaos = Chaos::new();
    let configuration = json!({"vault_addr": server.url(""), "vault_token": TOKEN});
    run(
        &chaos,
        configuration,
        json!({"password": {"type": "vault", "path": "apps/nothing", "key": "password"}}),
    )
    .exits(0)
    .says("there is no secret in Vault at apps/nothing");
}

#[test]
fn a_vault_that_refuses_or_is_away_ends_it_before_anything_runs() {
    let server = vault();
    let secret = json!({"password": {"type": "vault", "path": "apps/shop", "key": "password"}});
    let refuse = |configuration: Value, text: &str| {
        let chaos = Chaos::new();
        run(&chaos, configuration, secret.clone()).exits(3).says(text);
        assert!(!chaos.path("used").exists());
    };
    refuse(json!({"vault_addr": server.url(""), "vault_token": "wrong"}), "permission denied");
    refuse(json!({"vault_addr": server.url("")}), "Vault needs a token or a role");
    refuse(json!({"vault_addr": "http://127.0.0.1:1", "vault_token": TOKEN}), "cannot be reached");
    refuse(json!({"vault_token": TOKEN}), "vault_addr");
}
