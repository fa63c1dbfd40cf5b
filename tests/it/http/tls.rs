//! Servers with certificates, and which of them are trusted.

use serde_json::{Value, json};

use super::run;
use crate::harness::{NONE, Response, Sandbox, ServerCertificate, TlsServer, distrustful, probe, with};

fn server() -> TlsServer {
    TlsServer::start(|_| Response::new(200, "text/plain", "in secret"))
}

fn probed(sandbox: &Sandbox, server: &TlsServer, keys: &Value) -> super::Probed {
    run(sandbox, &with(json!({"type": "http", "url": server.url("/p")}), keys))
}

#[test]
fn unknown_certificate_authority_is_rejected() {
    let server = server();
    let probed = probed(&distrustful(), &server, &json!({}));
    let error = probed.error();
    assert!(error.contains(&format!("failed to connect to {}: ", server.url("/p"))), "{error}");
    assert!(error.contains("invalid peer certificate: UnknownIssuer"), "{error}");
    assert_eq!(probed.finished.code, Some(0));
    assert_eq!(server.requests().len(), 0, "nothing was said to a server that is not trusted");
}

#[test]
fn verify_tls_false_accepts_any_certificate() {
    let server = server();
    let probed = probed(&distrustful(), &server, &json!({"verify_tls": false}));
    assert_eq!(probed.output()["body"], "in secret", "{}", probed.finished.stderr);
    assert_eq!(server.requests()[0].path, "/p");
}

#[test]
fn certificate_authority_from_environment_is_trusted() {
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        let server = server();
        let mut sandbox = Sandbox::new();
        let path = sandbox.write("authority.pem", server.authority());
        sandbox = sandbox.env(variable, path.display().to_string());
        let probed = probed(&sandbox, &server, &json!({}));
        assert_eq!(probed.output()["body"], "in secret", "{variable}: {}", probed.finished.stderr);
    }
}

#[test]
fn certificate_authority_of_activity_is_trusted() {
    let server = server();
    let sandbox = Sandbox::new();
    let path = sandbox.write("authority.pem", server.authority());
    let probed = probed(&sandbox, &server, &json!({"verify_tls": path}));
    assert_eq!(probed.output()["body"], "in secret", "{}", probed.finished.stderr);
}

#[test]
fn other_certificate_authority_is_not_trusted() {
    let (server, other) = (server(), server());
    let sandbox = Sandbox::new();
    let path = sandbox.write("authority.pem", other.authority());
    let probed = probed(&sandbox, &server, &json!({"verify_tls": path}));
    assert!(probed.error().contains("invalid peer certificate: UnknownIssuer"), "{}", probed.error());
}

#[test]
fn certificate_with_other_host_name_is_rejected() {
    let server = server();
    let sandbox = Sandbox::new();
    let path = sandbox.write("authority.pem", server.authority());
    let url = server.url("/").replace("127.0.0.1", "localhost");
    let probed = run(&sandbox, &json!({"type": "http", "url": url, "verify_tls": path}));
    assert!(probed.error().contains("not valid for name"), "{}", probed.error());
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn invalid_ca_bundle_is_reported() {
    let server = server();
    for content in ["", "no certificates here"] {
        let sandbox = Sandbox::new();
        let path = sandbox.write("authority.pem", content);
        let provider = json!({"type": "http", "url": server.url("/p"), "verify_tls": path});
        sandbox.experiment(&probe(&provider), NONE).exits(3).reports("authority.pem");
        let finished = sandbox.experiment(&probe(&provider), ["--no-validation"]);
        super::Probed { finished, journal: sandbox.journal() }.aborts("authority.pem");
    }
}

/// Each way to trust a certificate, with the variables and keys that it needs.
const TRUSTED_BY: [&str; 4] = ["verify_tls", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"];

#[test]
fn certificate_that_is_trusted_itself_is_accepted() {
    use ServerCertificate::{ClientOnly, Expired, OtherName, SelfSigned, SelfSignedAuthority, TrustedLeaf};
    let check = |kind: ServerCertificate, way: &str, expected: Option<&str>| {
        let server = TlsServer::start_with(kind, |_| Response::new(200, "text/plain", "in secret"));
        let sandbox = Sandbox::new();
        let path = sandbox.write("trusted.pem", server.authority()).display().to_string();
        let (sandbox, keys) = match way {
            "verify_tls" => (sandbox, json!({"verify_tls": path})),
            variable => (sandbox.env(variable, path), json!({})),
        };
        let probed = probed(&sandbox, &server, &keys);
        match expected {
            None => {
                assert_eq!(
                    probed.output()["body"],
                    "in secret",
                    "{kind:?} {way}: {}",
                    probed.finished.stderr
                );
            }
            Some(reason) => {
                assert!(probed.error().contains(reason), "{kind:?} {way}: {}", probed.error());
                assert_eq!(server.requests().len(), 0);
            }
        }
    };
    for way in TRUSTED_BY {
        check(SelfSigned, way, None);
        check(SelfSignedAuthority, way, None);
        check(TrustedLeaf, way, None);
        check(Expired, way, Some("certificate expired"));
        check(OtherName, way, Some("not valid for name"));
        check(ClientOnly, way, Some("InvalidPurpose"));
    }
}

#[test]
fn authority_as_server_certificate_is_not_trusted_by_itself() {
    let server = TlsServer::start_with(ServerCertificate::SelfSignedAuthority, |_| {
        Response::new(200, "text/plain", "in secret")
    });
    let probed = probed(&distrustful(), &server, &json!({}));
    assert!(probed.error().contains("invalid peer certificate: UnknownIssuer"), "{}", probed.error());
}

#[test]
fn verify_tls_null_verifies() {
    let server = server();
    let probed = probed(&distrustful(), &server, &json!({"verify_tls": null}));
    assert!(probed.error().contains("UnknownIssuer"), "{}", probed.error());
}
