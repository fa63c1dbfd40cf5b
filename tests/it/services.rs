//! Probes that reach a Service of a cluster by its name: the route and the result. The API server
//! is a mock; port-forwarding is proven on a real cluster, in `kubernetes`.

use serde_json::{Value, json};

use crate::harness::{
    NONE, ProcessResult, Request, Response, Sandbox, Server, experiment, kubeconfig_of, refused, with,
};

const PROXY: &str = "/api/v1/namespaces/shop/services/web:8080/proxy";

/// An API server that has one Service, and forwards requests to `behind`.
fn api(behind: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
    Server::secure(move |request| match request.path.as_str() {
        "/version" => Response::json(&json!({"gitVersion": "v1.20.2"})),
        "/api/v1/namespaces/shop/services/web" => {
            Response::json(&json!({"spec": {"ports": [{"port": 8080}]}}))
        }
        path if path.starts_with(PROXY) => behind(request),
        _ => refused(404, "not found", &Value::Null),
    })
}

fn get(url: &str) -> Value {
    json!({"type": "http", "url": url, "timeout": 20})
}

/// An experiment whose hypothesis is one request that must return 200.
fn hypothesis(provider: &Value) -> Value {
    let probe = json!({"type": "probe", "name": "asked", "tolerance": 200, "provider": provider});
    let hypothesis = json!({"title": "It answers", "probes": [probe]});
    with(experiment(&json!([])), &json!({"steady-state-hypothesis": hypothesis}))
}

/// Runs an experiment whose hypothesis is one request that must return 200.
fn ask(sandbox: &Sandbox, api: &Server, provider: Value, arguments: &[&str]) -> ProcessResult {
    let config = kubeconfig_of(sandbox, api, &json!({"token": "of-the-cluster"}));
    let given = ["--kubeconfig", &config, "-v", "4"];
    sandbox.experiment(&hypothesis(&provider), given.iter().chain(arguments))
}

fn outcome(sandbox: &Sandbox) -> Value {
    sandbox.journal()["steady_states"]["before"]["probes"][0].clone()
}

fn passed_on(api: &Server) -> Vec<String> {
    api.requests().into_iter().map(|request| request.path).filter(|path| path.starts_with(PROXY)).collect()
}

#[test]
fn service_is_reached_through_api_server() {
    let check = |url: &str, arguments: &[&str], path: &str| {
        let (sandbox, api) = (Sandbox::new(), api(|_| Response::new(200, "text/plain", "hello")));
        ask(&sandbox, &api, get(url), arguments).exits(0).reports("reached Service shop/web:8080 via proxy");
        assert_eq!(passed_on(&api), [format!("{PROXY}{path}"), format!("{PROXY}{path}")], "{url}");
        let way = json!([{"activity": "asked", "service": "shop/web:8080", "access": "proxy"}]);
        assert_eq!(sandbox.journal()["kubectl-chaos"]["services"], way);
        assert_eq!(outcome(&sandbox)["output"]["body"], "hello");
    };
    check("http://web.svc/", &[], "/");
    check("http://web.svc:8080/x/y?a=b%20c", &[], "/x/y?a=b%20c");
    check("http://web.shop.svc.cluster.local/x", &["--service-access=proxy", "-n", "other"], "/x");
    let alias = "192.0.2.7:31546=web.svc";
    check("http://192.0.2.7:31546/invoke", &["--connect-to", alias], "/invoke");
    check("http://example.com/", &["--connect-to", "example.com:80=web.shop.svc:8080"], "/");
}

#[test]
fn error_status_of_service_is_output() {
    let (sandbox, api) =
        (Sandbox::new(), api(|_| Response::new(503, "application/json", r#"{"busy": true}"#)));
    ask(&sandbox, &api, get("http://web.svc/"), &[]).exits(8);
    let probe = outcome(&sandbox);
    assert_eq!((&probe["status"], &probe["output"]["status"]), (&json!("succeeded"), &json!(503)));
    assert_eq!(probe["output"]["body"]["busy"], true);
}

#[test]
fn unreachable_service_fails_probe() {
    let check = |url: &str, answer: fn() -> Response, words: &str| {
        let (sandbox, api) = (Sandbox::new(), api(move |_| answer()));
        ask(&sandbox, &api, get(url), &[]).exits(8);
        let probe = outcome(&sandbox);
        let exception = probe["exception"].to_string();
        assert!(probe["status"] == "failed" && exception.contains(words), "{exception}");
    };
    let web = "http://web.svc/";
    check(
        web,
        || refused(503, r#"no endpoints available for service "web:8080""#, &Value::Null),
        "Service shop/web:8080 has no ready endpoints",
    );
    check(
        web,
        || {
            refused(
                503,
                "error trying to reach service: dial tcp 10.0.0.9:80: connection refused",
                &Value::Null,
            )
        },
        "connection refused",
    );
    check(
        web,
        || refused(403, "forbidden", &json!({"kind": "services", "name": "web:8080"})),
        "kubectl auth can-i get services/proxy -n shop",
    );
    check("http://other.svc/", Response::nothing, "Service other does not exist in namespace shop");
    check("http://web.svc:81/", Response::nothing, "has no port 81 (ports: 8080)");
}

#[test]
fn refused_credentials_are_no_answer_of_the_service() {
    let login = || {
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401, "message": "Unauthorized",
            "reason": "Unauthorized"})
    };
    let answer = move |_: &Request| Response::new(401, "application/json", &login().to_string());
    let (sandbox, cluster) = (Sandbox::new(), api(answer));
    ask(&sandbox, &cluster, get("http://web.svc/"), &[]).exits(9);
    assert_eq!(sandbox.journal()["kubectl-chaos"]["error_code"], "client.unauthorized");
    // another 401 is the answer of the Service
    let cluster = api(|_| Response::new(401, "application/json", r#"{"reason": "Unauthorized"}"#));
    ask(&sandbox, &cluster, get("http://web.svc/"), &[]).exits(8);
    assert_eq!(outcome(&sandbox)["output"]["status"], 401);
}

#[test]
fn redirects_never_carry_cluster_credentials() {
    let elsewhere = Server::start(|_| Response::new(200, "text/plain", "elsewhere"));
    let there = elsewhere.url("/there");
    let behind = move |request: &Request| match request.path.strip_prefix(PROXY).unwrap() {
        "/" => Response::with(302, &[("Location", &format!("{PROXY}/second"))], ""),
        "/second" => Response::with(301, &[("Location", &there)], ""),
        _ => Response::with(302, &[("Location", "/api/v1/namespaces/kube-system/secrets")], ""),
    };
    let (sandbox, cluster) = (Sandbox::new(), api(behind));
    ask(&sandbox, &cluster, get("http://web.svc/"), &[]).exits(0);
    assert_eq!(outcome(&sandbox)["output"]["body"], "elsewhere");
    assert_eq!(cluster.requests()[0].header("authorization"), Some("Bearer of-the-cluster"));
    assert!(!elsewhere.requests().is_empty());
    for request in elsewhere.requests() {
        assert_eq!((request.path.as_str(), request.header("authorization")), ("/there", None));
    }
    // a Service cannot cause other requests to the API server
    ask(&sandbox, &cluster, get("http://web.svc/evil"), &[]).exits(8);
    assert_eq!(outcome(&sandbox)["output"]["status"], 302);
    assert!(!cluster.requests().iter().any(|request| request.path.contains("secrets")));
}

#[test]
fn requests_with_credentials_or_body_are_not_proxied() {
    let check = |more: Value| {
        let (sandbox, api) = (Sandbox::new(), api(|_| Response::new(200, "text/plain", "hello")));
        // this server has no endpoint to forward to
        ask(&sandbox, &api, with(get("http://web.svc/"), &more), &[]).exits(8);
        assert!(outcome(&sandbox)["exception"].to_string().contains("no ready endpoints"), "{more}");
        assert_eq!(passed_on(&api), [""; 0], "{more}");
        let own = |request: &Request| {
            request.header("impersonate-user").is_some()
                || request.header("authorization") != Some("Bearer of-the-cluster")
        };
        assert!(!api.requests().iter().any(own), "{more}");
        let refused = ask(&sandbox, &api, with(get("http://web.svc/"), &more), &["--service-access=proxy"]);
        assert!(refused.exits(8).stderr.contains("use --service-access=port-forward"), "{more}");
    };
    check(json!({"headers": {"Authorization": "Bearer mine"}}));
    check(json!({"headers": {"Cookie": "a=b"}}));
    check(json!({"headers": {"Impersonate-User": "system:admin"}}));
    check(json!({"method": "POST", "arguments": {"a": 1}}));
    check(json!({"url": "http://me:pw@web.svc/"}));
    check(json!({"url": "https://web.svc/"}));
}

#[test]
fn url_outside_aliases_is_requested_directly() {
    let server = Server::start(|_| Response::new(200, "text/plain", "hello"));
    let (sandbox, api) = (Sandbox::new(), api(|_| Response::nothing()));
    // no alias and no Service: the request goes to the address itself
    ask(&sandbox, &api, get(&server.url("/")), &[]).exits(0);
    assert!(api.requests().is_empty(), "the cluster has nothing to do with it");
    // DNS on this machine does not resolve Services
    ask(&sandbox, &api, get("http://web.svc:8080/"), &["--service-access=direct"]).exits(8);
    assert_eq!(passed_on(&api), [""; 0]);
}

#[test]
fn service_url_without_cluster_is_rejected() {
    let sandbox = Sandbox::new();
    sandbox.experiment(&hypothesis(&get("http://web.svc/")), NONE).exits(4).reports("no cluster configured");
    for wrong in ["web", "a:1=web", "a=web.svc"] {
        sandbox.run(["run", "experiment.json", "--connect-to", wrong]).exits(2).reports("HOST:PORT=NAME");
    }
}
