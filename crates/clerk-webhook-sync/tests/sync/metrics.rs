//! The metrics of events, imports, comparisons and requests.

use clerk_webhook_core::{Context, Event, Failure, Handlers, Outcome};
use clerk_webhook_store::{ExactlyOnce, SqliteStore};
use clerk_webhook_sync::{BackfillOptions, ClerkSync, ReconcileOptions, Resource};
use clerk_webhook_test::ObjectKind;
use clerk_webhook_tests::metrics::Metrics;
use sqlx::Sqlite;

use crate::databases::{T, deleted, event, migrated, user};
use crate::import::{add_surplus, api, clerk, count, first};

/// Returns the number of users that were applied.
fn users(metrics: &Metrics, result: &str, source: &str) -> Option<f64> {
    metrics.get_exactly(&format!("clerk_sync_apply_total{{result={result},source={source},table=users}}"))
}

fn drift(metrics: &Metrics, kind: &str) -> Option<f64> {
    metrics.get_exactly(&format!("clerk_sync_drift_rows{{kind={kind},table=users}}"))
}

fn last_sweep(metrics: &Metrics, kind: &str) -> Option<f64> {
    metrics.get_exactly(&format!("clerk_sync_last_sweep_timestamp_seconds{{kind={kind}}}"))
}

/// The recorder applies to the thread, so a test does not see the metrics of another one.
#[tokio::test]
async fn events_are_counted_by_what_they_change() {
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let sync = migrated::<Sqlite>("metrics").await.unwrap();
    let created = event("user.created", T, user("user_1", "Ada", T));
    let other = event("sms.created", T, user("user_1", "Ada", T));
    sync.apply(&created).await.unwrap();
    sync.apply(&created).await.unwrap();
    sync.apply(&other).await.unwrap();
    let mut transaction = sync.pool().begin().await.unwrap();
    sync.apply_in(&mut transaction, &event("user.updated", T, user("user_1", "Bob", T + 1))).await.unwrap();
    sync.apply_in(&mut transaction, &event("user.deleted", T, deleted("user_1"))).await.unwrap();
    transaction.commit().await.unwrap();
    for result in ["inserted", "updated", "tombstoned", "stale"] {
        assert_eq!(users(&metrics, result, "event"), Some(1.0), "{result}");
    }
    let names = metrics.names();
    assert!(names.iter().all(|name| name.starts_with("clerk_sync_apply_total")), "{names:?}");
    assert_eq!(names.len(), 4, "{names:?}");
}

async fn fail<S: Send>(_: Event, _: Context<S>) -> Result<(), Failure> {
    Err(Failure::retry("not yet"))
}

/// The handler fails once, so that its delivery is repeated.
#[tokio::test]
async fn an_event_whose_handler_fails_is_not_counted() {
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let sync = migrated::<Sqlite>("metrics").await.unwrap();
    let store = SqliteStore::new(sync.pool().clone());
    store.migrate().await.unwrap();
    let once = ExactlyOnce::new(store);
    let failing = Handlers::builder().on_event("user.created", fail).build().unwrap();
    let passing = Handlers::builder().build().unwrap();
    let created = event("user.created", T, user("user_1", "Ada", T));
    for (handlers, outcome, expected) in
        [(&failing, Outcome::Failed, None), (&passing, Outcome::Processed, Some(1.0))]
    {
        let answer = once.run(created.clone(), sync.transactional_handler_with(handlers)).await;
        assert_eq!((answer.outcome(), users(&metrics, "inserted", "event")), (outcome, expected));
    }
}

#[tokio::test]
async fn imports_and_comparisons_report_rows_drift_and_their_end() {
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let sync = migrated::<Sqlite>("metrics").await.unwrap();
    let clerk = clerk();
    let (api, number) = (api(&clerk), count(&clerk, ObjectKind::User) as f64);

    sync.backfill(&api, BackfillOptions::default().dry_run(true)).await.unwrap();
    sync.reconcile(&api, ReconcileOptions::default().dry_run(true)).await.unwrap();
    let names = metrics.names();
    assert!(names.iter().all(|name| name.starts_with("clerk_api_")), "a dry run applies nothing: {names:?}");
    let answers = |endpoint: &str| {
        metrics.get_exactly(&format!("clerk_api_requests_total{{endpoint={endpoint},status=200}}"))
    };
    assert_eq!((answers("/instance"), answers("/users") > Some(1.0)), (Some(2.0), true), "{names:?}");
    assert!(names.contains(&"clerk_api_request_duration_seconds{endpoint=/users}".to_owned()), "{names:?}");

    let some = BackfillOptions::default().resources([Resource::Roles]);
    sync.backfill(&api, some).await.unwrap();
    assert_eq!(last_sweep(&metrics, "backfill"), None, "some tables are missing");
    let report = sync.backfill(&api, BackfillOptions::default()).await.unwrap();
    assert_eq!(users(&metrics, "inserted", "backfill"), Some(number));
    assert_eq!(last_sweep(&metrics, "backfill"), Some(report.finished_at.as_millis() as f64 / 1000.0));
    assert_eq!(drift(&metrics, "missing"), None, "only a comparison finds drift");

    add_surplus(&sync, 2).await;
    let lost = first(&clerk, ObjectKind::User);
    sqlx::query("DELETE FROM clerk_users WHERE id = ?").bind(lost).execute(sync.pool()).await.unwrap();
    sync.reconcile(&api, ReconcileOptions::default()).await.unwrap();
    assert_eq!(
        ["missing", "extra", "differing"].map(|kind| drift(&metrics, kind)),
        [1.0, 2.0, 0.0].map(Some)
    );
    let counted = ["inserted", "tombstoned", "stale"].map(|result| users(&metrics, result, "reconcile"));
    assert_eq!(counted, [1.0, 2.0, number - 1.0].map(Some));
    assert!(last_sweep(&metrics, "reconcile").is_some());
}

#[tokio::test]
async fn a_refreshed_object_counts_as_repaired() {
    let metrics = Metrics::default();
    let _recording = metrics::set_default_local_recorder(&metrics);
    let sync: ClerkSync<Sqlite> = migrated("metrics").await.unwrap();
    let clerk = clerk();
    sync.refresh(&api(&clerk), &first(&clerk, ObjectKind::User)).await.unwrap();
    add_surplus(&sync, 1).await;
    sync.refresh(&api(&clerk), "user_gone0").await.unwrap();
    let counted = ["inserted", "tombstoned"].map(|result| users(&metrics, result, "reconcile"));
    assert_eq!(counted, [Some(1.0); 2]);
}
