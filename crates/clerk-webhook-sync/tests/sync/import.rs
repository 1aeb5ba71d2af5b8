//! Imports and comparisons with a fake Backend API.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_sync::{
    Applied, BackendApi, BackfillOptions, Change, ClerkSync, DriftKind, ImportError, ImportState, Origin,
    ReconcileOptions, Refreshed, Report, Resource, Skipped, TableReport, TransportError,
};
use clerk_webhook_test::{FakeBackendApi, History, ObjectKind, Scenario};
use http::{HeaderValue, Request, Response};
use serde_json::Value;

use crate::databases::{Engine, T, event, membership, on_both_engines, organization, user};
use crate::hooks::recording;

on_both_engines!(
    an_import_fills_empty_tables_and_another_one_writes_nothing,
    a_dry_run_reports_what_is_missing_and_writes_nothing,
    an_import_calls_no_hook_unless_asked,
    a_comparison_calls_the_hook_with_its_origin,
    a_comparison_repairs_the_addresses_of_users,
    deleted_objects_become_tombstones,
    recently_written_rows_are_kept,
    a_row_without_a_confirmed_deletion_is_kept,
    a_row_that_is_written_during_the_look_is_kept,
    too_many_deletions_are_refused_before_the_first_tombstone,
    an_empty_list_over_a_filled_table_is_refused,
    exactly_one_percent_of_the_rows_can_be_removed,
    a_surplus_row_after_1000_others_is_found,
    a_small_table_can_become_empty,
    the_key_of_another_instance_is_refused,
    a_key_that_knows_no_row_of_the_tables_is_refused,
    a_key_whose_instance_has_no_organizations_is_unrelated_to_theirs,
    a_list_without_any_known_row_proves_no_deletion,
    the_tables_remember_their_instance,
    the_first_of_two_keys_owns_the_tables,
    a_feature_that_is_turned_off_during_the_looks_deletes_nothing,
    memberships_of_a_found_organization_count_as_deletions,
    memberships_of_a_deleted_organization_do_not_count_as_deletions,
    a_membership_of_an_unknown_organization_is_deleted_with_it,
    a_table_with_doubts_is_not_complete,
    an_object_that_is_found_by_its_id_is_not_unlisted,
    changes_of_the_last_minutes_are_left_to_their_events,
    changes_of_the_last_minutes_are_imported_without_a_hook,
    an_import_of_other_tables_begins_again,
    a_run_stops_when_it_is_told_to,
    a_dropped_run_gives_its_lease_back,
    a_feature_that_is_off_is_skipped_without_tombstones,
    forgotten_users_stay_forgotten,
    an_interrupted_import_continues,
    an_interrupted_import_remembers_its_doubts,
    the_state_of_the_runs_is_known,
    only_one_run_writes_at_a_time,
    one_object_is_refreshed,
    an_acceptance_keeps_its_user,
    the_waitlist_is_imported_only_if_it_is_kept,
    an_error_of_the_hook_stops_the_run,
);

/// A clock far after the events, so that no row is too young to become a tombstone.
const LATER: Duration = Duration::from_secs(3_600);

fn history() -> History {
    History::builder().scenario(Scenario::Team).seed(7).events(200).build()
}

pub(crate) fn clerk() -> FakeBackendApi {
    let clerk = FakeBackendApi::new(&history());
    clerk.pass(LATER);
    clerk
}

/// Returns a client for the fake. A key for production has the shortest pause between requests.
pub(crate) fn api(clerk: &FakeBackendApi) -> BackendApi {
    api_with(clerk, |_| true)
}

/// Returns a client whose requests fail with 403 if the function returns `false`.
fn api_with(
    clerk: &FakeBackendApi,
    allows: impl Fn(&Request<()>) -> bool + Clone + Send + Sync + 'static,
) -> BackendApi {
    let clerk = clerk.clone();
    let send = move |mut request: Request<()>| {
        let key = HeaderValue::try_from(format!("Bearer {}", FakeBackendApi::SECRET_KEY)).unwrap();
        if allows(&request) {
            request.headers_mut().insert("authorization", key);
        }
        let response = clerk.answer(&request);
        async move { Ok::<_, TransportError>(response) }
    };
    BackendApi::new("sk_live_3kXp0wTq", send).unwrap().share(1.0).unwrap()
}

/// Returns a client whose answers a function can replace.
fn api_through(
    clerk: &FakeBackendApi,
    replace: impl Fn(&Request<()>, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
) -> BackendApi {
    let clerk = clerk.clone();
    let send = move |request: Request<()>| {
        let response = replace(&request, clerk.answer(&authorized(&request)));
        async move { Ok::<_, TransportError>(response) }
    };
    BackendApi::new("sk_live_3kXp0wTq", send).unwrap().share(1.0).unwrap()
}

pub(crate) fn authorized(request: &Request<()>) -> Request<()> {
    let mut request = request.clone();
    let key = HeaderValue::try_from(format!("Bearer {}", FakeBackendApi::SECRET_KEY)).unwrap();
    request.headers_mut().insert("authorization", key);
    request
}

/// Changes the JSON of an answer.
fn edited(response: Response<Bytes>, edit: impl FnOnce(&mut Value)) -> Response<Bytes> {
    response.map(|body| {
        let mut json = serde_json::from_slice(&body).unwrap();
        edit(&mut json);
        json.to_string().into()
    })
}

/// The lines that a test logs.
#[cfg(feature = "tracing")]
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

#[cfg(feature = "tracing")]
impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn import<DB: Engine>(sync: &ClerkSync<DB>, api: &BackendApi) -> Report {
    sync.backfill(api, BackfillOptions::default()).await.unwrap()
}

async fn compare<DB: Engine>(sync: &ClerkSync<DB>, api: &BackendApi) -> Report {
    sync.reconcile(api, ReconcileOptions::default().dry_run(true)).await.unwrap()
}

fn table(report: &Report, resource: Resource) -> &TableReport {
    report.table(resource).unwrap()
}

pub(crate) fn count(clerk: &FakeBackendApi, kind: ObjectKind) -> u64 {
    clerk.objects(kind).len() as u64
}

pub(crate) fn first(clerk: &FakeBackendApi, kind: ObjectKind) -> String {
    clerk.objects(kind).into_keys().next().unwrap()
}

/// Adds rows of users whom Clerk does not hold, as if their deletions had been lost.
pub(crate) async fn add_surplus<DB: Engine>(sync: &ClerkSync<DB>, number: usize) {
    for number in 0..number {
        let data = user(&format!("user_gone{number}"), "Ada", T);
        sync.apply(&event("user.created", T, data)).await.unwrap();
    }
    // The times of the rows are in milliseconds, and a row of the same millisecond is too young.
    tokio::time::sleep(Duration::from_millis(2)).await;
}

async fn rows<DB: Engine>(sync: &ClerkSync<DB>, query: &str) -> Vec<String> {
    let texts = DB::texts(sync.pool(), query).await;
    texts.into_iter().map(Option::unwrap_or_default).collect()
}

async fn an_import_fills_empty_tables_and_another_one_writes_nothing<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let pages = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&pages);
    let options = BackfillOptions::default().on_progress(move |progress| {
        shown.lock().unwrap().push((progress.resource, progress.seen, progress.expected));
    });

    let report = sync.backfill(&api(&clerk), options).await.unwrap();

    assert_eq!(report.instance_id, clerk.instance_id());
    for (resource, kind) in [
        (Resource::Users, ObjectKind::User),
        (Resource::Organizations, ObjectKind::Organization),
        (Resource::Memberships, ObjectKind::OrganizationMembership),
        (Resource::Invitations, ObjectKind::OrganizationInvitation),
    ] {
        let (table, number) = (table(&report, resource), count(&clerk, kind));
        assert!(number > 0, "{resource}");
        assert_eq!(
            (table.seen, table.expected, table.inserted),
            (number, Some(number), number),
            "{resource}"
        );
        assert!(pages.lock().unwrap().contains(&(resource, number, Some(number))), "{resource}");
    }
    let again = import(&sync, &api(&clerk)).await;
    assert!(again.is_in_step(), "{again:?}");
    assert_eq!(table(&again, Resource::Users).unchanged, count(&clerk, ObjectKind::User));
    let id = first(&clerk, ObjectKind::User);
    let object = &clerk.objects(ObjectKind::User)[&id];
    let row = sync.user(&id).await.unwrap().unwrap();
    assert_eq!(row.first_name.as_deref(), object["first_name"].as_str());
    assert_eq!(Some(row.updated_at.as_millis()), object["updated_at"].as_i64());
}

async fn a_dry_run_reports_what_is_missing_and_writes_nothing<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let report = sync.backfill(&api(&clerk), BackfillOptions::default().dry_run(true)).await.unwrap();
    let users = table(&report, Resource::Users);
    assert_eq!(users.inserted, count(&clerk, ObjectKind::User));
    assert!(users.drift.is_empty());
    assert!(rows(&sync, "SELECT id FROM clerk_users").await.is_empty());
    assert!(rows(&sync, "SELECT name FROM clerk_sync_state").await.is_empty());

    import(&sync, &api(&clerk)).await;
    let [missing, stale, differing]: [String; 3] =
        std::array::from_fn(|index| clerk.objects(ObjectKind::User).into_keys().nth(index).unwrap());
    add_surplus(&sync, 1).await;
    <DB as Engine>::run(sync.pool(), &format!("DELETE FROM clerk_users WHERE id = '{missing}'")).await;
    <DB as Engine>::run(sync.pool(), &format!("UPDATE clerk_users SET updated_at = 1 WHERE id = '{stale}'"))
        .await;
    let edit = format!("UPDATE clerk_users SET first_name = 'X', event_at = 1 WHERE id = '{differing}'");
    <DB as Engine>::run(sync.pool(), &edit).await;
    tokio::time::sleep(Duration::from_millis(2)).await;

    let report = compare(&sync, &api(&clerk)).await;
    let mut drift: Vec<_> =
        table(&report, Resource::Users).drift.iter().map(|drift| (drift.id.clone(), drift.kind)).collect();
    drift.sort_by(|one, other| one.0.cmp(&other.0));
    let mut expected = vec![
        (missing, DriftKind::Missing),
        (stale, DriftKind::Stale),
        (differing, DriftKind::Differing),
        ("user_gone0".to_owned(), DriftKind::Surplus),
    ];
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(drift, expected);
    assert!(!report.is_in_step());

    sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    let report = compare(&sync, &api(&clerk)).await;
    assert!(report.is_in_step(), "{report:?}");
}

async fn an_import_calls_no_hook_unless_asked<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let (sync, recorded) = recording(sync);
    import(&sync, &api(&clerk)).await;
    assert!(recorded.lock().unwrap().is_empty());

    <DB as Engine>::run(sync.pool(), "DELETE FROM clerk_users").await;
    sync.backfill(&api(&clerk), BackfillOptions::default().call_hook(true)).await.unwrap();
    let changes = recorded.lock().unwrap();
    assert_eq!(changes.len() as u64, count(&clerk, ObjectKind::User));
    for change in &*changes {
        let Change::User(user) = change else { panic!("{change:?}") };
        assert!(user.before.is_none() && user.after.is_some());
        assert_eq!(user.origin, Origin::Backfill);
    }
}

async fn a_comparison_calls_the_hook_with_its_origin<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let (sync, recorded) = recording(sync);
    import(&sync, &api(&clerk)).await;
    add_surplus(&sync, 1).await;
    recorded.lock().unwrap().clear();
    sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    {
        let changes = recorded.lock().unwrap();
        let [Change::User(user)] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!((user.id.as_str(), user.origin), ("user_gone0", Origin::Reconcile));
        assert!(user.before.is_some() && user.after.is_none());
    }
    recorded.lock().unwrap().clear();
    add_surplus(&sync, 2).await;
    recorded.lock().unwrap().clear();
    sync.reconcile(&api(&clerk), ReconcileOptions::default().call_hook(false)).await.unwrap();
    assert!(recorded.lock().unwrap().is_empty());
}

async fn a_comparison_repairs_the_addresses_of_users<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    let emails = "SELECT email FROM clerk_user_emails ORDER BY user_id, id";
    let before = rows(&sync, emails).await;
    <DB as Engine>::run(sync.pool(), "UPDATE clerk_user_emails SET email = 'old@example.com'").await;
    clerk.pass(Duration::from_secs(1));
    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    assert!(table(&report, Resource::Users).updated > 0, "{report:?}");
    assert_eq!(rows(&sync, emails).await, before);
}

async fn deleted_objects_become_tombstones<DB: Engine>(sync: ClerkSync<DB>) {
    let history = History::builder().scenario(Scenario::Churn).seed(7).events(400).build();
    let clerk = FakeBackendApi::from_events(history.events().to_vec());
    clerk.advance_to(200);
    import(&sync, &api(&clerk)).await;
    clerk.advance_to(400);
    clerk.pass(LATER);
    tokio::time::sleep(Duration::from_millis(2)).await;

    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    let buried: u64 = report.tables.iter().map(|table| table.tombstoned).sum();
    assert!(buried > 0, "{report:?}");
    let live = rows(&sync, "SELECT id FROM clerk_active_users ORDER BY id").await;
    let mut expected: Vec<_> = clerk.objects(ObjectKind::User).into_keys().collect();
    expected.sort();
    assert_eq!(live.into_iter().collect::<std::collections::BTreeSet<_>>(), expected.into_iter().collect());
    let again = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    assert!(again.is_in_step(), "{again:?}");
}

async fn recently_written_rows_are_kept<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    // Clerk's clock shows less than the grace period after this event.
    let at = clerk.now().as_millis() - 60_000;
    sync.apply(&event("user.created", at, user("user_new", "Ada", at))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    assert_eq!(table(&report, Resource::Users).tombstoned, 0);
    assert!(sync.user("user_new").await.unwrap().is_some());

    let options = ReconcileOptions::default().grace(Duration::from_secs(30));
    let report = sync.reconcile(&api(&clerk), options).await.unwrap();
    assert_eq!(table(&report, Resource::Users).tombstoned, 1);
    assert_eq!(sync.user("user_new").await.unwrap(), None);
}

async fn a_row_without_a_confirmed_deletion_is_kept<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    add_surplus(&sync, 1).await;
    // A proxy answers 404 for a path that it does not know.
    let answers = clerk.clone();
    let send = move |mut request: Request<()>| {
        let key = HeaderValue::try_from(format!("Bearer {}", FakeBackendApi::SECRET_KEY)).unwrap();
        request.headers_mut().insert("authorization", key);
        let mut response = answers.answer(&request);
        if request.uri().path().ends_with("/users/user_gone0") {
            *response.body_mut() = "Not Found".into();
        }
        async move { Ok::<_, TransportError>(response) }
    };
    let api = BackendApi::new("sk_live_3kXp0wTq", send).unwrap().share(1.0).unwrap();
    let report = sync.reconcile(&api, ReconcileOptions::default()).await.unwrap();
    let users = table(&report, Resource::Users);
    assert_eq!((users.tombstoned, users.unconfirmed), (0, 1));
    assert!(!report.is_in_step());
    assert!(sync.user("user_gone0").await.unwrap().is_some());
}

async fn a_row_that_is_written_during_the_look_is_kept<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    add_surplus(&sync, 2).await;
    let (answers, writer) = (clerk.clone(), sync.clone());
    let send = move |mut request: Request<()>| {
        let key = HeaderValue::try_from(format!("Bearer {}", FakeBackendApi::SECRET_KEY)).unwrap();
        request.headers_mut().insert("authorization", key);
        let response = answers.answer(&request);
        let is_look = request.uri().path().ends_with("/users/user_gone0");
        let writer = writer.clone();
        async move {
            if is_look {
                let late = event("user.updated", T + 2, user("user_gone0", "Bob", T + 1));
                writer.apply(&late).await.unwrap();
            }
            Ok::<_, TransportError>(response)
        }
    };
    let api = BackendApi::new("sk_live_3kXp0wTq", send).unwrap().share(1.0).unwrap();
    let report = sync.reconcile(&api, ReconcileOptions::default()).await.unwrap();
    assert_eq!(table(&report, Resource::Users).tombstoned, 1);
    assert_eq!(sync.user("user_gone0").await.unwrap().unwrap().first_name.as_deref(), Some("Bob"));
    assert_eq!(sync.user("user_gone1").await.unwrap(), None);
}

async fn too_many_deletions_are_refused_before_the_first_tombstone<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    add_surplus(&sync, 4).await;
    let options = || ReconcileOptions::default().max_tombstones(3);
    let error = sync.reconcile(&api(&clerk), options()).await.unwrap_err();
    let ImportError::TooManyDeletions { resource: Resource::Users, surplus: 4, .. } = error else {
        panic!("{error}")
    };
    assert!(error.is_refusal());
    assert!(rows(&sync, "SELECT id FROM clerk_users WHERE deleted_at IS NOT NULL").await.is_empty());

    let report = sync.reconcile(&api(&clerk), options().force(true)).await.unwrap();
    assert_eq!(table(&report, Resource::Users).tombstoned, 4);
}

async fn an_empty_list_over_a_filled_table_is_refused<DB: Engine>(sync: ClerkSync<DB>) {
    let empty = FakeBackendApi::from_events(Vec::new());
    let sync = sync.instance_id(&empty.instance_id());
    add_surplus(&sync, 1).await;
    let error = sync.reconcile(&api(&empty), ReconcileOptions::default()).await.unwrap_err();
    assert!(matches!(error, ImportError::EmptyList { resource: Resource::Users, rows: 1, .. }), "{error}");
    assert!(error.is_refusal());
    assert!(sync.user("user_gone0").await.unwrap().is_some());
    let forced = sync.reconcile(&api(&empty), ReconcileOptions::default().force(true)).await.unwrap();
    assert_eq!(table(&forced, Resource::Users).seen, 0);
}

async fn exactly_one_percent_of_the_rows_can_be_removed<DB: Engine>(sync: ClerkSync<DB>) {
    let users = History::builder().scenario(Scenario::SignUp).seed(7).users(198).build();
    let clerk = FakeBackendApi::new(&users);
    clerk.pass(LATER);
    import(&sync, &api(&clerk)).await;
    let rows = count(&clerk, ObjectKind::User);
    add_surplus(&sync, 2).await;
    let options = ReconcileOptions::default().max_tombstones(1);
    let report = sync.reconcile(&api(&clerk), options).await.unwrap();
    assert_eq!((rows + 2, table(&report, Resource::Users).tombstoned), (200, 2));
}

/// The rows are read in pieces of 1,000.
async fn a_surplus_row_after_1000_others_is_found<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    // Clerk cannot be asked for these ids, which sort before the ids of users.
    let insert = "WITH RECURSIVE numbers(number) AS \
                  (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 1000) \
                  INSERT INTO clerk_users (id, obs_rank, updated_at, event_at, tie, synced_at) \
                  SELECT 'sha256:' || number, 1, 1, 1, '', 1 FROM numbers";
    <DB as Engine>::run(sync.pool(), insert).await;
    add_surplus(&sync, 1).await;
    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    assert_eq!(table(&report, Resource::Users).tombstoned, 1);
    assert_eq!(sync.user("user_gone0").await.unwrap(), None);
}

async fn a_small_table_can_become_empty<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = FakeBackendApi::new(&History::builder().scenario(Scenario::SignUp).seed(7).users(9).build());
    clerk.pass(LATER);
    import(&sync, &api(&clerk)).await;
    sync.apply(&event("organization.created", T, organization("org_gone", "Gone", T))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let options = ReconcileOptions::default();
    let error = sync.reconcile(&api(&clerk), options.clone().max_tombstones(0)).await.unwrap_err();
    assert!(matches!(error, ImportError::EmptyList { resource: Resource::Organizations, .. }), "{error}");
    let report = sync.reconcile(&api(&clerk), options).await.unwrap();
    assert_eq!(table(&report, Resource::Organizations).tombstoned, 1);
}

/// Events filled the tables, and no run has remembered their instance.
async fn a_key_that_knows_no_row_of_the_tables_is_refused<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    add_surplus(&sync, 120).await;
    for error in [
        sync.backfill(&api(&clerk), BackfillOptions::default()).await.unwrap_err(),
        sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap_err(),
        sync.reconcile(&api(&clerk), ReconcileOptions::default().dry_run(true)).await.unwrap_err(),
        sync.refresh(&api(&clerk), "user_gone0").await.unwrap_err(),
    ] {
        assert!(error.is_refusal(), "{error}");
        let ImportError::UnrelatedInstance { key, .. } = error else { panic!("{error}") };
        assert_eq!(key, clerk.instance_id());
    }
    assert_eq!(rows(&sync, "SELECT id FROM clerk_active_users").await.len(), 120);
    assert!(rows(&sync, "SELECT name FROM clerk_sync_state").await.is_empty());

    let (id, object) = clerk.objects(ObjectKind::User).into_iter().next().unwrap();
    sync.apply(&event("user.created", T, object)).await.unwrap();
    assert_eq!(sync.refresh(&api(&clerk), &id).await.unwrap(), Refreshed::Updated);
    import(&sync, &api(&clerk)).await;
    assert_eq!(sync.import_state().await.unwrap().instance_id, Some(clerk.instance_id()));
}

/// Without the feature, no organization shows whose the tables are.
async fn a_key_whose_instance_has_no_organizations_is_unrelated_to_theirs<DB: Engine>(sync: ClerkSync<DB>) {
    sync.apply(&event("organization.created", T, organization("org_gone", "Gone", T))).await.unwrap();
    let forbidden = api_with(&clerk(), |request| !request.uri().path().ends_with("/organizations"));
    let error = sync.backfill(&forbidden, BackfillOptions::default()).await.unwrap_err();
    assert!(matches!(error, ImportError::Api(_)), "{error}");
    let off = api(&clerk().without(ObjectKind::Organization));
    let error = sync.backfill(&off, BackfillOptions::default()).await.unwrap_err();
    assert!(matches!(error, ImportError::UnrelatedInstance { .. }), "{error}");
}

/// A table whose rows are all unknown to Clerk may be of another instance, even if another table is not.
async fn a_list_without_any_known_row_proves_no_deletion<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    add_surplus(&sync, 2).await;
    let sync = sync.instance_id(&clerk.instance_id());
    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    let users = table(&report, Resource::Users);
    assert_eq!((users.tombstoned, users.unconfirmed), (0, 2));
    assert!(!report.is_in_step());
    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    assert_eq!(table(&report, Resource::Users).tombstoned, 2);
}

async fn the_key_of_another_instance_is_refused<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.instance_id("ins_mine");
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let api = api_with(&clerk(), move |_| counted.fetch_add(1, Ordering::Relaxed) < usize::MAX);
    let error = sync.backfill(&api, BackfillOptions::default()).await.unwrap_err();
    assert!(error.is_refusal());
    assert!(error.to_string().contains("the tables contain ins_mine"), "{error}");
    assert!(rows(&sync, "SELECT name FROM clerk_sync_state").await.is_empty());
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

async fn the_tables_remember_their_instance<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    let other = FakeBackendApi::new(&history()).with_instance_id("ins_other");
    // A setting does not replace what the tables remember.
    let set = sync.clone().instance_id("ins_other");
    for error in [
        set.backfill(&api(&other), BackfillOptions::default()).await.unwrap_err(),
        sync.backfill(&api(&other), BackfillOptions::default()).await.unwrap_err(),
        sync.reconcile(&api(&other), ReconcileOptions::default()).await.unwrap_err(),
        sync.refresh(&api(&other), "user_1").await.unwrap_err(),
    ] {
        let ImportError::OtherInstance { tables, key, .. } = error else { panic!("{error}") };
        assert_eq!((tables, key.as_str()), (clerk.instance_id(), "ins_other"));
    }
}

/// Both keys pass the check before the tables have an owner.
async fn the_first_of_two_keys_owns_the_tables<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let other = clerk.clone();
    let second = FakeBackendApi::new(&history()).with_instance_id("ins_other");
    second.pass(LATER);
    let object = clerk.objects(ObjectKind::User).into_values().next().unwrap();
    sync.apply(&event("user.created", T, object)).await.unwrap();
    let (first, answers) = (sync.clone(), second.clone());
    let send = move |request: Request<()>| {
        let response = answers.answer(&authorized(&request));
        let is_check = request.uri().query().is_some_and(|query| query.contains("user_id="));
        let (first, other) = (first.clone(), other.clone());
        async move {
            if is_check {
                import(&first, &api(&other)).await;
            }
            Ok::<_, TransportError>(response)
        }
    };
    let late = BackendApi::new("sk_live_3kXp0wTq", send).unwrap().share(1.0).unwrap();
    let error = sync.reconcile(&late, ReconcileOptions::default()).await.unwrap_err();
    let ImportError::OtherInstance { tables, key, .. } = error else { panic!("{error}") };
    assert_eq!((tables, key.as_str()), (clerk.instance_id(), "ins_other"));
    // The lease was given back.
    assert!(import(&sync, &api(&clerk)).await.is_in_step());
}

async fn a_feature_that_is_turned_off_during_the_looks_deletes_nothing<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    sync.apply(&event("organization.created", T, organization("org_gone", "Gone", T))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let off = clerk.clone();
    let api = api_through(&clerk, move |request, response| {
        if request.uri().path().ends_with("/organizations/org_gone") {
            // Clones share the settings.
            drop(off.clone().without(ObjectKind::Organization));
            return off.answer(&authorized(request));
        }
        response
    });
    let error = sync.reconcile(&api, ReconcileOptions::default()).await.unwrap_err();
    assert!(matches!(&error, ImportError::Api(error) if error.is_feature_off()), "{error}");
    assert!(sync.organization("org_gone").await.unwrap().is_some());
}

/// The list lacks the organization, so its memberships are not counted before the look.
async fn memberships_of_a_found_organization_count_as_deletions<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    clerk.pass(LATER);
    let id = first(&clerk, ObjectKind::Organization);
    let members = clerk.objects(ObjectKind::OrganizationMembership);
    let is_member = |user: &String| {
        let is_of = |member: &Value| member["public_user_data"]["user_id"] == **user;
        members.values().any(|member| member["organization"]["id"] == *id && is_of(member))
    };
    let users: Vec<_> = clerk.objects(ObjectKind::User).into_keys().filter(|id| !is_member(id)).collect();
    for user in &users[..4] {
        let data = membership(&format!("orgmem_gone_{user}"), &id, user, T);
        sync.apply(&event("organizationMembership.created", T, data)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    let api = api_through(&clerk, move |request, response| match request.uri().path() {
        path if path.ends_with("/organizations") => edited(response, |list| {
            list["data"].as_array_mut().unwrap().retain(|organization| organization["id"] != id.as_str());
        }),
        _ => response,
    });
    let options = ReconcileOptions::default().max_tombstones(3);
    let error = sync.reconcile(&api, options).await.unwrap_err();
    let ImportError::TooManyDeletions { resource: Resource::Memberships, surplus: 4, .. } = error else {
        panic!("{error}")
    };
    assert!(rows(&sync, "SELECT id FROM clerk_memberships WHERE deleted_at IS NOT NULL").await.is_empty());
}

async fn memberships_of_a_deleted_organization_do_not_count_as_deletions<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    sync.apply(&event("organization.created", T, organization("org_gone", "Gone", T))).await.unwrap();
    for user in clerk.objects(ObjectKind::User).into_keys().take(4) {
        let data = membership(&format!("orgmem_gone_{user}"), "org_gone", &user, T);
        sync.apply(&event("organizationMembership.created", T, data)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    let options = ReconcileOptions::default().max_tombstones(3);
    let report = sync.reconcile(&api(&clerk), options).await.unwrap();
    let tombstoned = [Resource::Organizations, Resource::Memberships].map(|it| table(&report, it).tombstoned);
    assert_eq!(tombstoned, [1, 0]);
    let members = "SELECT id FROM clerk_active_memberships WHERE organization_id = 'org_gone'";
    assert!(rows(&sync, members).await.is_empty());
}

/// The organization was created after its list and deleted, and its events were lost.
async fn a_membership_of_an_unknown_organization_is_deleted_with_it<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    let data = membership("orgmem_gone", "org_gone", &first(&clerk, ObjectKind::User), T);
    sync.apply(&event("organizationMembership.created", T, data)).await.unwrap();
    <DB as Engine>::run(sync.pool(), "DELETE FROM clerk_organizations WHERE id = 'org_gone'").await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    let memberships = table(&report, Resource::Memberships);
    assert_eq!((memberships.tombstoned, memberships.unconfirmed), (1, 0));
}

async fn a_table_with_doubts_is_not_complete<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let one_more = api_through(&clerk, |request, response| match request.uri().path() {
        path if path.ends_with("/users/count") => edited(response, |count| {
            count["total_count"] = (count["total_count"].as_u64().unwrap() + 1).into()
        }),
        _ => response,
    });
    let without_id = api_through(&clerk, |request, response| match request.uri().path() {
        path if path.ends_with("/users") => edited(response, |users| {
            if let Some(user) = users.get_mut(0) {
                user["id"] = Value::Null;
            }
        }),
        _ => response,
    });
    let partial = api_through(&clerk, |request, response| match request.uri().path() {
        path if path.ends_with("/users") => edited(response, |users| {
            if let Some(user) = users.get_mut(0) {
                user.as_object_mut().unwrap().remove("email_addresses");
            }
        }),
        _ => response,
    });
    for (api, doubts) in [(one_more, (1, 0)), (without_id, (0, 1)), (partial, (0, 1))] {
        let report = import(&sync, &api).await;
        let users = table(&report, Resource::Users);
        assert_eq!((users.unlisted, users.unreadable), doubts);
        assert_eq!(users.seen, count(&clerk, ObjectKind::User));
        let report = sync.reconcile(&api, ReconcileOptions::default()).await.unwrap();
        assert!(!report.is_in_step());
        let state = sync.import_state().await.unwrap();
        assert_eq!((state.backfilled_at, state.reconciled_at.get(&Resource::Users)), (None, None));
        assert!(state.reconciled_at.contains_key(&Resource::Organizations));
    }
    import(&sync, &api(&clerk)).await;
    assert!(sync.import_state().await.unwrap().backfilled_at.is_some());
}

/// The page with the unreadable user is not read again.
async fn an_interrupted_import_remembers_its_doubts<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let fails = api_through(&clerk, |request, mut response| {
        let is_later = request.uri().query().is_some_and(|query| query.contains("starting_after="));
        match request.uri().path().ends_with("/users") {
            true if is_later => {
                *response.status_mut() = http::StatusCode::FORBIDDEN;
                response
            }
            true => edited(response, |users| {
                if let Some(user) = users.get_mut(0) {
                    user.as_object_mut().unwrap().remove("email_addresses");
                }
            }),
            false => response,
        }
    });
    sync.backfill(&fails, BackfillOptions::default()).await.unwrap_err();
    let report = import(&sync, &api(&clerk)).await;
    let users = table(&report, Resource::Users);
    assert_eq!((users.seen, users.unreadable), (count(&clerk, ObjectKind::User), 1), "{report:?}");
    assert_eq!(sync.import_state().await.unwrap().backfilled_at, None);
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).unreadable, 0, "{report:?}");
    assert!(sync.import_state().await.unwrap().backfilled_at.is_some());

    // If a table is listed completely, but with doubts, the next import lists it again.
    let fails = api_through(&clerk, |request, mut response| match request.uri().path() {
        path if path.ends_with("/users") => edited(response, |users| {
            if let Some(user) = users.get_mut(0) {
                user.as_object_mut().unwrap().remove("email_addresses");
            }
        }),
        path if path.ends_with("/organizations") => {
            *response.status_mut() = http::StatusCode::FORBIDDEN;
            response
        }
        _ => response,
    });
    sync.backfill(&fails, BackfillOptions::default()).await.unwrap_err();
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).skipped, None, "{report:?}");
}

/// Paging can hide an object.
async fn an_object_that_is_found_by_its_id_is_not_unlisted<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    import(&sync, &api(&clerk)).await;
    clerk.pass(LATER);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let id = first(&clerk, ObjectKind::User);
    let api = api_through(&clerk, move |request, response| {
        let is_list = request.uri().path().ends_with("/users")
            && !request.uri().query().is_some_and(|query| query.contains("user_id="));
        match is_list {
            true => edited(response, |users| users.as_array_mut().unwrap().retain(|user| user["id"] != *id)),
            false => response,
        }
    });
    let report = sync.reconcile(&api, ReconcileOptions::default()).await.unwrap();
    let users = table(&report, Resource::Users);
    let number = count(&clerk, ObjectKind::User);
    assert_eq!((users.seen, users.expected, users.unlisted), (number - 1, Some(number), 0));
    assert!(report.is_in_step(), "{report:?}");
}

/// A user signs up during the import. The event arrives later, and its hook must run.
async fn changes_of_the_last_minutes_are_left_to_their_events<DB: Engine>(sync: ClerkSync<DB>) {
    let history = history();
    let events = history.events();
    let last = events.iter().rposition(|event| event.event_type() == "user.created").unwrap();
    let clerk = FakeBackendApi::from_events(events[..=last].to_vec());
    clerk.advance_to(last + 1);
    let users = clerk.objects(ObjectKind::User);
    let last = users.values().max_by_key(|user| user["updated_at"].as_i64()).unwrap().clone();
    let id = last["id"].as_str().unwrap();
    let (sync, recorded) = recording(sync);
    // The last user is on the second page, which is read so late that the change is no longer recent.
    let (slow, last_id) = (clerk.clone(), id.to_owned());
    let slow = api_through(&clerk, move |request, response| {
        match (request.uri().path().ends_with("/users"), request.uri().query()) {
            (true, Some(query)) if query.contains("starting_after=") => {
                slow.pass(LATER);
                slow.answer(&authorized(request))
            }
            (true, _) => {
                edited(response, |users| users.as_array_mut().unwrap().retain(|user| user["id"] != *last_id))
            }
            (false, _) => response,
        }
    });

    let report = import(&sync, &slow).await;
    let left = table(&report, Resource::Users).left_to_events;
    assert!(left > 0 && left < users.len() as u64 && !report.is_in_step(), "{report:?}");
    assert_eq!(sync.user(id).await.unwrap(), None);
    let at = last["updated_at"].as_i64().unwrap();
    assert_eq!(sync.apply(&event("user.created", at, last.clone())).await.unwrap(), Applied::Inserted);
    assert_eq!(recorded.lock().unwrap().len(), 1);

    clerk.pass(LATER);
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).left_to_events, 0);
    assert_eq!(recorded.lock().unwrap().len(), 1);
    assert!(compare(&sync, &api(&clerk)).await.is_in_step());
}

async fn changes_of_the_last_minutes_are_imported_without_a_hook<DB: Engine>(sync: ClerkSync<DB>) {
    let history = history();
    let last = history.events().iter().rposition(|event| event.event_type() == "user.created").unwrap();
    let clerk = FakeBackendApi::from_events(history.events()[..=last].to_vec());
    clerk.advance_to(last + 1);
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).left_to_events, 0);
    let users = clerk.objects(ObjectKind::User);
    assert_eq!(table(&report, Resource::Users).inserted, users.len() as u64);
}

async fn an_import_of_other_tables_begins_again<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let fails = api_with(&clerk, |request| !request.uri().path().ends_with("/organizations"));
    sync.backfill(&fails, BackfillOptions::default()).await.unwrap_err();
    let options = BackfillOptions::default().resources([Resource::Users]);
    let report = sync.backfill(&api(&clerk), options).await.unwrap();
    assert_eq!(table(&report, Resource::Users).skipped, None);

    // A position of two days ago.
    sync.backfill(&fails, BackfillOptions::default()).await.unwrap_err();
    let saved = rows(&sync, "SELECT value FROM clerk_sync_state WHERE name = 'backfill_position'").await;
    let mut saved: Value = serde_json::from_str(&saved[0]).unwrap();
    saved["began_at"] = (saved["began_at"].as_i64().unwrap() - 2 * 86_400_000).into();
    let update = format!("UPDATE clerk_sync_state SET value = '{saved}' WHERE name = 'backfill_position'");
    <DB as Engine>::run(sync.pool(), &update).await;
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).skipped, None);
}

/// Returns a client that never receives the list of organizations, and the moment when it has asked for it.
fn hanging_api(clerk: &FakeBackendApi) -> (BackendApi, Arc<tokio::sync::Notify>) {
    let asked = Arc::new(tokio::sync::Notify::new());
    let (clerk, notify) = (clerk.clone(), Arc::clone(&asked));
    let send = move |request: Request<()>| {
        let response = clerk.answer(&authorized(&request));
        let hangs = request.uri().path().ends_with("/organizations");
        let notify = Arc::clone(&notify);
        async move {
            if hangs {
                notify.notify_one();
                std::future::pending::<()>().await;
            }
            Ok::<_, TransportError>(response)
        }
    };
    (BackendApi::new("sk_live_3kXp0wTq", send).unwrap().share(1.0).unwrap(), asked)
}

async fn a_run_stops_when_it_is_told_to<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let (hanging, asked) = hanging_api(&clerk);
    let options = BackfillOptions::default().until(async move { asked.notified().await });
    let error = sync.backfill(&hanging, options).await.unwrap_err();
    assert!(matches!(error, ImportError::Stopped) && !error.is_refusal(), "{error}");
    assert_eq!(sync.import_state().await.unwrap().leased_until, None);
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).skipped, Some(Skipped::Imported));

    // A run that is stopped before it begins writes nothing.
    let options = ReconcileOptions::default().until(async {});
    let error = sync.reconcile(&api(&clerk), options).await.unwrap_err();
    assert!(matches!(error, ImportError::Stopped), "{error}");
}

async fn a_dropped_run_gives_its_lease_back<DB: Engine>(sync: ClerkSync<DB>) {
    let (hanging, asked) = hanging_api(&clerk());
    tokio::select! {
        _ = sync.backfill(&hanging, BackfillOptions::default()) => unreachable!(),
        () = asked.notified() => {}
    }
    let dropped = std::time::Instant::now();
    while sync.import_state().await.unwrap().leased_until.is_some() {
        assert!(dropped.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_feature_that_is_off_is_skipped_without_tombstones<DB: Engine>(sync: ClerkSync<DB>) {
    import(&sync, &api(&clerk())).await;
    let before = rows(&sync, "SELECT id FROM clerk_active_memberships ORDER BY id").await;
    assert!(!before.is_empty());
    let off = FakeBackendApi::new(&history()).without(ObjectKind::Organization);
    off.pass(LATER);
    tokio::time::sleep(Duration::from_millis(2)).await;
    let report = sync.reconcile(&api(&off), ReconcileOptions::default()).await.unwrap();
    for resource in [Resource::Organizations, Resource::Memberships, Resource::Invitations] {
        let table = table(&report, resource);
        assert_eq!((table.skipped, table.tombstoned), (Some(Skipped::FeatureOff), 0), "{resource}");
    }
    assert_eq!(table(&report, Resource::Users).seen, count(&off, ObjectKind::User));
    assert_eq!(rows(&sync, "SELECT id FROM clerk_active_memberships ORDER BY id").await, before);
}

async fn forgotten_users_stay_forgotten<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let id = first(&clerk, ObjectKind::User);
    sync.forget_user(&id).await.unwrap();
    let report = import(&sync, &api(&clerk)).await;
    let users = table(&report, Resource::Users);
    assert_eq!((users.erased, users.inserted), (1, count(&clerk, ObjectKind::User) - 1));
    assert_eq!(sync.user(&id).await.unwrap(), None);
    assert_eq!(sync.refresh(&api(&clerk), &id).await.unwrap(), Refreshed::Erased);
    // Nothing can be repaired, so the tables are in step.
    assert!(import(&sync, &api(&clerk)).await.is_in_step());

    // The erased row is the only row that Clerk knows, and shows that the table is not of another instance.
    <DB as Engine>::run(sync.pool(), "DELETE FROM clerk_users WHERE deleted_at IS NULL").await;
    add_surplus(&sync, 1).await;
    let report = sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    let users = table(&report, Resource::Users);
    assert_eq!((users.erased, users.updated + users.unchanged, users.tombstoned), (1, 0, 1));
}

async fn the_state_of_the_runs_is_known<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    assert_eq!(sync.import_state().await.unwrap(), ImportState::default());
    let fails = api_with(&clerk, |request| !request.uri().path().ends_with("/organizations"));
    sync.backfill(&fails, BackfillOptions::default()).await.unwrap_err();
    let state = sync.import_state().await.unwrap();
    assert_eq!(state.instance_id, Some(clerk.instance_id()));
    assert!(state.is_incomplete && state.backfilled_at.is_none() && state.leased_until.is_none());

    import(&sync, &api(&clerk)).await;
    let state = sync.import_state().await.unwrap();
    assert!(!state.is_incomplete && state.backfilled_at.is_some() && state.reconciled_at.is_empty());
    let options = ReconcileOptions::default().resources([Resource::Users, Resource::Domains]);
    let report = sync.reconcile(&api(&clerk), options).await.unwrap();
    let reconciled = sync.import_state().await.unwrap().reconciled_at;
    assert_eq!(reconciled.keys().collect::<Vec<_>>(), [&Resource::Users, &Resource::Domains]);
    assert!(reconciled.values().all(|at| (report.started_at..=report.finished_at).contains(at)));
    let version = sync.schema_version().await.unwrap();
    assert_eq!((version.found, version.needed), (sync.migrations().len(), sync.migrations().len()));
}

async fn an_interrupted_import_continues<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    // The key loses its rights before the organizations are listed.
    let fails = api_with(&clerk, |request| !request.uri().path().ends_with("/organizations"));
    let error = sync.backfill(&fails, BackfillOptions::default()).await.unwrap_err();
    assert!(matches!(error, ImportError::Api(_)), "{error}");

    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).skipped, Some(Skipped::Imported));
    assert_eq!(table(&report, Resource::Organizations).inserted, count(&clerk, ObjectKind::Organization));
    assert!(compare(&sync, &api(&clerk)).await.is_in_step());

    // A complete import begins again.
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Users).seen, count(&clerk, ObjectKind::User));
    sync.backfill(&fails, BackfillOptions::default()).await.unwrap_err();
    let options = BackfillOptions::default().restart(true);
    let report = sync.backfill(&api(&clerk), options).await.unwrap();
    assert_eq!(table(&report, Resource::Users).skipped, None);
}

async fn only_one_run_writes_at_a_time<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    // The first run stops in its list of users, where it owns the lease, until the second run has failed.
    let (listing, is_listing) = tokio::sync::oneshot::channel();
    let (refused, is_refused) = tokio::sync::oneshot::channel();
    let gate = Arc::new(Mutex::new(Some((listing, is_refused))));
    let answers = clerk.clone();
    let send = move |mut request: Request<()>| {
        let key = HeaderValue::try_from(format!("Bearer {}", FakeBackendApi::SECRET_KEY)).unwrap();
        request.headers_mut().insert("authorization", key);
        let response = answers.answer(&request);
        let is_list = request.uri().path().ends_with("/users");
        let gate = if is_list { gate.lock().unwrap().take() } else { None };
        async move {
            if let Some((listing, is_refused)) = gate {
                listing.send(()).unwrap();
                is_refused.await.unwrap();
            }
            Ok::<_, TransportError>(response)
        }
    };
    let first = BackendApi::new("sk_live_3kXp0wTq", send).unwrap().share(1.0).unwrap();
    let (other, second) = (sync.clone(), api(&clerk));
    let second = tokio::spawn(async move {
        is_listing.await.unwrap();
        let error = other.reconcile(&second, ReconcileOptions::default()).await.unwrap_err();
        refused.send(()).unwrap();
        error
    });
    let report = sync.backfill(&first, BackfillOptions::default()).await.unwrap();
    let error = second.await.unwrap();
    assert!(matches!(error, ImportError::AlreadyRunning), "{error}");
    assert_eq!(table(&report, Resource::Users).inserted, count(&clerk, ObjectKind::User));
}

async fn one_object_is_refreshed<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let api = api(&clerk);
    let id = first(&clerk, ObjectKind::User);
    assert_eq!(sync.refresh(&api, &id).await.unwrap(), Refreshed::Inserted);
    assert_eq!(sync.refresh(&api, &id).await.unwrap(), Refreshed::Unchanged);
    <DB as Engine>::run(sync.pool(), "UPDATE clerk_users SET first_name = 'X', event_at = 1").await;
    assert_eq!(sync.refresh(&api, &id).await.unwrap(), Refreshed::Updated);
    assert_ne!(sync.user(&id).await.unwrap().unwrap().first_name.as_deref(), Some("X"));

    assert_eq!(sync.refresh(&api, "user_nobody").await.unwrap(), Refreshed::NotFound);
    add_surplus(&sync, 1).await;
    assert_eq!(sync.refresh(&api, "user_gone0").await.unwrap(), Refreshed::Tombstoned);
    assert_eq!(sync.refresh(&api, "user_gone0").await.unwrap(), Refreshed::Erased);
    let now = clerk.now().as_millis();
    sync.apply(&event("user.created", now, user("user_young", "Ada", now))).await.unwrap();
    assert_eq!(sync.refresh(&api, "user_young").await.unwrap(), Refreshed::Unconfirmed);
    for id in ["", "sess_1", "user"] {
        assert!(matches!(sync.refresh(&api, id).await, Err(ImportError::UnknownId)), "{id}");
    }
    import(&sync, &api).await;
    let membership = first(&clerk, ObjectKind::OrganizationMembership);
    assert_eq!(sync.refresh(&api, &membership).await.unwrap(), Refreshed::Unchanged);
}

/// Only the event of the acceptance says who accepted an invitation, which `forget_user` needs.
async fn an_acceptance_keeps_its_user<DB: Engine>(sync: ClerkSync<DB>) {
    let clerk = clerk();
    let objects = clerk.objects(ObjectKind::OrganizationInvitation);
    let (id, object) = objects.iter().find(|(_, object)| object["status"] == "accepted").unwrap();
    let mut data = object.clone();
    data["user_id"] = "user_1".into();
    let at = data["updated_at"].as_i64().unwrap();
    sync.apply(&event("organizationInvitation.accepted", at, data)).await.unwrap();
    let report = import(&sync, &api(&clerk)).await;
    assert_eq!(table(&report, Resource::Invitations).unchanged, 1);
    let query = format!("SELECT user_id FROM clerk_invitations WHERE id = '{id}'");
    assert_eq!(rows(&sync, &query).await, ["user_1"]);

    // Other columns of the same version are repaired.
    <DB as Engine>::run(sync.pool(), "UPDATE clerk_invitations SET status = 'lost' WHERE user_id = 'user_1'")
        .await;
    let report = compare(&sync, &api(&clerk)).await;
    let [drift] = &table(&report, Resource::Invitations).drift[..] else { panic!("{report:?}") };
    assert_eq!((drift.id.as_str(), drift.kind), (id.as_str(), DriftKind::Differing));
    sync.reconcile(&api(&clerk), ReconcileOptions::default()).await.unwrap();
    assert!(compare(&sync, &api(&clerk)).await.is_in_step());
    let query = format!("SELECT status FROM clerk_invitations WHERE id = '{id}' AND user_id = 'user_1'");
    assert_eq!(rows(&sync, &query).await, ["accepted"]);
}

async fn the_waitlist_is_imported_only_if_it_is_kept<DB: Engine>(sync: ClerkSync<DB>) {
    let history = History::builder().scenario(Scenario::All).seed(7).events(400).build();
    let clerk = FakeBackendApi::new(&history);
    assert_eq!(import(&sync, &api(&clerk)).await.table(Resource::WaitlistEntries), None);
    let options = BackfillOptions::default().resources([Resource::WaitlistEntries]);
    let report = sync.backfill(&api(&clerk), options.clone()).await.unwrap();
    assert_eq!(table(&report, Resource::WaitlistEntries).skipped, Some(Skipped::NotKept));
    assert_eq!(sync.refresh(&api(&clerk), "wle_1").await.unwrap(), Refreshed::NotKept);
    let sync = sync.keep_waitlist();
    let report = sync.backfill(&api(&clerk), options).await.unwrap();
    let entries = count(&clerk, ObjectKind::WaitlistEntry);
    assert!(entries > 0);
    assert_eq!(table(&report, Resource::WaitlistEntries).inserted, entries);
    assert_eq!(report.tables.len(), 1);
}

async fn an_error_of_the_hook_stops_the_run<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.on_change(|_change, _connection| Box::pin(async { Err("no".into()) }));
    let options = BackfillOptions::default().call_hook(true);
    let error = sync.backfill(&api(&clerk()), options).await.unwrap_err();
    assert!(matches!(error, ImportError::Sync(_)), "{error}");
    assert!(rows(&sync, "SELECT id FROM clerk_users").await.is_empty());
    // The lease was given back, so the next run does not wait.
    assert!(rows(&sync, "SELECT name FROM clerk_sync_state WHERE name = 'lease'").await.is_empty());
}

/// The subscriber applies to the thread, so the test sees only its own lines.
#[cfg(feature = "tracing")]
#[tokio::test]
async fn an_unreadable_object_is_logged_with_its_id_and_the_reason() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let clerk = clerk();
    let id = first(&clerk, ObjectKind::User);
    let unreadable = id.clone();
    let api = api_through(&clerk, move |request, response| match request.uri().path() {
        path if path.ends_with("/users") => edited(response, |users| {
            let mut users = users.as_array_mut().unwrap().iter_mut();
            if let Some(user) = users.find(|user| user["id"] == *unreadable) {
                user.as_object_mut().unwrap().remove("email_addresses");
            }
        }),
        _ => response,
    });
    let sync = crate::databases::migrated::<sqlx::Sqlite>("logged").await.unwrap();
    import(&sync, &api).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("cannot be read")).unwrap();
    for part in ["WARN clerk_webhook: ", "table=\"users\"", &id, "it is incomplete"] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
}

#[tokio::test]
async fn runs_can_be_spawned() {
    let sync = crate::databases::migrated::<sqlx::Sqlite>("spawned").await.unwrap();
    let client = api(&clerk());
    let report = tokio::spawn(async move {
        sync.backfill(&client, BackfillOptions::default()).await.unwrap();
        sync.refresh(&client, "user_nobody").await.unwrap();
        sync.reconcile(&client, ReconcileOptions::default()).await.unwrap()
    });
    assert!(report.await.unwrap().is_in_step());
}
