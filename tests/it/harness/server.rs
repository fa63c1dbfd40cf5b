//! A small HTTP/1.1 server for tests, on its own port, that records its requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::tls::ServerCertificate;

/// A request as received.
#[derive(Clone, Debug)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// With its query.
    pub path: String,
    /// In their order, names as sent.
    pub headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
}

impl Request {
    /// The value of a header, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A response, byte for byte.
pub struct Response(pub Vec<u8>);

impl Response {
    /// A status and a body, with its length.
    pub fn new(status: u16, content_type: &str, body: &str) -> Self {
        Self::with(status, &[("Content-Type", content_type)], body)
    }

    /// A status, headers, and a body with its length.
    pub fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("HTTP/1.1 {status} Said\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        Self(text.into_bytes())
    }

    /// A JSON document.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(200, "application/json", &value.to_string())
    }

    /// No bytes: the connection is closed.
    pub fn nothing() -> Self {
        Self(Vec::new())
    }
}

/// A server that stops when it is dropped.
pub struct Server {
    scheme: &'static str,
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server that returns the responses of a function.
    pub fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::serve(answer, false, None)
    }

    /// Starts a server with TLS, whose certificate is not trusted: a client sends its credentials only to such a one.
    pub fn secure(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::serve(answer, false, Some(Arc::new(ServerCertificate::Signed.certified().0)))
    }

    /// Starts a server that keeps every connection open after its response until it stops: the rest of the
    /// response
    /// never comes.
    pub fn holding(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::serve(answer, true, None)
    }

    fn serve(
        answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
        holds: bool,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        let (kept, ends) = (Arc::clone(&requests), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, kept, ends) = (Arc::clone(&answer), Arc::clone(&kept), Arc::clone(&ends));
                let tls = tls.clone();
                std::thread::spawn(move || {
                    let respond = |request: &Request| {
                        kept.lock().expect("requests").push(request.clone());
                        answer(request)
                    };
                    // the client may have closed the connection
                    match tls {
                        None => {
                            let Some(request) = read(&stream) else { return };
                            drop((&stream).write_all(&respond(&request).0));
                        }
                        Some(config) => {
                            let connection = ServerConnection::new(config).expect("a connection");
                            let mut stream = StreamOwned::new(connection, &stream);
                            let Some(request) = read(&mut stream) else { return };
                            drop(stream.write_all(&respond(&request).0));
                            stream.conn.send_close_notify();
                            drop(stream.flush());
                        }
                    }
                    while holds && !ends.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                });
            }
        });
        Self { scheme, address, requests, over }
    }

    /// A URL on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Host and port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The requests in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("requests").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

/// Reads one request; `None` if the client sent none.
pub(super) fn read(stream: impl Read) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: String::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}
