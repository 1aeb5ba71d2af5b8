//! Endpoints, and the command that sends to them.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use clerk_webhook_test::SECRET;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// An endpoint in this process, which ends with it.
pub(crate) struct Server {
    pub(crate) url: String,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(router: Router) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/webhooks/clerk", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, _runtime: runtime }
    }

    /// Starts an endpoint that answers each request by a function of its headers and body.
    pub(crate) fn answering<A: IntoResponse>(
        answer: impl Fn(HeaderMap, Bytes) -> A + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start(Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let answer = answer(headers, body).into_response();
            async move { answer }
        }))
    }
}

/// Starts `clerk-webhook scenario` with these arguments, separated by blanks.
pub(crate) fn start(arguments: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_clerk-webhook"))
        .env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)
        .arg("scenario")
        .args(arguments.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs it to its end.
pub(crate) fn scenario(arguments: &str) -> Output {
    start(arguments).wait_with_output().unwrap()
}

/// Runs it where nobody reads what it prints, and returns the exit code.
pub(crate) fn unread(arguments: &str) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_clerk-webhook"));
    command.env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET).args(arguments.split_whitespace());
    command.stdout(writer).stderr(Stdio::null()).status().unwrap().code()
}

/// Runs it with `--json`, and returns the exit code and all objects.
pub(crate) fn objects(arguments: &str) -> (i32, Vec<Value>) {
    let output = scenario(&format!("--json {arguments}"));
    let lines = String::from_utf8(output.stdout).unwrap();
    let objects = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), objects)
}

/// Runs it with `--json`, and returns the exit code and the last object.
pub(crate) fn summary(arguments: &str) -> (i32, Value) {
    let (code, mut objects) = objects(arguments);
    (code, objects.pop().unwrap())
}

/// Returns the id of the message that these headers belong to.
pub(crate) fn message_id(headers: &HeaderMap) -> String {
    headers["svix-id"].to_str().unwrap().to_owned()
}

/// Reads a request whose length is given, and returns all of it.
pub(crate) fn read_request(stream: &mut impl Read) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).unwrap();
        request.extend_from_slice(&chunk[..length]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if request.len() == end + 4 + length.parse::<usize>().unwrap() {
            return request;
        }
    }
}
