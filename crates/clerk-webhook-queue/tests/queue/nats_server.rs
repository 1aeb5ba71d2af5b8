//! NATS servers for the tests.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream;
use clerk_webhook_queue::NatsQueue;
use clerk_webhook_store::Owner;
use futures_util::TryStreamExt as _;

/// The body limit that Debian's server allows, with a `max_payload` of 1 MiB.
pub(crate) const BODY_LIMIT: usize = 512 * 1024;

/// Returns the URL of a server, or `None` if `TEST_NATS_URL` is not set. If `CI` is set, it panics instead.
pub(crate) fn url(needed_by: &str) -> Option<String> {
    let found = std::env::var("TEST_NATS_URL").ok().filter(|url| !url.is_empty());
    if found.is_none() {
        skip(&format!(
            "{needed_by} needs a NATS server: start one and set TEST_NATS_URL=nats://127.0.0.1:4222"
        ));
    }
    found
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skip(text: &str) {
    assert!(std::env::var_os("CI").is_none(), "{text}");
    eprintln!("skipped: {text}");
}

/// The names of a test on a shared server. [`delete`](Self::delete) deletes its streams.
pub(crate) struct Names {
    pub(crate) url: String,
    pub(crate) prefix: String,
}

impl Names {
    pub(crate) fn new(url: String) -> Self {
        Self { url, prefix: format!("test-{}", Owner::random()) }
    }

    /// Returns a queue with a separate connection and an existing stream.
    pub(crate) async fn queue(&self) -> NatsQueue {
        let queue = self.unmigrated().await;
        queue.migrate().await.unwrap();
        queue
    }

    pub(crate) async fn unmigrated(&self) -> NatsQueue {
        let queue = NatsQueue::connect(&self.url).await.unwrap();
        queue.prefix(&self.prefix).unwrap().body_limit(BODY_LIMIT)
    }

    pub(crate) async fn delete(&self) {
        let context = jetstream::new(async_nats::connect(&self.url).await.unwrap());
        let names: Vec<String> = context.stream_names().try_collect().await.unwrap();
        for name in names.iter().filter(|name| name.starts_with(&self.prefix)) {
            context.delete_stream(name).await.unwrap();
        }
    }
}

/// A server that the test may kill and start again with the same files.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// Starts a server on a free port, or returns `None` if `nats-server` is not installed.
    pub(crate) fn start(needed_by: &str, settings: &str) -> Option<Self> {
        let program = Command::new("nats-server").arg("--version").stdout(Stdio::null()).status();
        if !program.is_ok_and(|status| status.success()) {
            skip(&format!("{needed_by} needs nats-server; install Debian's nats-server"));
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("clerk-webhook-queue-nats-{}", Owner::random()));
        std::fs::create_dir(&folder).unwrap();
        let store = folder.join("store");
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{settings}\n",
            store.display()
        );
        std::fs::write(folder.join("conf"), text).unwrap();
        let child = run(&folder);
        Some(Self { child, folder, port })
    }

    /// Starts three servers that form a cluster.
    pub(crate) fn cluster(needed_by: &str) -> Option<[Self; 3]> {
        let ports = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = ports.map(|port| port.local_addr().unwrap().port());
        let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(",");
        let mut servers = ports.iter().map_while(|port| {
            let cluster = format!("cluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}");
            Self::start(needed_by, &format!("server_name: n{port}\n{cluster}"))
        });
        Some([servers.next()?, servers.next()?, servers.next()?])
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        // The signal is SIGKILL.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = run(&self.folder);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts the program, and returns when it is ready.
fn run(folder: &std::path::Path) -> Child {
    let mut command = Command::new("nats-server");
    let mut child = command.arg("-c").arg(folder.join("conf")).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("Server is ready")), "the server did not start");
    // The server must not be stopped by a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

/// Returns a queue whose server does not exist.
pub(crate) async fn unreachable() -> NatsQueue {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let client = options.connect(format!("nats://127.0.0.1:{port}")).await.unwrap();
    NatsQueue::new(client).timeout(Duration::from_millis(200))
}
