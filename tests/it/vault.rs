//! Secrets in HashiCorp Vault, against a mock of it.

use serde_json::{Value, json};

use crate::harness::{
    EVERYTHING, ProcessResult, Request, Response, Sandbox, Server, TlsServer, distrustful, experiment,
    leaks_nothing, with,
};

const TOKEN: &str = "hvs.the-token";
const ISSUED: &str = "hvs.issued-at-login";
const PASSWORD: &str = "pa55-w0rd";

/// The responses of Vault. Its secrets are the same below every mount point.
fn vault(request: &Request) -> Response {
    let says = |status: u16, body: &Value| Response::new(status, "application/json", &body.to_string());
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let login = match request.path.as_str() {
        "/v1/auth/approle/login" => Some(json!({"role_id": "the-role", "secret_id": "r0le-secret"})),
        "/v1/auth/kubernetes/login" | "/v1/auth/of/the/cluster/login" => {
            Some(json!({"role": "chaos", "jwt": "jwt.of.the.pod"}))
        }
        _ => None,
    };
    if let Some(expected) = login {
        let granted = request.method == "POST" && body == expected;
        return if granted {
            says(200, &json!({"auth": {"client_token": ISSUED, "policies": ["default"]}}))
        } else {
            says(400, &json!({"errors": ["invalid role or secret ID"]}))
        };
    }
    if !request.header("x-vault-token").is_some_and(|token| [TOKEN, ISSUED].contains(&token)) {
        return says(403, &json!({"errors": ["permission denied"]}));
    }
    let payload = json!({"user": "jane-of-vault", "password": PASSWORD, "pin": 74_125});
    match request.path.as_str() {
        "/v1/secret/data/app" | "/v1/team/kv/data/app" => {
            says(200, &json!({"data": {"data": payload, "metadata": {"version": 3}}}))
        }
        "/v1/secret/app" | "/v1/old/app" => says(200, &json!({"data": payload})),
        "/v1/secret/data/deleted" => says(200, &json!({"data": {"data": null}})),
        "/v1/secret/data/sealed" => says(503, &json!({"errors": ["Vault is sealed"]})),
        "/v1/secret/data/page" => Response::new(200, "text/html", "<html>not Vault</html>"),
        _ => says(404, &json!({"errors": []})),
    }
}

/// Runs an experiment that passes on `${user}:${password}:${pin}`, and prints it.
fn run(sandbox: &Sandbox, configuration: &Value, secrets: &Value) -> ProcessResult {
    let script = "printf %s '${user}:${password}:${pin}' > got; cat got; cat got >&2";
    let provider = json!({"type": "process", "path": "sh", "arguments": ["-c", script]});
    let method = json!([{"type": "action", "name": "use ${password}", "provider": provider}]);
    let declared = json!({"configuration": configuration, "secrets": secrets});
    sandbox.experiment(&with(experiment(&method), &declared), EVERYTHING)
}

/// A secret group that is the whole payload.
fn whole() -> Value {
    json!({"app": {"type": "vault", "path": "app"}})
}

/// The paths requested from Vault, each with its token.
fn asked(server: &Server) -> Vec<(String, Option<String>)> {
    let ask = |request: &Request| {
        assert_eq!(request.header("x-vault-request"), Some("true"));
        let what = format!("{} {}", request.method, request.path);
        (what, request.header("x-vault-token").map(str::to_owned))
    };
    server.requests().iter().map(ask).collect()
}

#[test]
fn vault_secrets_are_used_and_masked() {
    let fields = json!({"app": {
        "user": {"type": "vault", "path": "app", "key": "user"},
        "password": {"type": "vault", "path": "/app", "key": "password"},
        "pin": {"type": "vault", "path": "app", "key": "pin"},
    }});
    let check = |configuration: Value, secrets: Value, path: &str, times: usize| {
        let server = Server::start(vault);
        let (address, token) = (server.url("/"), json!(TOKEN));
        let sandbox = Sandbox::new();
        let connection = with(json!({"vault_addr": address, "vault_token": token}), &configuration);
        let finished = run(&sandbox, &connection, &secrets).exits(0);
        assert_eq!(sandbox.read("got"), "jane-of-vault:pa55-w0rd:74125", "{configuration}");
        assert_eq!(asked(&server), vec![(format!("GET {path}"), Some(TOKEN.to_owned())); times]);
        leaks_nothing(&sandbox, &finished, &[PASSWORD, "jane-of-vault", "74125", TOKEN]);
        assert_eq!(sandbox.journal()["run"][0]["output"]["stdout"], "***:***:***");
    };
    check(json!({}), whole(), "/v1/secret/data/app", 1);
    check(json!({}), fields.clone(), "/v1/secret/data/app", 3);
    check(json!({"vault_kv_version": 2}), whole(), "/v1/secret/data/app", 1);
    check(json!({"vault_secrets_mount_point": "team/kv"}), whole(), "/v1/team/kv/data/app", 1);
    for version in [json!(1), json!("1")] {
        check(json!({"vault_kv_version": version}), whole(), "/v1/secret/app", 1);
    }
    let old = json!({"vault_kv_version": 1, "vault_secrets_mount_point": "old"});
    check(old, fields, "/v1/old/app", 3);
}

#[test]
fn approle_logs_in_first() {
    let check = |configuration: Value, login: &str| {
        let server = Server::start(vault);
        let sandbox = Sandbox::new();
        sandbox.write("pod-token", "jwt.of.the.pod\n");
        let connection = with(json!({"vault_addr": server.url("")}), &configuration);
        let finished = run(&sandbox, &connection, &whole()).exits(0);
        assert_eq!(sandbox.read("got"), "jane-of-vault:pa55-w0rd:74125");
        let expected = [
            (format!("POST {login}"), None),
            ("GET /v1/secret/data/app".to_owned(), Some(ISSUED.to_owned())),
        ];
        assert_eq!(asked(&server), expected);
        leaks_nothing(&sandbox, &finished, &[PASSWORD, ISSUED, "r0le-secret", "jwt.of.the.pod"]);
    };
    let role = json!({"vault_role_id": "the-role", "vault_role_secret": "r0le-secret"});
    check(role.clone(), "/v1/auth/approle/login");
    let pod = json!({"vault_sa_role": "chaos", "vault_sa_token_path": "pod-token"});
    check(pod.clone(), "/v1/auth/kubernetes/login");
    check(
        with(pod.clone(), &json!({"vault_k8s_mount_point": "of/the/cluster"})),
        "/v1/auth/of/the/cluster/login",
    );
    // AppRole takes precedence over the service account of a Pod
    check(with(pod, &role), "/v1/auth/approle/login");
}

#[test]
fn vault_connection_is_read_from_environment() {
    let server = Server::start(vault);
    let sandbox = Sandbox::new().env("MY_VAULT", server.url("")).env("MY_VAULT_TOKEN", TOKEN);
    let connection = json!({"vault_addr": {"type": "env", "key": "MY_VAULT"},
        "vault_token": {"type": "env", "key": "MY_VAULT_TOKEN"}});
    let finished = run(&sandbox, &connection, &whole()).exits(0);
    assert_eq!(sandbox.read("got"), "jane-of-vault:pa55-w0rd:74125");
    leaks_nothing(&sandbox, &finished, &[PASSWORD, TOKEN]);
}

#[test]
fn missing_vault_secret_is_empty_with_warning() {
    let check = |declaration: Value, warning: &str| {
        let server = Server::start(vault);
        let sandbox = Sandbox::new();
        let connection = json!({"vault_addr": server.url(""), "vault_token": TOKEN});
        run(&sandbox, &connection, &json!({"app": declaration})).exits(0).reports(warning);
        assert_eq!(sandbox.read("got"), "${user}:${password}:${pin}");
    };
    check(json!({"type": "vault", "path": "none"}), "Warning: no secret in Vault at none\n");
    check(json!({"type": "vault", "path": "deleted"}), "Warning: no secret in Vault at deleted\n");
    check(json!({"type": "vault"}), "Warning: secret /secrets/app has no path in Vault\n");
}

#[test]
fn vault_error_is_reported_before_run() {
    let server = Server::start(vault);
    let closed = crate::http::nowhere();
    let address = server.url("");
    let check = |configuration: Value, declaration: Value, text: &str| {
        let sandbox = Sandbox::new();
        let connection = with(json!({"vault_addr": address, "vault_token": TOKEN}), &configuration);
        let finished = run(&sandbox, &connection, &json!({"app": declaration})).exits(3).reports(text);
        assert!(!sandbox.path("got").exists(), "nothing ran");
        let answer = finished.json();
        assert_eq!((&answer["outcome"], &answer["exit_code"]), (&json!("error"), &json!(3)));
        assert!(answer["error"]["message"].as_str().is_some_and(|error| error.contains(text)), "{answer}");
        for secret in [TOKEN, "wrong-token", "r0le-secret"] {
            assert!(!finished.stderr.contains(secret) && !finished.stdout.contains(secret), "{finished:?}");
        }
    };
    let app = json!({"type": "vault", "path": "app"});
    let refused = "Vault refuses app: 403 Forbidden permission denied";
    check(json!({"vault_token": "wrong-token"}), app.clone(), refused);
    check(json!({"vault_token": ""}), app.clone(), refused);
    check(
        json!({}),
        json!({"type": "vault", "path": "app", "key": "none"}),
        "the secret in Vault at app has no field none",
    );
    check(
        json!({}),
        json!({"type": "vault", "path": "sealed"}),
        "Vault refuses sealed: 503 Service Unavailable Vault is sealed",
    );
    check(json!({}), json!({"type": "vault", "path": "page"}), "the answer of Vault to page is not JSON");
    check(json!({"vault_addr": closed}), app.clone(), "cannot reach Vault at ");
    check(json!({"vault_addr": "no address"}), app.clone(), "cannot reach Vault at no address: ");
    check(json!({"vault_addr": ""}), app.clone(), "missing configuration entry vault_addr");
    let role = json!({"vault_role_id": "the-role", "vault_role_secret": "r0le-secret"});
    let without_token = |keys: Value| {
        let mut keys = with(json!({"vault_addr": address}), &keys);
        keys.as_object_mut().expect("a mapping").remove("vault_token");
        keys
    };
    let plain = |keys: Value, text: &str| {
        let sandbox = Sandbox::new();
        run(&sandbox, &without_token(keys), &json!({"app": app})).exits(3).reports(text);
        assert!(!sandbox.path("got").exists(), "nothing ran");
    };
    plain(json!({}), "missing Vault credentials in the configuration: ");
    plain(
        with(role, &json!({"vault_role_id": "another"})),
        "Vault refuses auth/approle/login: 400 Bad Request invalid role or secret ID",
    );
    plain(
        json!({"vault_sa_role": "chaos", "vault_sa_token_path": "not-there"}),
        "cannot read the service account token not-there: ",
    );
    plain(
        json!({"vault_sa_role": "chaos", "vault_sa_token_path": "experiment.json", "vault_k8s_mount_point": "none"}),
        "Vault refuses auth/none/login: 403 Forbidden permission denied",
    );
}

#[test]
fn vault_is_not_contacted_without_vault_secrets() {
    let server = Server::start(vault);
    let sandbox = Sandbox::new();
    let connection = json!({"vault_addr": server.url(""), "vault_token": TOKEN});
    run(&sandbox, &connection, &json!({"app": {"user": "me", "password": "own-word", "pin": 1}})).exits(0);
    assert_eq!(sandbox.read("got"), "me:own-word:1");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn variables_file_overrides_vault_secrets() {
    let server = Server::start(vault);
    let sandbox = Sandbox::new();
    sandbox.write(
        "mine.json",
        json!({"secrets": {"app": {"user": "file-user", "password": "file-word", "pin": 2}}}).to_string(),
    );
    let connection = json!({"vault_addr": server.url(""), "vault_token": TOKEN});
    let provider =
        json!({"type": "process", "path": "sh", "arguments": ["-c", "printf %s ${password} > got; cat got"]});
    let method = json!([{"type": "probe", "name": "use", "provider": provider}]);
    let declared = json!({"configuration": connection, "secrets": whole()});
    let flags = EVERYTHING.iter().copied().chain(["--var-file=mine.json"]);
    let finished = sandbox.experiment(&with(experiment(&method), &declared), flags).exits(0);
    assert_eq!((sandbox.read("got").as_str(), server.requests().len()), ("file-word", 0));
    leaks_nothing(&sandbox, &finished, &["file-word", "file-user"]);
}

#[test]
fn vault_certificate_is_verified() {
    let server = TlsServer::start(vault);
    let connection = json!({"vault_addr": server.url(""), "vault_token": TOKEN});
    let stranger = run(&distrustful(), &connection, &whole()).exits(3);
    stranger.reports("invalid peer certificate: UnknownIssuer");
    assert_eq!(server.requests().len(), 0, "no token was sent");
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"] {
        let mut sandbox = Sandbox::new();
        let path = sandbox.write("authority.pem", server.authority());
        sandbox = sandbox.env(variable, path.display().to_string());
        run(&sandbox, &connection, &whole()).exits(0);
        assert_eq!(sandbox.read("got"), "jane-of-vault:pa55-w0rd:74125", "{variable}");
    }
}
