//! The log lines of the worker and of the queues.
//!
//! This target has only one test, because the subscriber applies to the whole process.
#![cfg(all(feature = "sqlite", feature = "tracing"))]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::{Context, Event, Failure, Handlers, Timestamp};
use clerk_webhook_queue::{DeliveryQueue as _, SqliteQueue, Worker};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::time::{sleep, timeout};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines_with(&self, text: &str) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    async fn wait_for(&self, text: &str) -> String {
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(line) = self.lines_with(text).pop() {
                return line;
            }
            assert!(Instant::now() < give_up, "{text}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_dead_letters_expired_events_and_outages_without_payloads() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();

    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let queue = SqliteQueue::new(pool);
    queue.migrate().await.unwrap();
    let data = r#"{"id":"user_1","email_address":"jo@example.com"}"#;
    for (id, event_type) in [
        ("msg_dead", "user.created"),
        ("msg_old", "sms.created"),
        ("msg_1", "session.created"),
        ("msg_2", "session.created"),
    ] {
        let body = format!(r#"{{"data":{data},"type":"{event_type}","timestamp":1700000000000}}"#);
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        assert_eq!(queue.answer(event).await.status(), 200);
    }
    let handle = async |_, _: Context<()>| Err::<(), _>(Failure::abort_message("no such user"));
    let handlers = Handlers::builder().on(UserCreated, handle).build().unwrap();
    let worker = Worker::new(queue, handlers.clone(), ()).start();
    let dead = log.wait_for("dead letter").await;
    for text in ["ERROR", "msg_dead", "user.created", "attempts=1", "no such user"] {
        assert!(dead.contains(text), "{dead}");
    }
    let expired = log.wait_for("expired").await;
    for text in ["WARN", "msg_old", "sms.created"] {
        assert!(expired.contains(text), "{expired}");
    }
    let ignored = log.wait_for("no handler exists").await;
    assert!(ignored.contains("WARN") && ignored.contains("session.created"), "{ignored}");
    let ignored = async {
        while !log.lines_with("msg_").iter().any(|line| line.contains("msg_2") && line.contains("ignored")) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), ignored).await.unwrap();
    assert_eq!(log.lines_with("no handler exists").len(), 1, "one line for each event type");
    worker.shutdown(Duration::from_secs(30)).await;

    // Without `migrate`, every call fails. The worker tries to take a job for the second time after one
    // second.
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    let worker = Worker::new(SqliteQueue::new(pool), handlers, ()).start();
    let outage = log.wait_for("cannot take jobs").await;
    assert!(outage.contains("ERROR") && outage.contains("migrate"), "{outage}");
    sleep(Duration::from_millis(1500)).await;
    worker.shutdown(Duration::from_secs(30)).await;
    assert_eq!(log.lines_with("cannot take jobs").len(), 1);

    // The handler drops the table, so that the end of its job cannot be stored. The worker tries until the lease ends.
    assert_eq!(log.lines_with("can be lost"), [""; 0]);
    let options = SqliteConnectOptions::new().in_memory(true).synchronous(SqliteSynchronous::Normal);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let queue = SqliteQueue::new(pool.clone());
    queue.migrate().await.unwrap();
    let weak = log.wait_for("can be lost").await;
    assert!(weak.contains("WARN") && weak.contains("synchronous"), "{weak}");
    let event =
        Event::from_trusted("msg_3".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into()).unwrap();
    assert_eq!(queue.answer(event).await.status(), 200);
    let handlers = Handlers::builder().otherwise(async |_, cx: Context<SqlitePool>| {
        sqlx::query("DROP TABLE clerk_webhook_queue").execute(cx.state()).await?;
        Ok(())
    });
    let worker = Worker::new(queue, handlers.build().unwrap(), pool).lease(Duration::from_secs(1)).start();
    let unsettled = log.wait_for("could not store the result").await;
    for text in ["ERROR", "msg_3", "Call `migrate()`"] {
        assert!(unsettled.contains(text), "{unsettled}");
    }
    worker.shutdown(Duration::from_secs(30)).await;
    #[cfg(feature = "postgres")]
    logs_a_setting_of_postgres_that_is_not_durable(&log).await;
    #[cfg(feature = "nats")]
    logs_lost_unusable_and_dead_jobs_of_nats(&log).await;
    assert_eq!(log.lines_with("jo@example.com"), [""; 0]);
}

#[cfg(feature = "postgres")]
async fn logs_a_setting_of_postgres_that_is_not_durable(log: &Log) {
    use clerk_webhook_queue::PostgresQueue;
    use sqlx::AssertSqlSafe;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

    let Some(url) = clerk_webhook_tests::servers::postgres("the log test of PostgresQueue") else { return };
    let schema = format!("queue_log_{}", std::process::id());
    let options: PgConnectOptions = url.parse().unwrap();
    for (setting, lines) in [("on", 0), ("off", 1)] {
        let options = options.clone().options([("synchronous_commit", setting)]);
        let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
        let run = async |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        run(format!("CREATE SCHEMA {schema}")).await;
        let queue = PostgresQueue::new(pool.clone()).table(&format!("{schema}.jobs")).unwrap();
        queue.graphile_schema(&format!("{schema}_graphile")).unwrap().migrate().await.unwrap();
        assert_eq!(log.lines_with("`synchronous_commit`").len(), lines, "{setting}");
        run(format!("DROP SCHEMA {schema}, {schema}_graphile CASCADE")).await;
    }
}

#[cfg(feature = "nats")]
async fn logs_lost_unusable_and_dead_jobs_of_nats(log: &Log) {
    use async_nats::jetstream;
    use clerk_webhook_queue::{JobQueue as _, NatsQueue, TakeOptions};

    let server = clerk_webhook_tests::servers::Nats::start("the log test of NatsQueue");
    let Some(server) = server else { return };
    let queue = NatsQueue::connect(&server.url()).await.unwrap();
    queue.migrate().await.unwrap();
    for id in ["msg_foreign", "msg_deleted", "msg_crashed"] {
        let body = r#"{"data":{"email_address":"jo@example.com"},"type":"user.created"}"#;
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        assert_eq!(queue.answer(event).await.status(), 200);
    }
    assert_eq!(queue.stats().await.unwrap().ready, 3);
    let context = jetstream::new(queue.client().clone());
    let foreign = context.publish("clerk_webhook.clerk.message.msg_foreign", "{}".into()).await.unwrap();
    foreign.await.unwrap();
    let unusable = log.wait_for("skips a job").await;
    for text in ["ERROR", "msg_foreign", "nats stream rmm"] {
        assert!(unusable.contains(text), "{unusable}");
    }

    let stream = context.get_stream("clerk_webhook_clerk").await.unwrap();
    let deleted = stream.get_last_raw_message_by_subject("clerk_webhook.clerk.message.msg_deleted").await;
    assert!(stream.delete_message(deleted.unwrap().sequence).await.unwrap());
    let mut options = TakeOptions::default();
    (options.lease, options.max_attempts) = (Duration::ZERO, 1);
    let crashed = queue.take(&options).await.unwrap().unwrap();
    assert_eq!(crashed.event.message_id().as_str(), "msg_crashed");
    let lost = || log.lines_with("were deleted on the server");
    assert!(lost()[0].contains("ERROR") && lost()[0].contains("number=1"), "{:?}", lost());
    assert!(queue.take(&options).await.unwrap().is_none());
    let dead = log.lines_with("msg_crashed").pop().unwrap();
    for text in ["ERROR", "dead letter", "user.created", "attempts=1"] {
        assert!(dead.contains(text), "{dead}");
    }

    stream.purge().await.unwrap();
    assert_eq!(queue.stats().await.unwrap().dead, 0);
    assert_eq!(lost().len(), 2, "{:?}", lost());
    assert!(lost()[1].contains("number=1"), "{:?}", lost());
}
