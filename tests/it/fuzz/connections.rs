//! Connection flags, kubeconfigs and tokens: no input makes the client panic, or shows a token.

use std::path::PathBuf;

use kubectl_chaos::config::ProcessEnv;
use kubectl_chaos::k8s::{ConnectionFlags, connect};
use kubectl_chaos::value::Map;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;

use super::fuzz;
use super::strategies::text;

/// A kubeconfig with every field.
const WHOLE: &str = "apiVersion: v1\nkind: Config\ncurrent-context: one\nclusters:\n- name: c\n  cluster:\n    server: \
    http://127.0.0.1:1/k8s\n    insecure-skip-tls-verify: true\n    certificate-authority-data: !!binary LS0=\n    \
    proxy-url: socks5://127.0.0.1:1\n    tls-server-name: h\n    extensions: [{name: \
    client.authentication.k8s.io/exec, extension: {a: [1, yes]}}]\nusers:\n- name: u\n  user:\n    token: Hidd3n-token\n    \
    tokenFile: nope\n    username: me\n    password: Hidd3n-token\n    client-certificate-data: LS0=\n    client-key-data: \
    LS0=\n    as: jane\n    as-groups: [a]\n    as-uid: '1'\n    as-user-extra: {k: [v]}\n    auth-provider: {name: oidc, \
    config: {id-token: Hidd3n-token}}\n- &v\n  name: v\n  user: {exec: {apiVersion: \
    client.authentication.k8s.io/v1, command: no-such-program, args: [Hidd3n-token], env: [{name: A, value: \
    Hidd3n-token}], interactiveMode: Never, installHint: x, provideClusterInfo: true}}\ncontexts:\n- name: one\n  context: \
    {cluster: c, user: v, namespace: shop}\n";
const TOKEN: &str = "Hidd3n-token";

/// Values of flags and variables that are close to valid ones.
const VALUES: [&str; 24] = [
    "",
    " ",
    "\n",
    "one",
    "127.0.0.1:1",
    "localhost",
    "http://127.0.0.1:1",
    "https://127.0.0.1:1/a/../b?c#d",
    "http://me:pw@127.0.0.1:1",
    "http://",
    "://",
    "ftp://h",
    "[::1]:1",
    "http://[::1",
    "t0ken\n",
    "t0ken\r\nX: y",
    "\u{0}",
    "ü",
    "a b",
    "*.h",
    "/nope",
    "..",
    "%",
    "socks5://127.0.0.1:1",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(VALUES.to_vec()).prop_map(str::to_owned), 1 => text()]
}

/// A connection: the kubeconfig, six flags, three variables.
type Connection = (String, Vec<Option<String>>, Vec<Option<String>>);

fn connection() -> impl Strategy<Value = Connection> {
    let whole = prop_oneof![3 => Just(WHOLE.to_owned()), 3 => damaged(), 1 => text()];
    (whole, vec(option::weighted(0.3, value()), 8), vec(option::weighted(0.3, value()), 3))
}

/// The kubeconfig with parts removed and values inserted.
fn damaged() -> impl Strategy<Value = String> {
    vec((0.0..1.0_f64, 0..8_usize, value()), 1..4).prop_map(|damages| {
        let mut characters: Vec<char> = WHOLE.chars().collect();
        for (place, removed, inserted) in damages {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let at = (place * characters.len() as f64) as usize;
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, inserted.chars());
        }
        characters.into_iter().collect()
    })
}

fn connect_and_ask((text, flags, variables): Connection) -> TestCaseResult {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    std::fs::write(&path, &text).expect("a kubeconfig");
    let flag = |index: usize| flags[index].clone();
    let flags = ConnectionFlags {
        kubeconfig: Some(path),
        server: flag(0),
        token: flag(1),
        user: flag(2),
        namespace: flag(3),
        impersonate: flag(4),
        tls_server_name: flag(5),
        certificate_authority: flag(6).map(PathBuf::from),
        context: flag(7),
        request_timeout: Some(std::time::Duration::from_millis(200)),
        unattended: true,
        ..ConnectionFlags::default()
    };
    let mut environment = ProcessEnv::default();
    for (name, value) in ["HTTP_PROXY", "NO_PROXY", "KUBERNETES_CONTEXT"].into_iter().zip(variables) {
        if let Some(value) = value {
            environment.set(name, &value);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let asked = runtime.block_on(async {
        let cluster = connect(&flags, &environment, &Map::new()).await?;
        cluster.version().await
    });
    if let Err(error) = asked {
        let shown = error.summary();
        // a damaged file may have the token as a name
        prop_assert!(text != WHOLE || !shown.contains(TOKEN), "the error shows the token: {shown}");
    }
    Ok(())
}

#[test]
fn connections_neither_panic_nor_show_tokens() {
    fuzz("connections", connection, connect_and_ask);
}
