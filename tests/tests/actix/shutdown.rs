//! Each Actix worker has its own runtime. A handler that must outlive the worker runs on a different runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use clerk_webhook_actix::{ClerkAnswer, ClerkEvent};
use clerk_webhook_core::Handled;
use clerk_webhook_store::{Deduplicator, MemoryStore};
use clerk_webhook_tests::request::{BODY, PATH, verifier};
use clerk_webhook_tests::sign;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// More time than any step of the test needs.
const LONG: Duration = Duration::from_secs(60);

/// The signals of a handler that waits for the test.
#[derive(Clone, Default)]
struct Work {
    began: Arc<Notify>,
    go_on: Arc<Notify>,
    is_done: Arc<AtomicBool>,
}

async fn webhook(
    deduplicator: web::Data<Deduplicator<MemoryStore>>,
    work: web::Data<Work>,
    ClerkEvent(event): ClerkEvent,
) -> ClerkAnswer {
    let work = Work::clone(&work);
    let handler = async move |_, _| {
        work.began.notify_one();
        work.go_on.notified().await;
        work.is_done.store(true, Ordering::SeqCst);
        Ok(Handled::Processed)
    };
    ClerkAnswer(deduplicator.run(event, handler).await)
}

#[actix_web::test]
async fn a_handler_outlives_the_worker_that_started_it() {
    let deduplicator = Deduplicator::new(MemoryStore::new()).runtime(Handle::current());
    let work = Work::default();
    let (shared, of_workers) = (deduplicator.clone(), work.clone());
    let server = HttpServer::new(move || {
        let app = App::new().app_data(verifier()).app_data(web::Data::new(shared.clone()));
        app.app_data(web::Data::new(of_workers.clone())).route(PATH, web::post().to(webhook))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);

    let mut connection = TcpStream::connect(address).await.unwrap();
    let mut request = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", BODY.len());
    for (name, value) in sign(BODY.as_bytes()).to_pairs() {
        request += &format!("{name}: {value}\r\n");
    }
    connection.write_all(format!("{request}\r\n{BODY}").as_bytes()).await.unwrap();
    work.began.notified().await;
    // A forced stop, as on Ctrl-C: when the server has stopped, the worker no longer exists.
    handle.stop(false).await;
    serving.await.unwrap().unwrap();

    assert_eq!(deduplicator.in_flight(), 1);
    work.go_on.notify_one();
    assert_eq!(deduplicator.shutdown(LONG).await, 0);
    assert!(work.is_done.load(Ordering::SeqCst));
}
