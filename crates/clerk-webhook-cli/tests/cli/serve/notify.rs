//! `--notify`: notifications of Postgres.

use clerk_webhook_test::fixture::AnyFixture;
use clerk_webhook_test::{Delivery, FakeBackendApi, fixture};
use serde_json::{Value, json};
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::sweeps::history;
use super::{Database, Server};
use crate::support::PATIENCE;
use crate::support::clerk::Clerk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifies_of_events_but_not_of_an_import() {
    let Some(database) = Database::postgres("notify").await else { return };
    let mut listener = PgListener::connect(&database.url).await.unwrap();
    listener.listen("clerk_changes").await.unwrap();
    let event = Delivery::of(fixture::user_created()).event();
    let fake = FakeBackendApi::new(&history(5)).with_instance_id(event.instance_id().unwrap());
    let clerk = Clerk::start(fake).await;
    let mut command = database.command_with(&clerk.url);
    let server = Server::start(command.args(["--notify", "clerk_changes"]));
    server.line("sweep finished");

    // The second event changes nothing.
    for id in ["msg_1", "msg_2"] {
        assert_eq!(server.deliver(&Delivery::of(fixture::user_created()).id(id)).status, 200);
    }
    assert_eq!(server.deliver(&Delivery::of(fixture::organization_created()).id("msg_3")).status, 200);
    let events = [
        ("users", fixture::user_created().into()),
        ("organizations", fixture::organization_created().into()),
    ];
    for (table, event) in events {
        let event: AnyFixture = event;
        let body: Value = serde_json::from_slice(&Delivery::of(event).body()).unwrap();
        let notification = timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
        let payload: Value = serde_json::from_str(notification.payload()).unwrap();
        assert_eq!(payload, json!({ "table": table, "id": body["data"]["id"] }));
    }
}
