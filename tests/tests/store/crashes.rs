//! What a process was doing when it was killed is undone.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use clerk_webhook_store::{Begin, TransactionalStore as _};
use clerk_webhook_tests::say;

use crate::databases::{Engine, PostgresDatabase, SqliteDatabase, begin_again, begin_new, key};

const ADDRESS: &str = "ADDRESS_OF_THE_OTHER_PROCESS";
const HOLDING: &str = "the other process has begun";

#[tokio::test]
async fn a_process_that_is_killed_leaves_nothing_in_sqlite() {
    match std::env::var(ADDRESS) {
        Ok(address) => hold(SqliteDatabase::find(&address).await).await,
        Err(_) => {
            let database = SqliteDatabase::create("killed").await.unwrap();
            kill_while_it_holds("crashes::a_process_that_is_killed_leaves_nothing_in_sqlite", database).await;
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_nothing_in_postgres() {
    match std::env::var(ADDRESS) {
        Ok(address) => hold(PostgresDatabase::find(&address).await).await,
        Err(_) => {
            let Some(database) = PostgresDatabase::create("killed").await else { return };
            kill_while_it_holds("crashes::a_process_that_is_killed_leaves_nothing_in_postgres", database)
                .await;
        }
    }
}

/// Begins a delivery in another process, which runs the same test and is told of the database, and kills it.
async fn kill_while_it_holds<E: Engine>(test: &str, database: E) {
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
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

/// What the other process does.
async fn hold<E: Engine>(database: E) {
    let mut transaction = begin_new(&database.store(), "msg_1").await;
    E::write(&mut transaction, "msg_1").await.unwrap();
    say(HOLDING);
    // Until it is killed, or nobody is there who could.
    let _ = std::io::stdin().read_line(&mut String::new());
}
