//! Every acknowledged message is handled or becomes a visible dead letter, although the mail service fails
//! half of the time.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use clerk_webhook::queue::{JobQueue as _, QueueStats, SqliteQueue};
use clerk_webhook_tests::process::{Receiver, eventually};
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::sender::{End, Message, Pace, Sender};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-queue");
const MESSAGES: usize = 60;

/// The number of the message that the mail service always rejects, and of the one for which it always fails.
const REJECTED: usize = 7;
const BROKEN: usize = 13;

#[test]
fn every_acknowledged_message_ends_in_one_process() {
    let (mail, database) = (MailService::start(), Database::new("one"));
    let example = Receiver::start(&mut program(&database, &mail));
    deliver_all(&example);
    check(&database, &mail);
    #[cfg(unix)]
    {
        example.terminate();
        assert!(example.wait().success());
    }
}

#[test]
fn every_acknowledged_message_ends_in_two_processes() {
    let (mail, database) = (MailService::start(), Database::new("two"));
    let server = Receiver::start(program(&database, &mail).arg("--server"));
    deliver_all(&server);
    assert_eq!(database.stats().ready, u64::try_from(MESSAGES).unwrap(), "no worker runs");
    let worker = Worker::start(&database, &mail);
    eventually("the first email", || (!mail.sent().is_empty()).then_some(()));
    #[cfg(unix)]
    worker.terminate();
    #[cfg(not(unix))]
    drop(worker);
    let _worker = Worker::start(&database, &mail);
    check(&database, &mail);
}

#[test]
fn reports_a_missing_secret_in_one_line() {
    let (mail, database) = (MailService::start(), Database::new("secret"));
    let mut program = program(&database, &mail);
    let output = program.env_remove("CLERK_WEBHOOK_SIGNING_SECRET").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("Error: CLERK_WEBHOOK_SIGNING_SECRET is not set."), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

fn program(database: &Database, mail: &MailService) -> Command {
    let mut program = Command::new(PROGRAM);
    program.env("DATABASE", &database.path).env("MAIL_URL", &mail.url);
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

fn check(database: &Database, mail: &MailService) {
    eventually("the end of all jobs", || {
        let stats = database.stats();
        (stats.ready + stats.running == 0).then_some(())
    });
    let (sent, dead) = (mail.sent(), database.dead_letters());
    for number in 0..MESSAGES {
        let id = message(number).id.to_string();
        assert!(sent.contains(&id) != dead.contains(&id), "{id}: {sent:?} {dead:?}");
    }
    assert!(
        [REJECTED, BROKEN].map(|number| message(number).id.to_string()).iter().all(|id| dead.contains(id))
    );
}

fn message(number: usize) -> Message {
    let body = format!(r#"{{"data":{{"id":"user_{number}"}},"type":"user.created"}}"#);
    Message { id: format!("msg_{number}").parse().unwrap(), body: body.into_bytes() }
}

/// The file with the example's queue, which the test opens too.
struct Database {
    path: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Database {
    fn new(name: &str) -> Self {
        let file = format!("queue-{}-{name}.db", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        assert!(!path.exists());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { path, runtime }
    }

    fn stats(&self) -> QueueStats {
        self.runtime.block_on(async { self.open().await.stats().await.unwrap() })
    }

    fn dead_letters(&self) -> BTreeSet<String> {
        let letters = self.runtime.block_on(async { self.open().await.dead_letters(1000).await.unwrap() });
        for letter in &letters {
            let error = letter.last_error.as_deref().unwrap();
            assert!(error.starts_with("the mail service "), "{error}");
            assert_eq!(letter.event().unwrap().event_type(), "user.created");
        }
        letters.into_iter().map(|letter| letter.message_id.to_string()).collect()
    }

    async fn open(&self) -> SqliteQueue {
        SqliteQueue::open(&self.path).await.unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.path.display()));
        }
    }
}

/// A running worker. Dropping it kills the process.
struct Worker(Child);

impl Worker {
    fn start(database: &Database, mail: &MailService) -> Self {
        let mut program = program(database, mail);
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

/// A mail service that fails half of the time, and remembers the idempotency keys of the emails that it sent.
struct MailService {
    url: String,
    sent: Arc<Mutex<BTreeSet<String>>>,
}

impl MailService {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mails", listener.local_addr().unwrap());
        let sent = Arc::<Mutex<BTreeSet<String>>>::default();
        let (random, mails) = (Arc::new(Mutex::new(Random::new(Random::seed()))), Arc::clone(&sent));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (random, mails) = (Arc::clone(&random), Arc::clone(&mails));
                thread::spawn(move || serve(&stream, &random, &mails));
            }
        });
        Self { url, sent }
    }

    fn sent(&self) -> BTreeSet<String> {
        self.sent.lock().unwrap().clone()
    }
}

/// Responds to the requests on a connection until the client closes it.
fn serve(stream: &TcpStream, random: &Mutex<Random>, sent: &Mutex<BTreeSet<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("idempotency-key") => key = value.to_owned(),
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap();
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let status = match key {
            key if key == message(REJECTED).id.as_str() => "422 Unprocessable Content",
            key if key == message(BROKEN).id.as_str() => "500 Internal Server Error",
            _ if random.lock().unwrap().below(2) == 0 => "503 Service Unavailable",
            key => {
                sent.lock().unwrap().insert(key);
                "200 OK"
            }
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let mut stream = stream;
        stream.write_all(answer.as_bytes()).ok()?;
    }
}
