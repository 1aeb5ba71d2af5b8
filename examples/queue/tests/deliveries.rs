//! Every acknowledged message is handled or becomes a visible dead letter, although the services that the
//! handlers call fail half of the time.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use clerk_webhook::queue::{DeadLetter, JobQueue, NatsQueue, PostgresQueue, QueueStats, SqliteQueue};
use clerk_webhook_tests::process::{Receiver, eventually};
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::sender::{End, Message, Pace, Sender};
use clerk_webhook_tests::servers;

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-queue");
const MESSAGES: usize = 60;

/// The number of the message whose email is always rejected, and of the one whose email always fails.
const REJECTED: usize = 6;
const BROKEN: usize = 12;

#[test]
fn every_message_ends_in_one_process() {
    every_message_ends(&Queue::sqlite("one"));
}

#[test]
fn every_message_ends_with_nats() {
    let Some(queue) = Queue::nats() else { return };
    every_message_ends(&queue);
}

#[test]
fn every_message_ends_with_postgres() {
    let Some(queue) = Queue::postgres() else { return };
    every_message_ends(&queue);
}

#[test]
fn every_message_ends_in_two_processes() {
    let (services, queue) = (Services::start(), Queue::sqlite("two"));
    let server = Receiver::start(program(&queue, &services).arg("--server"));
    deliver_all(&server);
    assert_eq!(queue.open().stats().ready, u64::try_from(MESSAGES).unwrap(), "no worker runs");
    let worker = Worker::start(&queue, &services);
    eventually("the first call", || (!services.called().is_empty()).then_some(()));
    #[cfg(unix)]
    worker.terminate();
    #[cfg(not(unix))]
    drop(worker);
    let _worker = Worker::start(&queue, &services);
    check(&queue, &services);
}

#[test]
fn reports_a_missing_secret_in_one_line() {
    let (services, queue) = (Services::start(), Queue::sqlite("secret"));
    let mut program = program(&queue, &services);
    let output = program.env_remove("CLERK_WEBHOOK_SIGNING_SECRET").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("Error: CLERK_WEBHOOK_SIGNING_SECRET is not set."), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

fn every_message_ends(queue: &Queue) {
    let services = Services::start();
    let example = Receiver::start(&mut program(queue, &services));
    deliver_all(&example);
    check(queue, &services);
    #[cfg(unix)]
    {
        example.terminate();
        assert!(example.wait().success());
    }
}

fn program(queue: &Queue, services: &Services) -> Command {
    let mut program = Command::new(PROGRAM);
    program.env_remove("NATS_URL").env_remove("DATABASE_URL");
    program
        .env(queue.variable, &queue.address)
        .envs(services.variables.iter().map(|(name, url)| (name, url)));
    program.env("FIRST_RETRY_MS", "10").env("MAX_ATTEMPTS", "8");
    program
}

/// Delivers every message twice, as a sender does if it did not receive the first response.
fn deliver_all(example: &Receiver) {
    let messages = (0..MESSAGES).chain(0..MESSAGES).map(message).collect();
    let report = Sender::new([example.url()], Pace::default(), Random::seed()).deliver(messages);
    assert!(report.deliveries.iter().all(|delivery| delivery.end == End::Delivered), "{report}");
    let outcomes = report.outcomes();
    assert_eq!([outcomes["queued"], outcomes["duplicate"]], [MESSAGES, MESSAGES], "{report}");
}

fn check(queue: &Queue, services: &Services) {
    let queue = queue.open();
    eventually("the end of all jobs", || {
        let stats = queue.stats();
        (stats.ready + stats.running == 0).then_some(())
    });
    let dead = queue.dead_letters();
    // The services print what they do before they respond, and a thread reads it.
    eventually("a call or a dead letter for each message", || {
        let called = services.called();
        (0..MESSAGES)
            .map(|number| message(number).id.to_string())
            .all(|id| called.contains(&id) != dead.contains(&id))
            .then_some(())
    });
    for number in [REJECTED, BROKEN] {
        assert!(dead.contains(message(number).id.as_str()), "{dead:?}");
    }
}

/// Every second message is about a user, whose handler sends an email. The others are about an organization.
fn message(number: usize) -> Message {
    let name = match number {
        REJECTED => "rejected",
        BROKEN => "broken",
        _ => "ada",
    };
    let body = if number.is_multiple_of(2) {
        format!(
            r#"{{"data":{{"id":"user_{number}","primary_email_address_id":"idn_1","email_addresses":
            [{{"id":"idn_1","email_address":"{name}@example.com"}}]}},"type":"user.created"}}"#
        )
    } else {
        format!(r#"{{"data":{{"id":"org_{number}","name":"Acme"}},"type":"organization.created"}}"#)
    };
    Message { id: format!("msg_{number}").parse().unwrap(), body: body.into_bytes() }
}

/// The example's queue.
struct Queue {
    /// The variable that names the queue, and its value.
    variable: &'static str,
    address: String,
    _server: Option<Box<dyn Any>>,
}

impl Queue {
    fn sqlite(name: &str) -> Self {
        let file = format!("queue-{}-{name}.db", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        assert!(!path.exists());
        Self { variable: "DATABASE", address: path.to_str().unwrap().to_owned(), _server: None }
    }

    fn nats() -> Option<Self> {
        let server = servers::Nats::start("the example with NATS")?;
        Some(Self { variable: "NATS_URL", address: server.url(), _server: Some(Box::new(server)) })
    }

    fn postgres() -> Option<Self> {
        let server = servers::Postgres::start("the example with Postgres")?;
        Some(Self { variable: "DATABASE_URL", address: server.url(), _server: Some(Box::new(server)) })
    }

    /// Opens the queue, as another process would.
    fn open(&self) -> OpenQueue {
        let address = &self.address;
        match self.variable {
            "NATS_URL" => OpenQueue::new(NatsQueue::connect(address)),
            "DATABASE_URL" => OpenQueue::new(PostgresQueue::connect(address)),
            _ => OpenQueue::new(SqliteQueue::open(address)),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.variable == "DATABASE" {
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{suffix}", self.address));
            }
        }
    }
}

/// Returns the statistics and the dead letters of a queue, whatever its engine is.
struct OpenQueue(Box<dyn Fn() -> (QueueStats, Vec<DeadLetter>)>);

impl OpenQueue {
    fn new<Q: JobQueue, E: Debug>(queue: impl Future<Output = Result<Q, E>>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let queue = runtime.block_on(queue).unwrap();
        Self(Box::new(move || {
            runtime
                .block_on(async { (queue.stats().await.unwrap(), queue.dead_letters(1000).await.unwrap()) })
        }))
    }

    fn stats(&self) -> QueueStats {
        (self.0)().0
    }

    fn dead_letters(&self) -> BTreeSet<String> {
        let letters = (self.0)().1;
        for letter in &letters {
            let error = letter.last_error.as_deref().unwrap();
            assert!(
                error.contains("the chat service") || error.contains("SMTP") || error.contains("5"),
                "{error}"
            );
            assert_eq!(letter.event().unwrap().event_type(), &letter.event_type);
        }
        letters.into_iter().map(|letter| letter.message_id.to_string()).collect()
    }
}

/// A running worker. Dropping it kills the process.
struct Worker(Child);

impl Worker {
    fn start(queue: &Queue, services: &Services) -> Self {
        let mut program = program(queue, services);
        Self(program.arg("--worker").stdout(Stdio::null()).spawn().unwrap())
    }

    #[cfg(unix)]
    fn terminate(mut self) {
        let kill = Command::new("sh").args(["-c", "kill -TERM $0", &self.0.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let status = eventually("the worker's exit", || self.0.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The mail server and the chat service, which fail half of the time.
struct Services {
    process: Child,
    variables: Vec<(String, String)>,
    called: Arc<Mutex<BTreeSet<String>>>,
}

impl Services {
    fn start() -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_services")).stdout(Stdio::piped()).spawn();
        let mut process = program.unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let variables = lines.next().unwrap();
        let variables = variables.split(' ').map(|variable| variable.split_once('=').unwrap());
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let called = Arc::<Mutex<BTreeSet<String>>>::default();
        let ids = Arc::clone(&called);
        thread::spawn(move || {
            for line in lines {
                // The id of the message is between `<` and `>`, or between `<` and `@`.
                let id = line.split(['<', '@', '>']).nth(1).unwrap();
                ids.lock().unwrap().insert(id.to_owned());
            }
        });
        Self { process, variables, called }
    }

    /// Returns the ids of the messages for which a service was called successfully.
    fn called(&self) -> BTreeSet<String> {
        self.called.lock().unwrap().clone()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
