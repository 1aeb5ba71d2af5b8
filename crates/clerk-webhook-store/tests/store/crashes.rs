//! A killed process's transaction is rolled back.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use clerk_webhook_store::{Begin, TransactionalStore as _};
use clerk_webhook_tests::say;

use crate::databases::{Engine, PostgresDatabase, SqliteDatabase, begin_again, begin_new, key};

const ADDRESS: &str = "ADDRESS_OF_THE_OTHER_PROCESS";
const BEGUN: &str = "the other process has begun";

#[tokio::test]
async fn a_killed_process_leaves_no_lock_in_sqlite() {
    match std::env::var(ADDRESS) {
        Ok(address) => hold(SqliteDatabase::find(&address).await).await,
        Err(_) => {
            let database = SqliteDatabase::create("killed").await.unwrap();
            kill_in_a_transaction("crashes::a_killed_process_leaves_no_lock_in_sqlite", database).await;
        }
    }
}

#[tokio::test]
async fn a_killed_process_leaves_no_lock_in_postgres() {
    match std::env::var(ADDRESS) {
        Ok(address) => hold(PostgresDatabase::find(&address).await).await,
        Err(_) => {
            let Some(database) = PostgresDatabase::create("killed").await else { return };
            kill_in_a_transaction("crashes::a_killed_process_leaves_no_lock_in_postgres", database).await;
        }
    }
}

/// Begins a delivery in another process and kills that process.
///
/// The other process runs the same test, with the address of the database in its environment.
async fn kill_in_a_transaction<E: Engine>(test: &str, database: E) {
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ADDRESS, database.address())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(other.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == BEGUN), "the other process exited too early");

    let store = database.store();
    assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::InProgress { .. }), "not in progress");
    other.kill().unwrap();
    other.wait().unwrap();
    let mut transaction = begin_again(&store, "msg_1").await;
    E::write(&mut transaction, "msg_1").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(database.effects().await, ["msg_1"]);
}

/// Runs in the other process: begins a transaction and waits.
async fn hold<E: Engine>(database: E) {
    let mut transaction = begin_new(&database.store(), "msg_1").await;
    E::write(&mut transaction, "msg_1").await.unwrap();
    say(BEGUN);
    // Waits until the first process kills this one or exits.
    let _ = std::io::stdin().read_line(&mut String::new());
}
