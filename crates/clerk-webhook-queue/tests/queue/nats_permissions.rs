//! The permissions that the documentation of `NatsQueue` lists suffice.

use std::time::Duration;

use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, JobQueue as _, NatsQueue, TakeOptions};
use clerk_webhook_tests::servers::Nats;

use crate::file::event;
use crate::nats_queue::BODY_LIMIT;

const ENQUEUE: &[&str] = &["clerk_webhook.clerk.>"];
const MAX_BYTES: &[&str] = &["$JS.API.STREAM.INFO.clerk_webhook_clerk"];
const MIGRATE: &[&str] = &["$JS.API.STREAM.*.clerk_webhook_clerk"];
const WORK: &[&str] = &["$JS.API.STREAM.MSG.*.clerk_webhook_clerk", "$JS.API.CONSUMER.>", "$JS.FC.>"];

#[tokio::test]
async fn the_documented_permissions_suffice() {
    let users = [
        user("enqueues", &[ENQUEUE]),
        user("limits", &[ENQUEUE, MAX_BYTES]),
        user("migrates", &[ENQUEUE, MAX_BYTES, MIGRATE]),
        user("works", &[ENQUEUE, MAX_BYTES, MIGRATE, WORK]),
    ];
    let settings = format!("authorization {{ users: [{}] }}", users.join(", "));
    let Some(server) = Nats::start_with("the permission test of NatsQueue", &settings) else { return };
    let connect = async |user: &str| {
        let url = server.url().replace("://", &format!("://{user}:a%40b%2Fc@"));
        NatsQueue::connect(&url).await.unwrap().body_limit(BODY_LIMIT).timeout(Duration::from_secs(2))
    };

    assert!(connect("enqueues").await.migrate().await.is_err());
    connect("migrates").await.migrate().await.unwrap();
    assert_eq!(connect("enqueues").await.enqueue(&event("msg_1")).await.unwrap(), Enqueued::New);
    let limited = connect("limits").await.max_bytes(1 << 30);
    assert_eq!(limited.enqueue(&event("msg_2")).await.unwrap(), Enqueued::New);
    assert!(limited.take(&TakeOptions::default()).await.is_err());

    let queue = connect("works").await;
    queue.migrate().await.unwrap();
    for _ in 0..2 {
        let job = queue.take(&TakeOptions::default()).await.unwrap().unwrap();
        let _ = queue.renew(&job.lease, Duration::from_secs(60)).await.unwrap();
        let _ = queue.bury(&job.lease, "a failure").await.unwrap();
    }
    assert_eq!(queue.dead_letters(9).await.unwrap().len(), 2);
    assert!(queue.discard(event("msg_1").message_id()).await.unwrap());
    assert_eq!(queue.retry_all_dead(None).await.unwrap(), 1);
    assert_eq!(queue.stats().await.unwrap().ready, 1);
    assert_eq!(queue.purge(Duration::ZERO, 9).await.unwrap(), 1);
}

fn user(name: &str, subjects: &[&[&str]]) -> String {
    let subjects: Vec<_> = subjects.concat().iter().map(|subject| format!("{subject:?}")).collect();
    let publish = subjects.join(", ");
    format!(
        r#"{{ user: {name}, password: "a@b/c", permissions: {{ publish: [{publish}], subscribe: ["_INBOX.>"] }} }}"#
    )
}
