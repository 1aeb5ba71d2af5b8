//! Signals that end the server.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clerk_webhook_test::{Delivery, ObjectKind, fixture};

use super::sweeps::{clerk, history};
use super::{Database, PATH, Server, deliver_to};
use crate::support::PATIENCE;
use crate::support::clerk::Reaction;

/// Sends deliveries until the server no longer answers. Adds the users whose events were acknowledged.
fn load(address: SocketAddr, next: &AtomicUsize, acknowledged: &Mutex<BTreeSet<String>>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (id, user) = (format!("msg_{number}"), format!("user_{number}"));
        let delivery = Delivery::of(fixture::user_created()).id(&id).set("/data/id", user.clone());
        match deliver_to(address, &delivery) {
            Some(answer) if answer.status == 200 => drop(acknowledged.lock().unwrap().insert(user)),
            Some(answer) => assert!(matches!(answer.status, 409 | 503), "{answer:?}"),
            None => return,
        }
    }
}

async fn loses_nothing_that_is_acknowledged(database: Database) {
    let mut server = database.serve();
    let (next, acknowledged) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(BTreeSet::new())));
    let senders = [(); 8].map(|()| {
        let (address, next, acknowledged) = (server.public, Arc::clone(&next), Arc::clone(&acknowledged));
        std::thread::spawn(move || load(address, &next, &acknowledged))
    });
    while acknowledged.lock().unwrap().len() < 200 {
        std::thread::yield_now();
    }
    server.signal("TERM");
    for sender in senders {
        sender.join().unwrap();
    }
    server.line("shut down");
    assert_eq!(server.ended().code(), Some(0));
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert!(acknowledged.len() >= 200);
    let list = acknowledged.iter().map(|user| format!("'{user}'")).collect::<Vec<_>>().join(",");
    let stored = database.count("users", &format!("id IN ({list})")).await;
    assert_eq!(usize::try_from(stored).unwrap(), acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_that_is_acknowledged_with_sqlite() {
    loses_nothing_that_is_acknowledged(Database::sqlite("load")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_nothing_that_is_acknowledged_with_postgres() {
    let Some(database) = Database::postgres("load").await else { return };
    loses_nothing_that_is_acknowledged(database).await;
}

/// A delivery whose last byte has not been sent yet.
struct Unfinished(TcpStream, u8);

impl Unfinished {
    fn send(server: &Server, delivery: &Delivery) -> Self {
        let body = delivery.body();
        let mut request = format!("POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in delivery.headers() {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(server.public).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // The server asks for the body, so it has read the headers.
        let (last, begin) = body.split_last().unwrap();
        stream.write_all(b"expect: 100-continue\r\n\r\n").unwrap();
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 100 Continue"));
        stream.write_all(begin).unwrap();
        Self(stream, *last)
    }

    fn finish(mut self) -> String {
        self.0.write_all(&[self.1]).unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn answers_the_delivery_in_flight_before_it_ends() {
    let database = Database::sqlite("in-flight");
    let mut server = database.serve();
    let unfinished = Unfinished::send(&server, &Delivery::of(fixture::user_created()));
    server.signal("TERM");
    // The socket is closed, but the delivery in flight can complete.
    while TcpStream::connect(server.public).is_ok() {
        std::thread::yield_now();
    }
    let answer = unfinished.finish();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("processed"), "{answer}");
    server.line("shut down");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn is_unready_and_accepts_deliveries_while_it_drains() {
    let database = Database::sqlite("drain");
    let mut command = database.command();
    let mut server = Server::start(command.env("CLERK_WEBHOOK_DRAIN", "3s"));
    assert_eq!(server.admin("/readyz", "").status, 200);
    server.signal("TERM");
    server.line("draining");
    let unready = server.admin("/readyz", "");
    let checks = unready.json()["checks"].clone();
    assert_eq!(
        (unready.status, &checks[4]["name"], &checks[4]["ok"]),
        (503, &"shutdown".into(), &false.into())
    );
    assert_eq!(server.public("GET /readyz HTTP/1.1\r\nhost: a\r\n").status, 503);
    assert_eq!(server.public("GET /livez HTTP/1.1\r\nhost: a\r\n").status, 200);
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
    server.line("shut down");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let database = Database::sqlite("second");
    let mut server = database.serve();
    let _unfinished = Unfinished::send(&server, &Delivery::of(fixture::user_created()));
    server.signal("INT");
    server.line("shutting down");
    server.signal("TERM");
    server.line("a second signal ended the process");
    assert_eq!(server.ended().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_stops_and_frees_its_lease() {
    let database = Database::sqlite("lease");
    let clerk = clerk(&history(600)).await;
    clerk.set_rule(|path, _| {
        (path.contains("/users") && path.contains("starting_after")).then_some(Reaction::Hang)
    });
    let mut server = Server::start(&mut database.command_with(&clerk.url));
    clerk.hanging().await;
    server.signal("TERM");
    server.line("sweep stopped");
    server.line("shut down");
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(database.count("sync_state", "name = 'lease'").await, 0);
    let imported = database.count("users", "true").await;
    clerk.remove_rule();

    // The next start continues after the last page.
    let server = Server::start(&mut database.command_with(&clerk.url));
    let line = server.line("sweep finished");
    let users = clerk.fake.objects(ObjectKind::User).len() as i64;
    assert!(imported > 0 && imported < users, "{imported}");
    assert_eq!(line["inserted"], users - imported, "{line}");
}
