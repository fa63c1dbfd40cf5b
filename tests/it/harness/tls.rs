//! An HTTPS server for tests. Its certificate is signed by its own authority, which is trusted only if
//! configured.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Sandbox;
use super::server::{Request, Response, read};

/// Kind of a server certificate. All but the first are trusted themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCertificate {
    /// Signed by an authority.
    Signed,
    SelfSigned,
    /// Self-signed as an authority, the default of `openssl req -x509`.
    SelfSignedAuthority,
    /// Signed by an authority that is not trusted.
    TrustedLeaf,
    Expired,
    /// For another address.
    OtherName,
    /// An authority for the certificates of clients.
    ClientOnly,
    /// Without a subject alternative name.
    NameOnly,
}

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
        Self::start_with(ServerCertificate::Signed, answer)
    }

    /// Starts a server with another certificate.
    pub fn start_with(
        kind: ServerCertificate,
        answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let (config, authority) = kind.certified();
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

    /// The certificate that a client must trust, as PEM: that of its authority, or its own.
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
pub fn distrustful() -> Sandbox {
    let sandbox = Sandbox::new();
    let (stranger, _) = authority();
    let path = sandbox.write("stranger.pem", stranger);
    sandbox.env("SSL_CERT_FILE", path.display().to_string())
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

impl ServerCertificate {
    pub const ALL: [Self; 8] = [
        Self::Signed,
        Self::SelfSigned,
        Self::SelfSignedAuthority,
        Self::TrustedLeaf,
        Self::Expired,
        Self::OtherName,
        Self::ClientOnly,
        Self::NameOnly,
    ];

    /// The configuration of a server, and the certificate to trust as PEM.
    pub(super) fn certified(self) -> (ServerConfig, String) {
        let (authority, issuer) = authority();
        let key = KeyPair::generate().expect("a key");
        let names = match self {
            Self::OtherName => vec!["192.0.2.1".to_owned()],
            Self::NameOnly => Vec::new(),
            _ => vec!["127.0.0.1".to_owned()],
        };
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        match self {
            Self::SelfSignedAuthority | Self::ClientOnly => {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            Self::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            _ => {}
        }
        if self == Self::ClientOnly {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        let certificate = match self {
            Self::Signed | Self::TrustedLeaf => params.signed_by(&key, &issuer),
            _ => params.self_signed(&key),
        };
        let certificate = certificate.expect("a certificate");
        let trusted = if self == Self::Signed { authority } else { certificate.pem() };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        (config, trusted)
    }
}
