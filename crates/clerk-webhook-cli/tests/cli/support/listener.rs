//! A running `clerk-webhook listen`, and requests to it.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use clerk_webhook_test::Delivery;

use super::PATIENCE;
use super::process::{SECRET, command, send_signal};

/// A listener process on a free port. It is killed on drop.
pub(crate) struct Listener {
    process: Child,
    port: u16,
    token: String,
    output: Receiver<String>,
    errors: Receiver<String>,
}

impl Listener {
    /// Starts a listener with a secret, and waits until it prints its address.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(command().env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET), arguments)
    }

    /// Starts a listener with a command's environment.
    pub(crate) fn start_with(command: &mut Command, arguments: &[&str]) -> Self {
        let mut process = command
            .arg("listen")
            .args(if arguments.contains(&"--port") { &[] } else { ["--port", "0"].as_slice() })
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let output = lines(process.stdout.take().expect("the stream is piped"));
        let errors = lines(process.stderr.take().expect("the stream is piped"));
        let mut listener = Self { process, port: 0, token: String::new(), output, errors };
        let is_json = arguments.contains(&"--json");
        let page = loop {
            let line = if is_json { listener.error() } else { listener.line() };
            if let Some(page) = line.strip_prefix("page      http://127.0.0.1:") {
                break page.to_owned();
            }
        };
        let (port, token) = page.split_once("/_clerk/?token=").expect("a token");
        listener.port = port.parse().expect("a port");
        listener.token = token.to_owned();
        if !is_json {
            while !listener.line().contains("Ctrl-C") {}
            assert_eq!(listener.line(), "");
        }
        listener
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Waits for the next line of standard output.
    pub(crate) fn line(&self) -> String {
        self.output.recv_timeout(PATIENCE).expect("another line of output")
    }

    /// Waits for the next line of standard output. Returns `None` if the process ended.
    pub(crate) fn try_line(&self) -> Option<String> {
        self.output.recv_timeout(PATIENCE).ok()
    }

    /// Waits for the next line of standard error.
    pub(crate) fn error(&self) -> String {
        self.errors.recv_timeout(PATIENCE).expect("another line of standard error")
    }

    /// Waits for the next line of standard error. Returns `None` if the process ended.
    pub(crate) fn try_error(&self) -> Option<String> {
        self.errors.recv_timeout(PATIENCE).ok()
    }

    /// Waits for the next line of JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub(crate) fn deliver(&self, delivery: &Delivery) -> Answer {
        self.post("/webhooks/clerk", &delivery.headers(), &delivery.body())
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, String)], body: &[u8]) -> Answer {
        let mut request =
            format!("POST {path} HTTP/1.1\r\nhost: example.com\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("connection: close\r\n\r\n");
        self.send(&[request.as_bytes(), body].concat())
    }

    /// Sends a delivery without waiting for the response.
    pub(crate) fn begin(&self, delivery: &Delivery) -> TcpStream {
        let body = delivery.body();
        let mut request = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in delivery.headers() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.port)).expect("the listener accepts connections");
        stream.write_all(&[request.as_bytes(), b"\r\n", &body].concat()).expect("the listener reads");
        stream
    }

    /// Sends a GET request, such as a browser sends for the page.
    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        self.send(request.as_bytes())
    }

    /// Subscribes to the deliveries like the page.
    pub(crate) fn follow(&self, headers: &str) -> Follower {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.port)).expect("the listener accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let request = format!("GET /_clerk/follow HTTP/1.1\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("the listener reads");
        Follower(BufReader::new(stream))
    }

    /// Returns the `Host` header of a browser on this machine.
    pub(crate) fn host(&self) -> String {
        format!("host: 127.0.0.1:{}\r\n", self.port)
    }

    /// Returns the `Cookie` header of a browser that has opened the page.
    pub(crate) fn cookie(&self) -> String {
        format!("cookie: a=b; clerk-webhook-page-{}={}\r\n", self.port, self.token)
    }

    /// Returns the printed path that opens the page.
    pub(crate) fn entrance(&self) -> String {
        format!("/_clerk/?token={}", self.token)
    }

    /// Sends bytes, and reads the response until the connection closes.
    pub(crate) fn send(&self, request: &[u8]) -> Answer {
        Answer::to(request, ("127.0.0.1", self.port))
    }

    /// Sends a signal to the process, and waits until it ends.
    #[cfg(unix)]
    pub(crate) fn terminate(&mut self, signal: &str) -> ExitStatus {
        send_signal(signal, self.process.id());
        self.process.wait().expect("the process is a child")
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the lines of a pipe on a separate thread.
pub(crate) fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        // Always drain the pipe, so that the process never blocks on a full one.
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// A connection on which the listener sends new deliveries.
pub(crate) struct Follower(BufReader<TcpStream>);

impl Follower {
    /// Waits for the next line. Returns `None` at the end of the response.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line or the end");
        // The last chunk has no bytes, and the connection stays for another request.
        (!line.is_empty() && line != "0\r\n").then_some(line)
    }
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Sends bytes to a server, and reads the response until the connection closes.
    pub(crate) fn to(request: &[u8], address: impl ToSocketAddrs) -> Self {
        let mut stream = TcpStream::connect(address).expect("the server accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.write_all(request).expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server responds");
        Self::parse(&answer)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self { status: status.unwrap_or_default(), head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
