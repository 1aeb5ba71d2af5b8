//! The command as a process, and servers for it to talk to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::Value;

pub(crate) const SECRET: &str = clerk_webhook_test::SECRET;

/// Runs the command with a secret in its environment.
pub(crate) fn run(args: &[&str]) -> Run {
    run_with(args, Some(SECRET), b"")
}

/// Runs the command, and writes to its standard input.
pub(crate) fn run_with(args: &[&str], secret: Option<&str>, input: &[u8]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clerk-webhook"));
    command.args(args).env_remove("CLERK_WEBHOOK_SECRET").env_remove("CLERK_WEBHOOK_SIGNING_SECRET");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(secret) = secret {
        command.env("CLERK_WEBHOOK_SIGNING_SECRET", secret);
    }
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input);
    Run(child.wait_with_output().unwrap())
}

/// What the command did.
#[derive(Debug)]
pub(crate) struct Run(Output);

impl Run {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Returns the objects of `--json`.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A request as it was on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the headers as the verifier takes them.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        self.headers.clone()
    }
}

/// A server that answers as it is told to, and remembers what it got.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Receiver<Request>,
}

impl Server {
    /// Answers each request with what the function returns: a whole response of HTTP/1.1.
    pub(crate) fn new(answer: impl Fn(&Request) -> String + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        // It ends with the test.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, sender) = (answer.clone(), sender.clone());
                thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        let answer = answer(&request);
                        // First this, so that it is there when whoever sent it has ended.
                        let _ = sender.send(request);
                        let _ = (&stream).write_all(answer.as_bytes());
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/webhooks/clerk", self.address)
    }

    /// Returns all requests that were answered so far.
    pub(crate) fn taken(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

/// Writes a response with these headers and this body.
pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Returns a port of this machine on which nobody listens.
pub(crate) fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let request = Request { line: line.trim_end().to_owned(), headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { body, ..request })
}

/// A receiver made with this project's own adapter for Axum, which counts what its handler gets.
pub(crate) mod receiver {
    use std::net::SocketAddr;
    use std::sync::mpsc::{self, Receiver};
    use std::thread;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::post;
    use clerk_webhook_axum::ClerkEvent;
    use clerk_webhook_core::{Event, Verifier};
    use tokio::net::TcpListener;

    /// Starts it, and returns where it listens and the events that are verified.
    pub(crate) fn start() -> (SocketAddr, Receiver<Event>) {
        let (sender, events) = mpsc::channel();
        let (ready, address) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let handler = move |ClerkEvent(event): ClerkEvent| {
                    let sender = sender.clone();
                    async move {
                        let _ = sender.send(event);
                        StatusCode::OK
                    }
                };
                let app = Router::new()
                    .route("/webhooks/clerk", post(handler))
                    .with_state(Verifier::new(super::SECRET).unwrap());
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        (address.recv().unwrap(), events)
    }
}
