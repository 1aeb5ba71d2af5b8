//! After a history from the test kit, the tables contain the final data of all objects.

use std::collections::BTreeMap;

use clerk_webhook_sync::{ClerkSync, RawColumn, SyncDatabase};
use clerk_webhook_test::{History, ObjectKind, Scenario, Truth};
use serde_json::Value;
use sqlx::{Postgres, Sqlite};

use crate::databases::{Engine, migrated};

/// The tables that need a setting: their rows with any status, the kind of object, and the members that are
/// not stored.
const OPTIONAL: [(&str, ObjectKind, &[&str]); 4] = [
    (
        "sessions WHERE user_id NOT IN (SELECT id FROM clerk_users WHERE deleted_at IS NOT NULL)",
        ObjectKind::Session,
        &["actor", "latest_activity", "user"],
    ),
    ("subscriptions", ObjectKind::Subscription, &["items", "payer"]),
    ("subscription_items", ObjectKind::SubscriptionItem, &["payer"]),
    ("waitlist_entries", ObjectKind::WaitlistEntry, &[]),
];

/// The other tables: the kind of object, and the members that are not stored.
const TABLES: [(&str, ObjectKind, &[&str]); 7] = [
    ("users", ObjectKind::User, &[]),
    ("organizations", ObjectKind::Organization, &[]),
    ("memberships", ObjectKind::OrganizationMembership, &["organization", "public_user_data"]),
    ("invitations", ObjectKind::OrganizationInvitation, &["public_inviter_data", "public_organization_data"]),
    ("domains", ObjectKind::OrganizationDomain, &["affiliation_email_address", "public_organization_data"]),
    ("roles", ObjectKind::Role, &[]),
    ("permissions", ObjectKind::Permission, &[]),
];

/// Compares the complete data of all live objects.
pub(crate) async fn assert_true<DB: Engine>(sync: &ClerkSync<DB>, truth: &Truth) {
    let optional = OPTIONAL.map(|(source, kind, copies)| (format!("clerk_{source}"), kind, copies));
    let always = TABLES.map(|(table, kind, copies)| (format!("clerk_active_{table}"), kind, copies));
    for (source, kind, copies) in always.into_iter().chain(optional) {
        let query = format!("SELECT {} FROM {source}", DB::as_text("raw"));
        let rows = DB::texts(sync.pool(), &query).await;
        let found = rows.into_iter().map(|raw| serde_json::from_str::<Value>(&raw.unwrap()).unwrap());
        let found: BTreeMap<_, _> = found.map(|raw| (raw["id"].as_str().unwrap().to_owned(), raw)).collect();
        let mut expected = truth.live(kind).clone();
        for data in expected.values_mut() {
            for copy in copies {
                data.as_object_mut().unwrap().remove(*copy);
            }
        }
        assert_eq!(found, expected, "{source}");
    }
    for (table, kind, _) in TABLES {
        for (id, at) in truth.deleted(kind) {
            let query = format!("SELECT {} FROM clerk_{table} WHERE id = '{id}'", DB::as_text("deleted_at"));
            assert_eq!(DB::texts(sync.pool(), &query).await, [Some(at.to_string())], "{table} {id}");
        }
    }
}

/// Applies a history with several concurrent workers.
pub(crate) async fn apply<DB: SyncDatabase>(
    sync: &ClerkSync<DB>,
    history: &History,
    seed: u64,
    workers: usize,
) {
    let parts = history.arrivals(seed).shuffled().duplicated(2).dealt(workers);
    let workers = parts.into_iter().map(|part| {
        let (sync, events) = (sync.clone(), part.into_iter().map(|event| event.event()).collect::<Vec<_>>());
        tokio::spawn(async move {
            for event in events {
                sync.apply(&event).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

pub(crate) fn everything<DB: SyncDatabase>(sync: ClerkSync<DB>) -> ClerkSync<DB> {
    sync.raw(RawColumn::Full).keep_sessions().keep_billing().keep_waitlist()
}

fn history(seed: u64, ties: bool) -> History {
    let scenario = if seed.is_multiple_of(2) { Scenario::Churn } else { Scenario::All };
    History::builder().scenario(scenario).seed(seed).events(400).ties(ties).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_in_sqlite_end_in_the_data_of_clerk() {
    for seed in 0..6 {
        let sync = everything(migrated::<Sqlite>("histories").await.unwrap());
        let history = history(seed, seed >= 2);
        apply(&sync, &history, seed, 1).await;
        assert_true(&sync, &history.truth()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_in_postgres_end_in_the_data_of_clerk() {
    for seed in 0..4 {
        let Some(sync) = migrated::<Postgres>("histories").await else { return };
        let sync = everything(sync);
        let history = history(seed, seed >= 2);
        apply(&sync, &history, seed, 6).await;
        assert_true(&sync, &history.truth()).await;
    }
}
