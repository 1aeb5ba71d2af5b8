//! Minimal HTTP servers with prepared responses, implemented without a library.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use clerk_webhook_tests::servers::free_port;

use super::PATIENCE;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The complete request as it was on the wire.
    pub(crate) bytes: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the headers as pairs that the verifier accepts.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        self.headers.clone()
    }
}

/// A server with prepared responses that stores the requests.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Receiver<Request>,
}

impl Server {
    /// Starts a server that sends for each request the complete HTTP/1.1 response that the function
    /// returns.
    pub(crate) fn new(answer: impl Fn(&Request) -> String + Clone + Send + 'static) -> Self {
        Self::start(move |request| Some(answer(request)))
    }

    /// Starts a server that sends this response for each request.
    pub(crate) fn always(response: &'static str) -> Self {
        Self::new(move |_| response.to_owned())
    }

    /// Starts a server that sends no response and keeps every connection open.
    pub(crate) fn silent() -> Self {
        Self::start(|_| None)
    }

    fn start(answer: impl Fn(&Request) -> Option<String> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        // The thread ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, sender) = (answer.clone(), sender.clone());
                thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        let answer = answer(&request);
                        // Stored before the response is sent, so that it is available when the sender ends.
                        let _ = sender.send(request);
                        match answer {
                            Some(answer) => drop((&stream).write_all(answer.as_bytes())),
                            None => std::mem::forget(stream),
                        }
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/webhooks/clerk", self.address)
    }

    /// Waits for the next request.
    pub(crate) fn request(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("another request")
    }

    /// Returns the requests received since the last call.
    pub(crate) fn taken(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

/// Formats a response with these headers and this body.
pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Returns an address of this machine on which no process listens.
pub(crate) fn closed_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Reads a request with a `Content-Length`. Returns `None` if the connection ends early or uses another
/// protocol.
pub(crate) fn read(mut stream: &TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let (line, fields) = head.split_once("\r\n").unwrap_or((&head, ""));
            let fields = fields.lines().filter_map(|field| field.split_once(':'));
            let headers =
                fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
            let mut request = Request { line: line.to_owned(), headers, body: Vec::new(), bytes: Vec::new() };
            let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            if let Some(body) = bytes.get(end + 4..end + 4 + length) {
                request.body = body.to_vec();
                request.bytes = bytes;
                return Some(request);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
        // For example, a TLS client waits for a TLS response.
        if !bytes[0].is_ascii_uppercase() {
            return None;
        }
    }
}
