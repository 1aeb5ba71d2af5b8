//! Hooks run for each change, in its transaction.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clerk_webhook_core::{Failure, Handlers, Outcome};
use clerk_webhook_store::{ExactlyOnce, SqliteStore};
use clerk_webhook_sync::{Applied, Change, ClerkSync, HookFuture, RowChange, SyncErrorKind, UserRow};
use clerk_webhook_tests::fixtures;
use serde_json::{Value, json};
use sqlx::{Postgres, Sqlite};

use crate::databases::{
    Engine, T, deleted, event, membership, migrated, on_both_engines, organization, user,
};

on_both_engines!(
    the_hook_gets_the_row_before_and_after,
    events_that_change_nothing_do_not_call_the_hook,
    copies_do_not_call_the_hook,
    before_equals_after_of_the_previous_call,
    after_contains_what_an_earlier_version_knew,
    the_hook_can_read_the_child_rows,
    writes_of_the_hook_are_committed_with_the_row,
    an_error_of_the_hook_rolls_everything_back,
    the_hook_that_was_set_last_is_called,
    forgetting_a_user_calls_the_hook,
);

pub(crate) type Recorded = Arc<Mutex<Vec<Change>>>;

/// Adds a hook that records the changes.
pub(crate) fn recording<DB: Engine>(sync: ClerkSync<DB>) -> (ClerkSync<DB>, Recorded) {
    let recorded = Recorded::default();
    let kept = Arc::clone(&recorded);
    let sync = sync.on_change(move |change, _connection| {
        kept.lock().unwrap().push(change);
        Box::pin(async { Ok(()) })
    });
    (sync, recorded)
}

fn take(recorded: &Recorded) -> Vec<Change> {
    std::mem::take(&mut recorded.lock().unwrap())
}

/// Asserts that a change is about a user with these first names before and after.
fn assert_user(change: &Change, id: &str, old: Option<&str>, new: Option<&str>) {
    let Change::User(user) = change else { panic!("{change:?}") };
    let name = |row: &Option<UserRow>| row.as_ref().and_then(|row| row.first_name.clone());
    assert_eq!(user.id, id);
    assert_eq!((name(&user.before).as_deref(), name(&user.after).as_deref()), (old, new));
    assert_eq!((user.before.is_some(), user.after.is_some()), (old.is_some(), new.is_some()));
}

async fn the_hook_gets_the_row_before_and_after<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync);
    for (event, applied, (old, new)) in [
        (event("user.created", T + 10, user("user_1", "Ada", T)), Applied::Inserted, (None, Some("Ada"))),
        (
            event("user.updated", T + 30, user("user_1", "Grace", T + 20)),
            Applied::Updated,
            (Some("Ada"), Some("Grace")),
        ),
        (event("user.deleted", T + 50, deleted("user_1")), Applied::Tombstoned, (Some("Grace"), None)),
        // An earlier deletion moves `deleted_at` back.
        (event("user.deleted", T + 40, deleted("user_1")), Applied::Tombstoned, (None, None)),
    ] {
        assert_eq!(sync.apply(&event).await.unwrap(), applied);
        let recorded = take(&recorded);
        assert_eq!(recorded.len(), 1, "{recorded:?}");
        assert_user(&recorded[0], "user_1", old, new);
    }
    let unseen = event("user.deleted", T + 50, deleted("user_2"));
    assert_eq!(sync.apply(&unseen).await.unwrap(), Applied::Tombstoned);
    assert_user(&take(&recorded)[0], "user_2", None, None);
}

async fn events_that_change_nothing_do_not_call_the_hook<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync);
    let created = event("user.created", T + 10, user("user_1", "Ada", T));
    let changed = event("user.updated", T + 30, user("user_1", "Grace", T + 20));
    let gone = event("user.deleted", T + 40, deleted("user_1"));
    for event in [&changed, &gone] {
        sync.apply(event).await.unwrap();
        take(&recorded);
        for event in [&created, event] {
            assert_eq!(sync.apply(event).await.unwrap(), Applied::Stale);
        }
        assert_eq!(take(&recorded), []);
    }
    assert_eq!(sync.apply(&changed).await.unwrap(), Applied::Stale);
    let ended = event("session.ended", T + 50, json!({}));
    assert!(matches!(sync.apply(&ended).await.unwrap(), Applied::Ignored(_)));
    assert_eq!(take(&recorded), []);
}

async fn copies_do_not_call_the_hook<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync);
    let joined =
        event("organizationMembership.created", T + 50, membership("orgmem_1", "org_1", "user_1", T + 40));
    sync.apply(&joined).await.unwrap();
    match &take(&recorded)[..] {
        [Change::Membership(RowChange { before: None, after: Some(row), .. })] => {
            assert_eq!(row.user_id.as_deref(), Some("user_1"));
            assert!(row.has_permission("org:read"));
        }
        recorded => panic!("{recorded:?}"),
    }
    let created = event("user.created", T + 10, user("user_1", "Ada", T));
    assert_eq!(sync.apply(&created).await.unwrap(), Applied::Updated);
    assert_user(&take(&recorded)[0], "user_1", None, Some("Ada"));
    let gone = event("organization.deleted", T + 60, deleted("org_1"));
    assert_eq!(sync.apply(&gone).await.unwrap(), Applied::Tombstoned);
    assert!(matches!(
        &take(&recorded)[..],
        [Change::Organization(RowChange { before: None, after: None, .. })]
    ));
}

/// Asserts that the change begins with the row that the previous change left.
fn assert_follows(change: Change, before: Change) {
    fn follows<T: PartialEq + Debug>(change: RowChange<T>, before: RowChange<T>) {
        assert!(before.after.is_some());
        assert_eq!(change.before, before.after);
        assert_ne!(change.after, before.after);
    }
    match (change, before) {
        (Change::User(change), Change::User(before)) => follows(change, before),
        (Change::Organization(change), Change::Organization(before)) => follows(change, before),
        (Change::Membership(change), Change::Membership(before)) => follows(change, before),
        (Change::Invitation(change), Change::Invitation(before)) => follows(change, before),
        (Change::Domain(change), Change::Domain(before)) => follows(change, before),
        (Change::Role(change), Change::Role(before)) => follows(change, before),
        (Change::Permission(change), Change::Permission(before)) => follows(change, before),
        (Change::Session(change), Change::Session(before)) => follows(change, before),
        (Change::SubscriptionItem(change), Change::SubscriptionItem(before)) => follows(change, before),
        (Change::Subscription(change), Change::Subscription(before)) => follows(change, before),
        (Change::WaitlistEntry(change), Change::WaitlistEntry(before)) => follows(change, before),
        changes => panic!("{changes:?}"),
    }
}

/// `before` is read from the database and `after` is created from the event. They must be equal for all
/// kinds.
async fn before_equals_after_of_the_previous_call<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync.keep_sessions().keep_billing().keep_waitlist());
    let mut kinds = BTreeSet::new();
    for (_, body) in fixtures() {
        let mut fixture: Value = serde_json::from_slice(&body).unwrap();
        let (event_type, data) = (fixture["type"].as_str().unwrap().to_owned(), fixture["data"].take());
        if !event_type.ends_with(".created") {
            continue;
        }
        let updated_at = data["updated_at"].as_i64().unwrap_or(T);
        let mut changed = data.clone();
        changed["updated_at"] = (updated_at + 1).into();
        let events = [data, changed].map(|data| event(&event_type, updated_at, data));
        for event in &events {
            sync.apply(event).await.unwrap();
        }
        // Several fixtures are about the same object. Only the newest of them causes two changes.
        if let Ok([before, change]) = <[Change; 2]>::try_from(take(&recorded)) {
            assert_follows(change, before);
            kinds.insert(event_type);
        }
    }
    assert_eq!(kinds.len(), 11, "{kinds:?}");
}

/// The user and the time of joining never change, so the row keeps them.
async fn after_contains_what_an_earlier_version_knew<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync);
    let mut changed = membership("orgmem_1", "org_1", "user_1", T + 20);
    changed
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !["created_at", "public_user_data"].contains(&name.as_str()));
    for (at, data) in [(T + 10, membership("orgmem_1", "org_1", "user_1", T)), (T + 30, changed)] {
        sync.apply(&event("organizationMembership.updated", at, data)).await.unwrap();
    }
    let changes = take(&recorded);
    let [_, Change::Membership(change)] = &changes[..] else { panic!("{changes:?}") };
    let (row, _) = sync.members("org_1").await.unwrap().remove(0);
    assert_eq!((row.user_id.as_deref(), row.updated_at.as_millis()), (Some("user_1"), T + 20));
    assert_eq!(change.after, Some(row));
}

/// Adds a hook that uses only the connection.
fn with_connection<DB: Engine>(
    sync: ClerkSync<DB>,
    ask: impl for<'a> Fn(&'a mut DB::Connection) -> HookFuture<'a> + Send + Sync + 'static,
) -> ClerkSync<DB> {
    sync.on_change(move |_change, connection| ask(connection))
}

async fn the_hook_can_read_the_child_rows<DB: Engine>(sync: ClerkSync<DB>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let sync = with_connection(sync, move |connection| {
        let kept = Arc::clone(&kept);
        Box::pin(async move {
            let query = "SELECT first_name || ' ' || email FROM clerk_users u JOIN clerk_user_emails e ON e.user_id = u.id";
            let rows = DB::texts_in(connection, query).await?;
            kept.lock().unwrap().push(rows);
            Ok(())
        })
    });
    sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    sync.apply(&event("user.updated", T + 30, user("user_1", "Grace", T + 20))).await.unwrap();
    sync.apply(&event("user.deleted", T + 40, deleted("user_1"))).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], [Some("Ada ada@example.com".to_owned())]);
    assert_eq!(seen[1], [Some("Grace grace@example.com".to_owned())]);
    assert!(seen[2].is_empty() && seen.len() == 3, "{seen:?}");
}

/// A function that returns the result of a hook.
type HookResult = fn() -> Result<(), Failure>;

/// Adds a hook that writes one of the application's rows and then returns a result.
fn writing<DB: Engine>(sync: ClerkSync<DB>, result: HookResult) -> ClerkSync<DB> {
    with_connection(sync, move |connection| {
        Box::pin(async move {
            DB::run_in(connection, "INSERT INTO credits VALUES ('10')").await?;
            result()
        })
    })
}

async fn counts<DB: Engine>(sync: &ClerkSync<DB>) -> [usize; 3] {
    let mut counts = [0; 3];
    for (count, table) in counts.iter_mut().zip(["credits", "clerk_users", "clerk_user_emails"]) {
        *count = DB::texts(sync.pool(), &format!("SELECT 'x' FROM {table}")).await.len();
    }
    counts
}

async fn writes_of_the_hook_are_committed_with_the_row<DB: Engine>(sync: ClerkSync<DB>) {
    <DB as Engine>::run(sync.pool(), "CREATE TABLE credits (credits TEXT)").await;
    let sync = writing(sync, || Ok(()));
    let created = event("user.created", T + 10, user("user_1", "Ada", T));
    let mut transaction = sync.pool().begin().await.unwrap();
    sync.apply_in(&mut transaction, &created).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(counts(&sync).await, [0, 0, 0]);
    sync.apply(&created).await.unwrap();
    assert_eq!(counts(&sync).await, [1, 1, 1]);
    // Without a hook, a single statement would write the organization outside of a transaction.
    sync.apply(&event("organization.created", T + 10, organization("org_1", "Acme", T))).await.unwrap();
    assert_eq!(counts(&sync).await, [2, 1, 1]);
}

async fn an_error_of_the_hook_rolls_everything_back<DB: Engine>(sync: ClerkSync<DB>) {
    <DB as Engine>::run(sync.pool(), "CREATE TABLE credits (credits TEXT)").await;
    let sync = writing(sync, || Err(Failure::abort_message("no credits")));
    let events = [
        event("user.created", T + 10, user("user_1", "Ada", T)),
        event("user.deleted", T + 20, deleted("user_1")),
        event("organizationMembership.created", T + 50, membership("orgmem_1", "org_1", "user_1", T + 40)),
        event("organization.created", T + 10, organization("org_1", "Acme", T)),
    ];
    for event in &events {
        let error = sync.apply(event).await.unwrap_err();
        assert_eq!(error.kind(), SyncErrorKind::Hook);
        assert!(!error.to_string().contains("no credits"), "{error}");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no credits");
        assert_eq!(error.into_failure().outcome(), Outcome::Rejected);
        assert_eq!(sync.forget_user("user_1").await.unwrap_err().kind(), SyncErrorKind::Hook);
        assert_eq!(counts(&sync).await, [0, 0, 0]);
        assert_eq!(DB::texts(sync.pool(), "SELECT id FROM clerk_organizations").await, []);
    }
    let sync = writing(sync, || Ok(()));
    for event in &events[..2] {
        assert!(sync.apply(event).await.unwrap().is_change());
    }
    assert_eq!(counts(&sync).await, [2, 1, 0]);
}

async fn the_hook_that_was_set_last_is_called<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, first) = recording(sync);
    let (sync, second) = recording(sync);
    sync.clone().apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    assert_eq!((take(&first).len(), take(&second).len()), (0, 1));
}

async fn forgetting_a_user_calls_the_hook<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync);
    let invitation = json!({
        "created_at": T, "email_address": "ada@example.com", "id": "orginv_1", "organization_id": "org_1",
        "role": "org:member", "updated_at": T,
    });
    sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    sync.apply(&event("organizationInvitation.created", T + 10, invitation)).await.unwrap();
    take(&recorded);
    assert!(sync.forget_user("user_1").await.unwrap());
    let changes = take(&recorded);
    assert_user(&changes[0], "user_1", Some("Ada"), None);
    match &changes[1..] {
        [Change::Invitation(RowChange { id, before: Some(old), after: None, .. })] => {
            assert_eq!((id.as_str(), old.email_address.as_deref()), ("orginv_1", Some("ada@example.com")));
        }
        changes => panic!("{changes:?}"),
    }
    assert!(!sync.forget_user("user_1").await.unwrap());
    assert_eq!(take(&recorded), []);
}

/// Tries every way to handle an event.
#[tokio::test]
async fn the_answer_has_the_outcome_of_the_failed_hook() {
    let failures: [(HookResult, Outcome, Option<u32>); 4] = [
        (|| Err(Failure::retry("later")), Outcome::Failed, None),
        (|| Err(Failure::retry_after(Duration::from_secs(7), "later")), Outcome::Failed, Some(7)),
        (|| Err(Failure::abort_message("never")), Outcome::Rejected, None),
        (|| Err(Failure::disable_endpoint("nothing")), Outcome::Disabled, None),
    ];
    for (failure, outcome, delay) in failures {
        let sync = migrated::<Sqlite>("outcome").await.unwrap();
        Sqlite::run(sync.pool(), "CREATE TABLE credits (credits TEXT)").await;
        let sync = writing(sync, failure);
        let store = SqliteStore::new(sync.pool().clone());
        store.migrate().await.unwrap();
        let exactly_once = ExactlyOnce::new(store);
        let own = Handlers::<()>::builder().build().unwrap();
        let plain = Handlers::builder().otherwise(sync.handler()).build().unwrap();
        let before = Handlers::builder().otherwise(sync.handler_with(&own)).build().unwrap();
        let once = Handlers::builder().otherwise(sync.transactional_handler()).build().unwrap();
        let none = Handlers::builder().build().unwrap();
        let created = || event("user.created", T + 10, user("user_1", "Ada", T));
        for answer in [
            plain.answer(created(), ()).await,
            before.answer(created(), ()).await,
            exactly_once.handle(&once, created(), |transaction| transaction).await,
            exactly_once.run(created(), sync.transactional_handler_with(&none)).await,
        ] {
            assert_eq!(answer.outcome(), outcome);
            assert_eq!(answer.retry_after(), delay);
        }
        assert_eq!(counts(&sync).await, [0, 0, 0]);
    }
}

/// The `before` of each change is the `after` of the previous one, even if many connections write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_by_many_connections_form_a_chain() {
    const TASKS: i64 = 8;
    const VERSIONS: i64 = 30;
    for round in 0..5 {
        let Some(sync) = migrated::<Postgres>("chain").await else { return };
        let (sync, recorded) = recording(sync);
        let id = format!("user_{round}");
        let tasks = (0..TASKS).map(|task| {
            let (sync, id) = (sync.clone(), id.clone());
            tokio::spawn(async move {
                for version in 0..VERSIONS {
                    let at = T + version * TASKS + task;
                    // Each task tries to create the user.
                    let event_type = if version == 0 { "user.created" } else { "user.updated" };
                    sync.apply(&event(event_type, at, user(&id, "Ada", at))).await.unwrap();
                }
                if task == 0 {
                    sync.apply(&event("user.deleted", T + 1_000_000, deleted(&id))).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let changes = take(&recorded);
        let (mut last, mut count) = (None, 0);
        for change in changes {
            let Change::User(change) = change else { panic!("{change:?}") };
            assert_eq!(change.before, last, "after {count} changes");
            last = change.after;
            count += 1;
        }
        assert_eq!(last, None, "the deletion must be the last change");
        assert!(count > 2, "{count}");
    }
}
