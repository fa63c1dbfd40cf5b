//! An HTTPS server for tests. Its certificate is signed by its own authority, which is trusted only if
//! configured.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Chaos;
use super::server::{Request, Response, read};

/// A server with a certificate for 127.0.0.1 that stops when it is dropped.
pub struct TlsServer {
    port: u16,
    authority: String,
    requests: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
}

impl TlsServer {
    /// Starts a server that returns the responses of a function.
    pub fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let (config, authority) = certified();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (kept, ends) = (Arc::clone(&requests), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut stream = StreamOwned::new(connection, stream);
                // a client that does not trust the certificate sends no request
                let Some(request) = read(&mut stream) else { continue };
                kept.lock().expect("requests").push(request.clone());
                let response = answer(&request);
                drop(stream.write_all(&response.0));
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        });
        Self { port, authority, requests, over }
    }

    /// A URL on this server.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// The certificate of its authority as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The requests in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("requests").clone()
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// A sandbox that trusts no certificate authority of the tests.
pub fn distrustful() -> Chaos {
    let chaos = Chaos::new();
    let (stranger, _) = authority();
    let path = chaos.write("stranger.pem", stranger);
    chaos.env("SSL_CERT_FILE", path.display().to_string())
}

/// A new certificate authority as PEM, and its signing key.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).expect("an authority");
    (certificate.pem(), Issuer::new(params, key))
}

/// A certificate and that of the authority that signed it.
fn certified() -> (ServerConfig, String) {
    let (authority, issuer) = authority();
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .and_then(|params| params.signed_by(&key, &issuer))
        .expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    (config, authority)
}
