//! What a process was doing when it was killed is undone.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use clerk_webhook_store::{Begin, TransactionalStore as _};
use clerk_webhook_tests::say;

use crate::databases::{
    Engine, PostgresDatabase, SqliteDatabase, begin_again, begin_new, key, on_every_engine,
};

const ADDRESS: &str = "ADDRESS_OF_THE_OTHER_PROCESS";
const HOLDING: &str = "the other process has begun";

on_every_engine!(a_process_that_is_killed_leaves_nothing);

async fn a_process_that_is_killed_leaves_nothing<E: Engine>(database: E) {
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crashes::the_other_process", "--ignored", "--nocapture"])
        .env(ADDRESS, database.address())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == HOLDING), "the other process has ended");

    let store = database.store();
    assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::InProgress { .. }), "it has the lock");
    other.kill().unwrap();
    other.wait().unwrap();
    let mut transaction = begin_again(&store, "msg_1").await;
    E::write(&mut transaction, "msg_1").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(database.effects().await, ["msg_1"]);
}

#[tokio::test]
#[ignore = "is the other process of the tests above"]
async fn the_other_process() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    if address.starts_with("postgres") {
        hold(PostgresDatabase::find(&address).await).await;
    } else {
        hold(SqliteDatabase::find(&address).await).await;
    }
}

async fn hold<E: Engine>(database: E) {
    let mut transaction = begin_new(&database.store(), "msg_1").await;
    E::write(&mut transaction, "msg_1").await.unwrap();
    say(HOLDING);
    // Until it is killed, or nobody is there who could.
    let _ = std::io::stdin().read_line(&mut String::new());
}
