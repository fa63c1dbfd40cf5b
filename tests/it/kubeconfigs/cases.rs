//! The table.

#![allow(clippy::too_many_lines, reason = "a table")]

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::base::Base;
use super::servers;
use crate::harness::ServerCertificate;

/// A kubeconfig with flags and variables.
pub struct Case {
    pub name: String,
    pub flags: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Whether the namespaces are compared, too.
    pub has_namespace: bool,
    /// Why only this program connects; `None` if kubectl and this program agree.
    pub difference: Option<&'static str>,
}

/// Collects the cases.
pub(super) struct Table<'a> {
    pub(super) base: &'a Base,
    cases: Vec<Case>,
}

impl Table<'_> {
    /// Adds a case whose kubeconfig is a text.
    pub(super) fn text(&mut self, name: &str, text: &str) -> &mut Case {
        let file = format!("case-{}/config", self.cases.len());
        let path = self.base.write(&file, text);
        self.cases.push(Case {
            name: name.to_owned(),
            flags: vec![format!("--kubeconfig={path}")],
            environment: Vec::new(),
            has_namespace: false,
            difference: None,
        });
        self.cases.last_mut().expect("a case")
    }

    /// Adds a case that changes the kubeconfig of the administrator.
    pub(super) fn config(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> &mut Case {
        let mut config = self.base.config();
        change(&mut config);
        self.text(name, &config.to_string())
    }

    /// Adds a case with another user.
    fn user(&mut self, name: &str, user: Value) -> &mut Case {
        self.config(name, |config| config["users"][0]["user"] = user)
    }

    /// Adds a case that changes the cluster.
    pub(super) fn cluster(&mut self, name: &str, change: impl FnOnce(&mut Value)) -> &mut Case {
        self.config(name, |config| change(&mut config["clusters"][0]["cluster"]))
    }

    /// Adds a case with a server beside the cluster.
    pub(super) fn server(
        &mut self,
        name: &str,
        kind: ServerCertificate,
        key: &str,
        value: Value,
    ) -> &mut Case {
        let (_, server) = self.base.servers.iter().find(|(known, _)| *known == kind).expect("a server");
        let (url, pem) = (server.url(""), server.authority().to_owned());
        self.config(name, |config| {
            let value = if value == "DATA" { Base::data(&pem).into() } else { value };
            config["clusters"][0]["cluster"] = json!({"server": url, key: value});
            config["users"][0]["user"] = json!({"token": "t"});
        })
    }
}

impl Case {
    pub(super) fn flag(&mut self, flag: impl Into<String>) -> &mut Self {
        self.flags.push(flag.into());
        self
    }

    pub(super) fn env(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn differs(&mut self, reason: &'static str) -> &mut Self {
        self.difference = Some(reason);
        self
    }

    fn namespaced(&mut self) -> &mut Self {
        self.has_namespace = true;
        self
    }
}

/// Returns all cases.
pub fn all(base: &Base) -> Vec<Case> {
    let mut table = Table { base, cases: Vec::new() };
    logins(&mut table);
    programs(&mut table);
    servers::authorities(&mut table);
    servers::addresses(&mut table);
    servers::proxies(&mut table);
    files(&mut table);
    names(&mut table);
    table.cases
}

fn logins(table: &mut Table<'_>) {
    let base = table.base;
    let (token, certificate, key) =
        (base.token.clone(), Base::data(&base.certificate), Base::data(&base.key));
    table.config("client certificate as data", |_| {}).namespaced();
    table.user(
        "client certificate as files",
        json!({"client-certificate": base.path("user.crt"), "client-key": base.path("user.key")}),
    );
    table.user(
        "client certificate as relative files",
        json!({"client-certificate": "../user.crt", "client-key": "../user.key"}),
    );
    table.user("client certificate data and file", json!({"client-certificate-data": certificate, "client-certificate": base.path("user.crt"), "client-key-data": key}));
    table.user("client certificate without key", json!({"client-certificate-data": certificate}));
    table.user("client key without certificate", json!({"client-key-data": key}));
    table.user(
        "client certificate with the key of another",
        json!({"client-certificate-data": Base::data(&base.authority), "client-key-data": key}),
    );
    table.user(
        "client certificate file that does not exist",
        json!({"client-certificate": "nope", "client-key": "nope"}),
    );
    table.user(
        "client certificate that is not PEM",
        json!({"client-certificate": base.path("not-pem"), "client-key": base.path("user.key")}),
    );
    table.user("token", json!({"token": token}));
    table
        .user("token with a line break", json!({"token": format!("{token}\n")}))
        .differs("white space around a token is left out, as in a token file");
    table
        .user("token with a carriage return", json!({"token": format!("{token}\r\n")}))
        .differs("white space around a token is left out, as in a token file");
    table.user("token with a line break inside", json!({"token": "s3cret\ns3cret"}));
    table.user("wrong token", json!({"token": "s3cret"}));
    table.user("empty token", json!({"token": ""}));
    table.user("token that is null", json!({"token": null}));
    table.user("token that is a list", json!({"token": ["s3cret"]}));
    table.user("token file", json!({"tokenFile": base.path("token")}));
    table.user("token file with a line break", json!({"tokenFile": base.path("token-nl")}));
    table.user("relative token file", json!({"tokenFile": "../token-nl"}));
    table.user("token file that does not exist", json!({"tokenFile": "nope"}));
    table.user(
        "token file beside a wrong token",
        json!({"tokenFile": base.path("token-nl"), "token": "s3cret"}),
    );
    for (name, file) in [("missing", "nope"), ("empty", "../empty"), ("blank", "../blank")] {
        table.user(&format!("token beside a {name} token file"), json!({"tokenFile": file, "token": token}));
        table.user(&format!("{name} token file"), json!({"tokenFile": file}));
    }
    table.user(
        "token file beside a password",
        json!({"tokenFile": base.path("token"), "username": "me", "password": "s3cret"}),
    );
    table.user(
        "token and client certificate",
        json!({"token": token, "client-certificate-data": certificate, "client-key-data": key}),
    );
    table.user("password", json!({"username": "me", "password": "s3cret"}));
    table.user("token and password", json!({"token": token, "username": "me", "password": "s3cret"}));
    table.user(
        "auth-provider gcp",
        json!({"auth-provider": {"name": "gcp", "config": {"access-token": "s3cret"}}}),
    );
    table.user("auth-provider azure", json!({"auth-provider": {"name": "azure"}}));
    table.user("auth-provider of an unknown name", json!({"auth-provider": {"name": "other"}}));
    table.user("auth-provider oidc without id-token", json!({"auth-provider": {"name": "oidc", "config": {"client-id": "x", "idp-issuer-url": "https://issuer.invalid"}}}));
    table.user("no credentials", json!({}));
    table.config("user without a value", |config| config["users"][0] = json!({"name": "u"}));
    table.config("user that is null", |config| config["users"][0]["user"] = Value::Null);
    table.user("impersonation", json!({"client-certificate-data": certificate, "client-key-data": key, "as": "jane", "as-groups": ["system:masters"]}));
    table.user("impersonation with uid and extra", json!({"client-certificate-data": certificate, "client-key-data": key, "as": "jane", "as-uid": "7", "as-user-extra": {"reason/x": ["a", "b"]}}));
    table.user(
        "impersonated groups without a user",
        json!({"client-certificate-data": certificate, "client-key-data": key, "as-groups": ["dev"]}),
    );
    table
        .config("flag --token over a token", |config| config["users"][0]["user"] = json!({"token": "s3cret"}))
        .flag(format!("--token={token}"));
    table
        .config("flag --token over a password", |config| {
            config["users"][0]["user"] = json!({"username": "me", "password": "s3cret"});
        })
        .flag(format!("--token={token}"))
        .differs("--token replaces the login of the kubeconfig; kubectl refuses two logins");
    table
        .config("flag --token over a token file", |config| {
            config["users"][0]["user"] = json!({"tokenFile": base.path("not-pem")});
        })
        .flag(format!("--token={token}"))
        .differs("--token replaces the login of the kubeconfig; kubectl sends the token of the file");
    table
        .config("flags --client-certificate and --client-key", |config| {
            config["users"][0]["user"] = json!({});
        })
        .flag(format!("--client-certificate={}", base.path("user.crt").display()))
        .flag(format!("--client-key={}", base.path("user.key").display()));
    table.config("flag --as", |_| {}).flag("--as=system:serviceaccount:default:default");
}

fn programs(table: &mut Table<'_>) {
    let base = table.base;
    let credential = |status: Value| {
        json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})
            .to_string()
    };
    let print = |text: String| vec!["-c".to_owned(), format!("cat <<'END'\n{text}\nEND")];
    let program = |arguments: Vec<String>| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": arguments,
            "interactiveMode": "Never", "env": [{"name": "MINE", "value": "s3cret"}]}})
    };
    let changed = |key: &str, value: Value| {
        let mut user = program(print(credential(json!({"token": base.token}))));
        user["exec"][key] = value;
        user
    };
    let token = || credential(json!({"token": base.token}));
    table.user("login program with a token", program(print(token())));
    table
        .user(
            "login program with a token and a line break",
            program(print(credential(json!({"token": format!("{}\n", base.token)})))),
        )
        .differs("white space around a token is left out, as in a token file");
    table.user(
        "login program with an expiry",
        program(print(credential(
            json!({"token": base.token, "expirationTimestamp": "2099-01-01T00:00:00Z"}),
        ))),
    );
    table.user(
        "login program with a client certificate",
        program(print(credential(
            json!({"clientCertificateData": base.certificate, "clientKeyData": base.key}),
        ))),
    );
    table.user(
        "login program with a key only",
        program(print(credential(json!({"clientKeyData": base.key})))),
    );
    table.user("login program with an empty status", program(print(credential(json!({})))));
    table.user("login program that prints no JSON", program(print("s3cret".to_owned())));
    table.user(
        "login program that fails",
        program(vec!["-c".to_owned(), "echo $MINE >&2; exit 3".to_owned()]),
    );
    table.user(
        "login program that reads its variable",
        program(vec!["-c".to_owned(), format!("test $MINE = s3cret && echo '{}'", token())]),
    );
    table.user("login program that does not exist", changed("command", "no-such-program".into()));
    table.user(
        "login program of another version",
        changed("apiVersion", "client.authentication.k8s.io/v1beta1".into()),
    );
    table.user(
        "login program of a removed version",
        changed("apiVersion", "client.authentication.k8s.io/v1alpha1".into()),
    );
    table.user("login program without a version", changed("apiVersion", Value::Null));
    table.user("login program without a command", changed("command", "".into()));
    table.user("login program without a mode", changed("interactiveMode", Value::Null));
    table.user("login program of an unknown mode", changed("interactiveMode", "Sometimes".into()));
    table.user("login program that needs a terminal", changed("interactiveMode", "Always".into()));
    table.user("login program that gets the cluster", {
        let script =
            format!("echo $KUBERNETES_EXEC_INFO | grep -q certificate-authority-data && echo '{}'", token());
        let mut user = program(vec!["-c".to_owned(), script]);
        user["exec"]["provideClusterInfo"] = true.into();
        user
    });
    let script = base.write("bin/login", &format!("#!/bin/sh\necho '{}'\n", token()));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("a program");
    table.user("login program beside the kubeconfig", changed("command", "../bin/login".into()));
    table.user("login program and a token", {
        let mut user = program(vec!["-c".to_owned(), "exit 1".to_owned()]);
        user["token"] = base.token.clone().into();
        user
    });
    table.user("login program and an auth-provider", {
        let mut user = program(print(token()));
        user["auth-provider"] = json!({"name": "oidc"});
        user
    });
}

fn files(table: &mut Table<'_>) {
    let base = table.base;
    let admin = base.config();
    let whole = base.write("lists/whole", &admin.to_string());
    let other = base.write("lists/other", &json!({"current-context": "two", "contexts": [{"name": "two", "context": {"cluster": "c", "user": "v", "namespace": "kube-system"}}], "users": [{"name": "v", "user": {"token": base.token}}, {"name": "u", "user": {"token": "s3cret"}}]}).to_string());
    let broken = base.write("lists/broken", "users: [");
    let mut list = |name: &str, files: &[&str]| {
        let case = table.text(name, "");
        case.flags.clear();
        case.env("KUBECONFIG", files.join(":"));
    };
    list("list of two files", &[&whole, &other]);
    list("list of two files, the other one first", &[&other, &whole]);
    list("list with a file that does not exist", &["/nope", &whole]);
    list("list with an empty name", &["", &whole]);
    list("list with a broken file", &[&whole, &broken]);
    list("list of files that do not exist", &["/nope", "/neither"]);
    list("same file twice", &[&whole, &whole]);
    table.text("file that is empty", "");
    table.text("file that is another object", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n");
    table.text("file with a syntax error", "users:\n- name: u\n  user: {token: s3cret\n");
    table.text("file with a tab", "users:\n\t- name: s3cret\n");
    table.config("file without kind and version", |config| {
        config.as_object_mut().expect("an object").retain(|key, _| key != "kind" && key != "apiVersion");
    });
    table.config("file with unknown keys", |config| {
        config["colour"] = "blue".into();
        config["users"][0]["user"]["colour"] = "blue".into();
    });
    table.config("users with the same name", |config| {
        config["users"].as_array_mut().expect("users").push(json!({"name": "u"}));
    });
    let text = serde_json::to_string(&admin).expect("JSON").replacen(
        "\"current-context\":\"one\"",
        "\"current-context\":\"nope\",\"current-context\":\"one\"",
        1,
    );
    table.text("key twice in JSON", &text);
    let yaml = format!(
        "current-context: nope\nclusters:\n- name: c\n  cluster: {{server: '{}', certificate-authority-data: {}}}\nusers:\n- name: u\n  user:\n    token: s3cret\n    token: {}\ncontexts:\n- name: one\n  context: {{cluster: c, user: u}}\ncurrent-context: one\n",
        base.server,
        Base::data(&base.authority),
        base.token
    );
    table.text("key twice in YAML", &yaml);
    table.text(
        "carriage returns",
        &yaml
            .replace("    token: s3cret\n", "")
            .replacen("current-context: nope\n", "", 1)
            .replace('\n', "\r\n"),
    );
    table.text("byte-order mark", &format!("\u{feff}{admin}"));
    table.text(
        "two documents",
        &format!(
            "{}---\ncurrent-context: nope\n",
            yaml.replace("    token: s3cret\n", "").replacen("current-context: nope\n", "", 1)
        ),
    );
    let anchored = format!(
        "x: &ca {}\nclusters:\n- name: c\n  cluster: {{server: '{}', certificate-authority-data: *ca}}\nusers:\n- name: u\n  user: {{token: {}}}\ncontexts:\n- name: one\n  context: {{cluster: c, user: u}}\ncurrent-context: one\n",
        Base::data(&base.authority),
        base.server,
        base.token
    );
    table.text("alias", &anchored);
    let missing = table.text("file that does not exist", "");
    missing.flags = vec!["--kubeconfig=nope".to_owned()];
}

fn names(table: &mut Table<'_>) {
    table
        .config("namespace of the context", |config| {
            config["contexts"][0]["context"]["namespace"] = "kube-system".into();
        })
        .namespaced();
    table
        .config("namespace that is empty", |config| config["contexts"][0]["context"]["namespace"] = "".into())
        .namespaced();
    table
        .config("namespace that is null", |config| {
            config["contexts"][0]["context"]["namespace"] = Value::Null;
        })
        .namespaced();
    table.config("flag --namespace", |_| {}).flag("--namespace=kube-system").namespaced();
    table
        .config("flag --namespace that is empty", |config| {
            config["contexts"][0]["context"]["namespace"] = "kube-system".into();
        })
        .flag("--namespace=")
        .namespaced();
    for flag in
        ["context", "cluster", "user", "server", "token", "as", "certificate-authority", "tls-server-name"]
    {
        table.config(&format!("flag --{flag} that is empty"), |_| {}).flag(format!("--{flag}="));
    }
    table.config("context that does not exist", |_| {}).flag("--context=nope");
    table.config("cluster that does not exist", |_| {}).flag("--cluster=nope");
    table.config("user that does not exist", |_| {}).flag("--user=nope");
    table.config("current context that does not exist", |config| config["current-context"] = "nope".into());
    table.config("no current context", |config| config["current-context"] = "".into());
    table.config("context with a cluster that does not exist", |config| {
        config["contexts"][0]["context"]["cluster"] = "nope".into();
    });
    table.config("context with a user that does not exist", |config| {
        config["contexts"][0]["context"]["user"] = "nope".into();
    });
    table.config("context without a cluster", |config| {
        config["contexts"][0]["context"] = json!({"user": "u"});
    });
    table.config("context that is null", |config| config["contexts"][0]["context"] = Value::Null);
    table.config("contexts that are null", |config| config["contexts"] = Value::Null);
    table.config("contexts that are a mapping", |config| config["contexts"] = json!({}));
    for name in ["arn:aws:eks:eu-west-1:1:cluster/x", "admin@prod", "a b", "ü", "1"] {
        table.config(&format!("context named {name}"), |config| {
            config["contexts"][0]["name"] = name.into();
            config["current-context"] = name.into();
        });
    }
}
