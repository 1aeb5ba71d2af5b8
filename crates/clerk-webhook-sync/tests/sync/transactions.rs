//! An event and the application's writes are committed together or not at all.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use clerk_webhook_core::event::marker::{UserCreated, UserUpdated};
use clerk_webhook_core::event::payload::User;
use clerk_webhook_core::{Context, Failure, Handlers, Outcome};
use clerk_webhook_store::TransactionalStore;
use clerk_webhook_store::{DeliveryTransaction, ExactlyOnce, PostgresStore, SharedTransaction, SqliteStore};
use clerk_webhook_sync::{Applied, Change, ClerkSync, RowChange};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Pool, Postgres, Sqlite};

use crate::databases::{
    Engine, T, deleted, event, membership, migrated, on_both_engines, organization, user,
};
use crate::hooks::recording;

on_both_engines!(
    a_rollback_undoes_the_events_of_the_transaction,
    many_events_can_share_a_transaction,
    an_event_is_applied_completely_or_not_at_all_if_apply_is_dropped,
    a_retry_after_apply_was_dropped_writes_the_user_and_the_addresses,
    a_user_whose_addresses_cannot_be_written_is_not_written,
    handler_with_applies_before_the_handlers_run,
);

async fn a_rollback_undoes_the_events_of_the_transaction<DB: Engine>(sync: ClerkSync<DB>) {
    let created = event("user.created", T + 9, user("user_1", "Ada", T));
    let mut transaction = sync.pool().begin().await.unwrap();
    assert_eq!(sync.apply_in(&mut transaction, &created).await.unwrap(), Applied::Inserted);
    transaction.rollback().await.unwrap();
    assert_eq!(sync.user("user_1").await.unwrap(), None);
    assert_eq!(DB::texts(sync.pool(), "SELECT id FROM clerk_user_emails").await, []);
}

async fn many_events_can_share_a_transaction<DB: Engine>(sync: ClerkSync<DB>) {
    let mut transaction = sync.pool().begin().await.unwrap();
    for number in 0..100 {
        let created = event("user.created", T + 9, user(&format!("user_{number}"), "Ada", T));
        sync.apply_in(&mut transaction, &created).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(DB::texts(sync.pool(), "SELECT id FROM clerk_active_users").await.len(), 100);
}

/// A dropped request must not leave an event half applied, or a connection with an open transaction.
async fn an_event_is_applied_completely_or_not_at_all_if_apply_is_dropped<DB: Engine>(sync: ClerkSync<DB>) {
    for polls in 0..60 {
        let id = format!("user_{polls}");
        let joined = event(
            "organizationMembership.created",
            T + 9,
            membership(&format!("orgmem_{polls}"), "org_1", &id, T),
        );
        poll_and_drop(polls, sync.apply(&joined)).await;
        // The next user of the connection must be able to commit.
        let marker = event("user.deleted", T + 9, deleted(&format!("user_marker_{polls}")));
        assert_eq!(sync.apply(&marker).await.unwrap(), Applied::Tombstoned);
        let halves = format!(
            "SELECT id FROM clerk_users WHERE id = '{id}' AND id NOT IN (SELECT user_id FROM clerk_memberships)"
        );
        assert_eq!(DB::texts(sync.pool(), &halves).await, []);
    }
    let markers = "SELECT id FROM clerk_users WHERE id LIKE 'user_marker_%'";
    assert_eq!(DB::texts(sync.pool(), markers).await.len(), 60);
}

/// If only the row were written, the retry would be stale and the addresses would be missing.
async fn a_retry_after_apply_was_dropped_writes_the_user_and_the_addresses<DB: Engine>(sync: ClerkSync<DB>) {
    for polls in 0..60 {
        let id = format!("user_{polls}");
        let created = event("user.created", T + 9, user(&id, "Ada", T));
        let changed = event("user.updated", T + 29, user(&id, "Grace", T + 20));
        for (event, name) in [(created, "ada"), (changed, "grace")] {
            poll_and_drop(polls, sync.apply(&event)).await;
            let row = format!("SELECT lower(first_name) FROM clerk_users WHERE id = '{id}'");
            let child = format!("SELECT email FROM clerk_user_emails WHERE user_id = '{id}'");
            // The next transaction on the connection begins after the rest of this one has ended.
            sync.apply(&event).await.unwrap();
            assert_eq!(DB::texts(sync.pool(), &row).await, [Some(name.to_owned())], "{polls}");
            assert_eq!(
                DB::texts(sync.pool(), &child).await,
                [Some(format!("{name}@example.com"))],
                "{polls}"
            );
        }
    }
}

async fn a_user_whose_addresses_cannot_be_written_is_not_written<DB: Engine>(sync: ClerkSync<DB>) {
    let created = event("user.created", T + 9, user("user_1", "Ada", T));
    <DB as Engine>::run(sync.pool(), "ALTER TABLE clerk_user_emails RENAME TO elsewhere").await;
    assert!(sync.apply(&created).await.is_err());
    assert_eq!(DB::texts(sync.pool(), "SELECT id FROM clerk_users").await, []);
    <DB as Engine>::run(sync.pool(), "ALTER TABLE elsewhere RENAME TO clerk_user_emails").await;
    assert_eq!(sync.apply(&created).await.unwrap(), Applied::Inserted);
    let emails = DB::texts(sync.pool(), "SELECT email FROM clerk_user_emails").await;
    assert_eq!(emails, [Some("ada@example.com".to_owned())]);
}

/// The next user of the connection must be able to commit.
#[tokio::test]
async fn no_connection_keeps_an_open_transaction_if_apply_is_dropped() {
    let Some(sync) = migrated::<Postgres>("dropped_inside").await else { return };
    Postgres::run(sync.pool(), "CREATE TABLE marker (number BIGINT)").await;
    let single = PgPoolOptions::new().max_connections(1);
    let single = single.connect_with((*sync.pool().connect_options()).clone()).await.unwrap();
    let of_single = ClerkSync::new(single.clone());
    for polls in 0..40 {
        // Waiting for the connection would take additional polls.
        while single.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
        let created = event("user.created", T + 9, user(&format!("user_{polls}"), "Ada", T));
        poll_and_drop(polls, of_single.apply(&created)).await;
        sqlx::query("INSERT INTO marker VALUES ($1)").bind(polls).execute(&single).await.unwrap();
        let seen = format!("SELECT number::text FROM marker WHERE number = {polls}");
        assert_eq!(
            Postgres::texts(sync.pool(), &seen).await,
            [Some(polls.to_string())],
            "after {polls} polls"
        );
    }
}

/// Polls a future this number of times and drops it.
async fn poll_and_drop(times: i64, future: impl Future) {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        future.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// The application's handler fails the first time.
async fn transactional_handler_with_shares_its_transaction_with_the_handlers<DB, S>(
    sync: ClerkSync<DB>,
    store: S,
) where
    DB: Engine,
    S: TransactionalStore<Transaction = DeliveryTransaction<DB>>,
{
    type State<DB> = SharedTransaction<DeliveryTransaction<DB>>;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let handlers = Handlers::<State<DB>>::builder()
        .on(UserCreated, move |_user: User, _cx: Context<State<DB>>| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move { if run == 0 { Err(Failure::retry("not now")) } else { Ok(()) } }
        })
        .on(UserUpdated, |_user: User, cx: Context<State<DB>>| async move {
            // The sync has released the lock on the transaction.
            drop(cx.state().lock().await?);
            Ok(())
        })
        .build()
        .unwrap();
    let exactly_once = ExactlyOnce::new(store);
    let created = event("user.created", T + 9, user("user_1", "Ada", T));
    assert_eq!(
        exactly_once.run(created.clone(), sync.transactional_handler_with(&handlers)).await.outcome(),
        Outcome::Failed
    );
    assert_eq!(sync.user("user_1").await.unwrap(), None);
    for outcome in [Outcome::Processed, Outcome::Duplicate] {
        assert_eq!(
            exactly_once.run(created.clone(), sync.transactional_handler_with(&handlers)).await.outcome(),
            outcome
        );
    }
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!(sync.user("user_1").await.unwrap().is_some());

    // An event without a handler is applied and marked. If the sync ignores it too, it is not marked.
    let joined = event("organizationMembership.created", T + 9, membership("orgmem_1", "org_1", "user_1", T));
    // A stale event is marked too, because it can change copies of other objects.
    let older =
        event("organizationMembership.updated", T + 8, membership("orgmem_1", "org_1", "user_2", T - 10));
    let changed = event("user.updated", T + 30, user("user_1", "Grace", T + 20));
    let ended = event("session.ended", T + 9, json!({}));
    for (event, outcomes) in [
        (joined, [Outcome::Processed, Outcome::Duplicate]),
        (older, [Outcome::Processed, Outcome::Duplicate]),
        (changed, [Outcome::Processed, Outcome::Duplicate]),
        (ended, [Outcome::Ignored, Outcome::Ignored]),
    ] {
        for outcome in outcomes {
            assert_eq!(
                exactly_once.run(event.clone(), sync.transactional_handler_with(&handlers)).await.outcome(),
                outcome
            );
        }
    }
    assert_eq!(sync.members("org_1").await.unwrap().len(), 1);
}

#[tokio::test]
async fn transactional_handler_with_shares_its_transaction_with_the_handlers_in_sqlite() {
    let sync = migrated::<Sqlite>("shares").await.unwrap();
    let store = SqliteStore::new(sync.pool().clone());
    store.migrate().await.unwrap();
    transactional_handler_with_shares_its_transaction_with_the_handlers(sync, store).await;
}

#[tokio::test]
async fn transactional_handler_with_shares_its_transaction_with_the_handlers_in_postgres() {
    let Some(sync) = migrated::<Postgres>("shares").await else { return };
    let pool: Pool<Postgres> = sync.pool().clone();
    let store = PostgresStore::new(pool);
    store.migrate().await.unwrap();
    transactional_handler_with_shares_its_transaction_with_the_handlers(sync, store).await;
}

/// The rows stay if the handler fails, and the handler runs at least once for each event.
async fn handler_with_applies_before_the_handlers_run<DB: Engine>(sync: ClerkSync<DB>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let own = Handlers::builder()
        .on(UserCreated, move |user: User, cx: Context<ClerkSync<DB>>| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                assert!(cx.state().user(&user.id).await?.is_some());
                if run == 0 { Err(Failure::abort_message("not now")) } else { Ok(()) }
            }
        })
        .build()
        .unwrap();
    let handlers = Handlers::builder().otherwise(sync.handler_with(&own)).build().unwrap();
    let created = event("user.created", T + 9, user("user_1", "Ada", T));
    for (run, outcome) in (1..).zip([Outcome::Rejected, Outcome::Processed, Outcome::Processed]) {
        assert_eq!(handlers.answer(created.clone(), sync.clone()).await.outcome(), outcome);
        assert_eq!(runs.load(Ordering::SeqCst), run);
        assert_eq!(DB::texts(sync.pool(), "SELECT id FROM clerk_active_users").await.len(), 1);
    }
    // If the event cannot be applied, the handler does not run.
    <DB as Engine>::run(sync.pool(), "DROP TABLE clerk_user_emails").await;
    let second = event("user.created", T + 9, user("user_2", "Grace", T));
    assert_eq!(handlers.answer(second, sync.clone()).await.outcome(), Outcome::Failed);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn handler_with_forwards_the_attempt() {
    let sync = migrated::<Sqlite>("attempt").await.unwrap();
    let attempts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&attempts);
    let own = Handlers::builder()
        .on(UserCreated, move |_user: User, cx: Context<()>| {
            seen.lock().unwrap().push(cx.attempt());
            async { Ok(()) }
        })
        .build()
        .unwrap();
    let handlers = Handlers::builder().otherwise(sync.handler_with(&own)).build().unwrap();
    let created = event("user.created", T + 9, user("user_1", "Ada", T));
    handlers.handle(created.clone(), ()).await.unwrap();
    handlers.handle_attempt(created, (), 3).await.unwrap();
    assert_eq!(*attempts.lock().unwrap(), [None, Some(3)]);
}

/// The other transaction has inserted the row, but has not committed when the statement begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_insertion_that_waited_for_another_transaction_updates_its_row() {
    let Some(sync) = migrated::<Postgres>("just_inserted").await else { return };
    for (name, event_type, data, applied) in [
        ("newer", "user.updated", user("user_1", "Grace", T + 20), Applied::Updated),
        ("older", "user.created", user("user_1", "Grace", T - 20), Applied::Stale),
        ("deleted", "user.deleted", deleted("user_1"), Applied::Tombstoned),
    ] {
        for hook in [false, true] {
            Postgres::run(sync.pool(), "TRUNCATE clerk_users, clerk_user_emails").await;
            let mut transaction = sync.pool().begin().await.unwrap();
            let first = event("user.created", T + 10, user("user_1", "Ada", T));
            sync.apply_in(&mut transaction, &first).await.unwrap();
            let second = event(event_type, T + 30, data.clone());
            let (with_hook, recorded) = recording(sync.clone());
            let other = if hook { with_hook } else { sync.clone() };
            let waiting = tokio::spawn(async move { other.apply(&second).await.unwrap() });
            until_blocked(sync.pool(), "clerk_users").await;
            transaction.commit().await.unwrap();
            assert_eq!(waiting.await.unwrap(), applied, "{name}, {hook}");
            let emails = Postgres::texts(sync.pool(), "SELECT email FROM clerk_user_emails").await;
            let emails: Vec<_> = emails.iter().flatten().map(String::as_str).collect();
            let expected: &[&str] = match applied {
                Applied::Updated => &["grace@example.com"],
                Applied::Stale => &["ada@example.com"],
                _ => &[],
            };
            assert_eq!(emails, expected, "{name}, {hook}");
            let recorded = recorded.lock().unwrap();
            assert_eq!(recorded.len(), usize::from(hook && applied.is_change()), "{recorded:?}");
            for change in &*recorded {
                let Change::User(RowChange { before: Some(old), .. }) = change else { panic!("{change:?}") };
                assert_eq!(old.first_name.as_deref(), Some("Ada"));
            }
        }
    }
}

/// Returns as soon as a connection is waiting for a lock on this table.
async fn until_blocked(pool: &Pool<Postgres>, table: &str) {
    let blocked = format!(
        "SELECT 'x' FROM pg_stat_activity a WHERE wait_event_type = 'Lock' AND EXISTS \
            (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = a.pid \
                AND c.oid = '{table}'::regclass)"
    );
    while Postgres::texts(pool, &blocked).await.is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Above READ COMMITTED, a statement fails if another transaction has changed the row since this one began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_works_at_every_default_isolation_level() {
    let Some(sync) = migrated::<Postgres>("isolation").await else { return };
    let changes = [
        ("clerk_users", "user", user("user_1", "Ada", T), user("user_1", "Grace", T + 20)),
        (
            "clerk_organizations",
            "organization",
            organization("org_1", "Acme", T),
            organization("org_1", "Globex", T + 20),
        ),
    ];
    for level in ["read committed", "repeatable read", "serializable"] {
        let strict = sync.pool().connect_options().as_ref().clone();
        let strict = strict.options([("default_transaction_isolation", level)]);
        // With a single connection, a retry inside `apply` must not wait for the connection that `apply`
        // holds.
        let strict = PgPoolOptions::new().max_connections(1).connect_with(strict).await.unwrap();
        for (table, object, first, second) in &changes {
            Postgres::run(sync.pool(), "TRUNCATE clerk_users, clerk_organizations").await;
            let created = event(&format!("{object}.created"), T + 10, first.clone());
            // The first time, the row is new. The second time, it exists.
            for at in [T + 10, T + 30] {
                let mut transaction = sync.pool().begin().await.unwrap();
                sync.apply_in(&mut transaction, &created).await.unwrap();
                let touch = format!("UPDATE {table} SET synced_at = synced_at");
                Postgres::run_in(&mut transaction, &touch).await.unwrap();
                let mut data = second.clone();
                data["updated_at"] = (at + 10).into();
                let changed = event(&format!("{object}.updated"), at + 20, data);
                let other = ClerkSync::new(strict.clone());
                let waiting = tokio::spawn(async move { other.apply(&changed).await });
                until_blocked(sync.pool(), table).await;
                transaction.commit().await.unwrap();
                assert_eq!(waiting.await.unwrap().unwrap(), Applied::Updated, "{level}, {table}, {at}");
            }
        }
    }
}

/// A named statement that is not cached would stay on the server until the connection closes.
#[tokio::test]
async fn no_prepared_statement_stays_on_the_server_without_a_statement_cache() {
    let Some(sync) = migrated::<Postgres>("no_statements").await else { return };
    for (capacity, kept) in [(0, false), (100, true)] {
        Postgres::run(sync.pool(), "TRUNCATE clerk_users, clerk_organizations, clerk_memberships").await;
        let options = sync.pool().connect_options().as_ref().clone().statement_cache_capacity(capacity);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let plain = ClerkSync::new(pool.clone());
        let (with_hook, recorded) = recording(plain.clone());
        plain.migrate().await.unwrap();
        for (number, sync) in [plain, with_hook].iter().enumerate() {
            let id = format!("user_{number}");
            for event in [
                event("user.created", T + 10, user(&id, "Ada", T)),
                event("user.updated", T + 30, user(&id, "Grace", T + 20)),
                event("organization.created", T + 10, organization("org_1", "Acme", T)),
                event("organizationMembership.created", T + 9, membership("orgmem_1", "org_1", &id, T)),
            ] {
                sync.apply(&event).await.unwrap();
            }
            assert!(sync.user(&id).await.unwrap().is_some());
            assert!(sync.forget_user(&id).await.unwrap());
        }
        assert!(!recorded.lock().unwrap().is_empty());
        let left = sqlx::raw_sql("SELECT name FROM pg_prepared_statements").fetch_all(&pool).await.unwrap();
        assert_eq!(!left.is_empty(), kept, "{}", left.len());
    }
}
