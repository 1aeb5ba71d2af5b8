//! After every prefix of every order, with any event withheld, nothing is live whose end is implied by what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use clerk_webhook_core::{Event, Timestamp};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::{Value, json};
use sqlx::{Acquire as _, Sqlite, SqliteConnection};

use super::history::{Case, Clock, cases};
use super::tables::{dump, live};
use super::{DISORDERED, ORDERED, config, memory, pair, postgres, runtime, same};
use crate::apply::engine::SyncDatabase;
use crate::observe::{Observation, Observed, Order, Rank};
use crate::rows::{Columns, FromColumns, MembershipRow, OrganizationRow, UserRow};
use crate::schema::Entity;
use crate::sync::ClerkSync;

/// How many histories are tried; after each of their events all views are read.
const HISTORIES: u32 = 300;

/// What was seen, by the events alone.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The ids of everything that has a deletion.
    deleted: BTreeSet<String>,
    /// The pair of each membership, of which any event may tell.
    pairs: BTreeMap<String, (String, String)>,
}

impl Seen {
    fn see(&mut self, event_type: &str, data: &Value) {
        let id = data["id"].as_str().unwrap_or_default();
        if event_type.ends_with(".deleted") {
            self.deleted.insert(id.to_owned());
        }
        let (organization, user) = (&data["organization"]["id"], &data["public_user_data"]["user_id"]);
        if event_type.starts_with("organizationMembership.")
            && let (Some(organization), Some(user)) = (organization.as_str(), user.as_str())
        {
            self.pairs.insert(id.to_owned(), (organization.to_owned(), user.to_owned()));
        }
    }

    /// Returns all ids whose end is implied: of what was deleted, and of each membership of which a later one of the same pair
    /// was seen, whatever became of that. The ids of a history tell which is later.
    fn ended(&self) -> BTreeSet<&str> {
        let mut ended: BTreeSet<_> = self.deleted.iter().map(String::as_str).collect();
        let number = |id: &str| id.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok());
        for (id, pair) in &self.pairs {
            let number: fn(&str) -> Option<u64> = number;
            let is_later =
                |(other, of): (&String, &(String, String))| of == pair && number(other) > number(id);
            if self.pairs.iter().any(is_later) {
                ended.insert(id);
            }
        }
        ended
    }
}

/// Compares everything that is live with what was seen.
async fn nothing_is_live_that_has_ended(
    seen: &Seen,
    connection: &mut SqliteConnection,
) -> Result<(), TestCaseError> {
    let ended = seen.ended();
    let shown = live::<Sqlite>(DISORDERED, connection).await;
    let wrong: Vec<_> = shown
        .iter()
        .filter(|line| {
            let mut words = line.split(' ');
            // An organization does not end with the user who created it.
            let ids = if words.next() == Some("organization") { 1 } else { usize::MAX };
            words.take(ids).any(|word| ended.contains(word))
        })
        .collect();
    same("ends", &wrong, &Vec::new())
}

async fn sync(connection: &sqlx::SqlitePool, migrations: usize) -> ClerkSync<Sqlite> {
    let sync = ClerkSync::new(connection.clone()).prefix(DISORDERED).unwrap();
    for migration in sync.statements().migrations.iter().take(migrations) {
        sqlx::raw_sql(migration.clone()).execute(connection).await.unwrap();
    }
    sync.keep_sessions().keep_billing().keep_waitlist()
}

fn all_histories(migrations: usize, mut runner: TestRunner) -> Result<(), TestError<Case>> {
    let runtime = runtime();
    let pool = runtime.block_on(memory());
    let sync = runtime.block_on(sync(&pool, migrations));
    runner.run(&cases(40), |case| {
        runtime.block_on(async {
            let mut transaction = pool.begin().await.unwrap();
            let result = history(&case, &sync, &mut transaction).await;
            transaction.rollback().await.unwrap();
            result
        })
    })
}

async fn history(
    case: &Case,
    sync: &ClerkSync<Sqlite>,
    connection: &mut SqliteConnection,
) -> Result<(), TestCaseError> {
    let events = case.history("", Clock::Increasing).events;
    let withheld = case.withheld(&events).cloned();
    let mut seen = Seen::default();
    for event in case.arrivals(&events) {
        if withheld.as_ref().is_some_and(|withheld| withheld.message_id() == event.message_id()) {
            continue;
        }
        sync.apply_in(connection, &event).await.unwrap();
        let data: Value = serde_json::from_str(event.raw_data()).unwrap();
        seen.see(event.event_type().as_str(), &data);
        nothing_is_live_that_has_ended(&seen, connection).await?;
    }
    Ok(())
}

#[test]
fn no_prefix_of_a_history_shows_what_has_ended() {
    let result = all_histories(usize::MAX, TestRunner::new(config(HISTORIES)));
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

/// The property notices the view of before.
#[test]
fn the_view_of_version_2_shows_a_member_who_has_left() {
    let config = Config { max_shrink_iters: 0, ..config(2_000) };
    // The same histories each time, so that one of them always shows it.
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let result = all_histories(2, TestRunner::new_with_rng(config, rng));
    assert!(matches!(result, Err(TestError::Fail(..))));
}

/// What can happen to two memberships of a pair, to their user, and to their organization.
#[derive(Clone)]
struct Happening {
    event_type: &'static str,
    data: Value,
    at: i64,
}

const T: i64 = 1_700_000_000_000;

fn happenings() -> Vec<Happening> {
    let happening = |event_type, at, data| Happening { event_type, data, at: T + at };
    let mut happenings = Vec::new();
    // The second one was created 100 ms later.
    for (id, begin) in [("orgmem_1", 100), ("orgmem_2", 200)] {
        let data = |updated_at: i64, role| {
            json!({
                "created_at": T + begin, "id": id, "permissions": [], "role": role, "updated_at": T + updated_at,
                "organization": { "created_at": T, "id": "org_1", "name": "Copy", "updated_at": T + begin },
                "public_user_data": { "first_name": "Copy", "identifier": "copy", "user_id": "user_1" },
            })
        };
        let (created, updated) = (data(begin, "org:admin"), data(begin + 20, "org:member"));
        happenings.extend([
            happening("organizationMembership.created", begin + 9, created),
            happening("organizationMembership.updated", begin + 29, updated.clone()),
            happening("organizationMembership.deleted", begin + 59, updated),
            happening("organizationMembership.deleted", begin + 59, json!({ "deleted": true, "id": id })),
        ]);
    }
    let user = |updated_at: i64| {
        json!({
            "created_at": T, "external_id": "42", "id": "user_1", "primary_email_address_id": "idn_1",
            "email_addresses": [
                { "email_address": "ada@example.com", "id": "idn_1",
                  "verification": { "status": "verified", "strategy": "email_code" } },
            ],
            "updated_at": T + updated_at,
        })
    };
    let session = |status, updated_at: i64| {
        json!({
            "abandon_at": T, "client_id": "client_1", "created_at": T + 10, "expire_at": T, "id": "sess_1",
            "last_active_at": T + 10,
            "status": status, "updated_at": T + updated_at, "user_id": "user_1",
        })
    };
    let organization =
        json!({ "created_at": T, "created_by": "user_1", "id": "org_1", "name": "Acme", "updated_at": T });
    let item = json!({
        "id": "csub_item_1", "payer": { "email": "", "id": "cpayer_1", "image_url": "", "organization_id": "org_1" }, "period_start": T + 10,
        "status": "active", "subscription_id": "csub_1", "updated_at": T + 10,
    });
    happenings.extend([
        happening("user.created", 9, user(0)),
        happening("user.updated", 30, user(21)),
        happening("user.deleted", 400, json!({ "deleted": true, "id": "user_1", "object": "user" })),
        happening("organization.created", 9, organization),
        happening(
            "organization.deleted",
            400,
            json!({ "deleted": true, "id": "org_1", "object": "organization" }),
        ),
        happening("session.created", 19, session("active", 10)),
        happening("session.ended", 300, session("ended", 300)),
        happening("subscriptionItem.active", 19, item),
    ]);
    happenings
}

impl Happening {
    async fn apply(&self, sync: &ClerkSync<Sqlite>, connection: &mut SqliteConnection) {
        let Self { event_type, data, at } = self;
        let body = json!({ "data": data, "object": "event", "timestamp": at, "type": event_type });
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.to_string().into());
        sync.apply_in(connection, &event.unwrap()).await.unwrap();
    }
}

/// What was seen, and what the queries have to answer by it.
#[derive(Clone, Default)]
struct Expected {
    seen: Seen,
    known: BTreeMap<String, Value>,
    kinds: BTreeSet<&'static str>,
}

impl Expected {
    fn see(&mut self, happening: &Happening) {
        self.seen.see(happening.event_type, &happening.data);
        self.kinds.insert(happening.event_type);
        if !happening.event_type.ends_with(".deleted") {
            let id = happening.data["id"].as_str().unwrap().to_owned();
            let known = self.known.entry(id).or_insert_with(|| happening.data.clone());
            if happening.data["updated_at"].as_i64() > known["updated_at"].as_i64() {
                *known = happening.data.clone();
            }
        }
    }

    /// Returns a line for everything that is live: what is known, has not ended, and belongs to nothing that has.
    fn lines(&self) -> BTreeSet<String> {
        let ended = self.seen.ended();
        let is_live = |id: &str| self.known.contains_key(id) && !ended.contains(id);
        let (has_user, has_organization) = (!ended.contains("user_1"), !ended.contains("org_1"));
        let mut lines = BTreeSet::new();
        for id in
            ["orgmem_1", "orgmem_2"].into_iter().filter(|id| is_live(id) && has_user && has_organization)
        {
            let role = self.known[id]["role"].as_str().unwrap_or_default();
            lines.extend(["members", "organizations_of"].map(|query| format!("{query} {id} {role}")));
        }
        if is_live("user_1") {
            lines.extend(
                ["user_by_id", "user_by_primary_email", "user_by_external_id"]
                    .map(|query| format!("{query} user_1")),
            );
        }
        if is_live("org_1") {
            lines.insert("organization_by_id org_1".to_owned());
        }
        if is_live("sess_1") && has_user && self.known["sess_1"]["status"] == "active" {
            lines.insert("sessions_of sess_1".to_owned());
        }
        if is_live("csub_item_1") && has_organization {
            lines.insert("subscription_items_of csub_item_1".to_owned());
        }
        lines
    }
}

/// Asks everything that can be asked of what is live.
async fn ask(sync: &ClerkSync<Sqlite>, connection: &mut SqliteConnection) -> BTreeSet<String> {
    let queries = &sync.statements().queries;
    let pair = |other: Vec<_>| [MembershipRow::kinds(), other].concat();
    let (users, organizations) = (UserRow::kinds(), OrganizationRow::kinds());
    let mut lines = BTreeSet::new();
    for (name, query, by, kinds) in [
        ("user_by_id", &queries.user_by_id, "user_1", users.clone()),
        ("user_by_primary_email", &queries.user_by_primary_email, "ada@example.com", users.clone()),
        ("user_by_external_id", &queries.user_by_external_id, "42", users.clone()),
        ("organization_by_id", &queries.organization_by_id, "org_1", organizations.clone()),
        ("members", &queries.members, "org_1", pair(users)),
        ("organizations_of", &queries.organizations_of, "user_1", pair(organizations)),
        ("sessions_of", &queries.sessions_of, "user_1", crate::SessionRow::kinds()),
        ("subscriptions_of", &queries.subscriptions_of, "org_1", crate::SubscriptionRow::kinds()),
        (
            "subscription_items_of",
            &queries.subscription_items_of,
            "org_1",
            crate::SubscriptionItemRow::kinds(),
        ),
    ] {
        let rows = sync.fetch(connection, query.clone(), &[by.into()], &kinds).await.unwrap();
        lines.extend(rows.into_iter().map(|row| {
            if kinds.len() > MembershipRow::kinds().len()
                && name.starts_with(['m', 'o'])
                && name.ends_with(['s', 'f'])
            {
                let row = MembershipRow::read(&mut Columns::new(row)).unwrap();
                return format!("{name} {} {}", row.id, row.role.unwrap());
            }
            format!("{name} {}", Columns::new(row).text().unwrap())
        }));
    }
    lines
}

/// Applies each of the happenings, and whatever comes after it.
fn after<'a>(
    (sync, happenings): (&'a ClerkSync<Sqlite>, &'a [Happening]),
    connection: &'a mut SqliteConnection,
    path: &'a mut Vec<usize>,
    expected: Expected,
    tables: &'a mut BTreeMap<Vec<usize>, Vec<String>>,
) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        for (number, happening) in happenings.iter().enumerate() {
            let mut savepoint = connection.begin().await.unwrap();
            happening.apply(sync, &mut savepoint).await;
            path.push(number);
            let mut expected = expected.clone();
            expected.see(happening);
            assert_eq!(ask(sync, &mut savepoint).await, expected.lines(), "{path:?}");
            let known = dump::<Sqlite>(DISORDERED, &mut savepoint).await;
            let mut sorted = path.clone();
            sorted.sort_unstable();
            let first = tables.entry(sorted).or_insert_with(|| known.clone());
            assert_eq!(known, *first, "{path:?}");
            if path.len() < 3 {
                after((sync, happenings), &mut savepoint, path, expected, tables).await;
            }
            path.pop();
            savepoint.rollback().await.unwrap();
        }
    })
}

/// All of them, in all orders: every set of three at most, which leaves out all others, and every prefix.
#[test]
fn three_of_any_events_in_any_order_show_what_is_live_and_end_in_the_same_tables() {
    runtime().block_on(async {
        let pool = memory().await;
        let sync = sync(&pool, usize::MAX).await;
        let mut connection = pool.acquire().await.unwrap();
        let (path, tables) = (&mut Vec::new(), &mut BTreeMap::new());
        after((&sync, &happenings()), &mut connection, path, Expected::default(), tables).await;
    });
}

/// Observations of a membership, each of which knows something else of what a tombstone keeps.
fn partial() -> Vec<Observed> {
    let table = Entity::Memberships.table();
    let version = |updated_at, created_at: Option<i64>, organization: Option<&str>, user: Option<&str>| {
        let columns = [
            ("created_at", created_at.into()),
            ("organization_id", organization.into()),
            ("user_id", user.into()),
        ];
        let order = Order { rank: Rank::Whole, updated_at, event_at: updated_at, tie: String::new() };
        Observed::Version { order, columns: table.row(columns), children: Some(Vec::new()) }
    };
    let deletion = |at, user: Option<&str>| {
        let kept = table.kept_of(&table.row([("user_id", user.into())]));
        Observed::Deleted { at, kept }
    };
    vec![
        version(T + 1, Some(T), None, Some("user_1")),
        version(T + 2, None, Some("org_1"), None),
        version(T + 3, None, None, None),
        deletion(T + 4, None),
        deletion(T + 5, Some("user_1")),
    ]
}

/// Writes all of them in all orders, and compares what is known in the end.
async fn all_orders<DB: SyncDatabase>(pool: sqlx::Pool<DB>) {
    let [one, other] = pair(&pool).await;
    let told = Arc::new(Mutex::new(None));
    let last = Arc::clone(&told);
    let telling = other.on_change(move |change, _connection| {
        let mut last = last.lock().unwrap();
        let crate::Change::Membership(change) = change else { unreachable!() };
        assert_eq!(change.before, *last, "each change begins with what the one before has left");
        last.clone_from(&change.after);
        Box::pin(async { Ok(()) })
    });
    let mut orders = vec![Vec::new()];
    for change in partial() {
        let insert = |order: &Vec<Observed>| {
            let insert_at = |place| {
                let mut order = order.clone();
                order.insert(place, change.clone());
                order
            };
            (0..=order.len()).map(insert_at).collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(insert).collect();
    }
    assert_eq!(orders.len(), 120);
    for order in orders {
        let mut transaction = pool.begin().await.unwrap();
        *told.lock().unwrap() = None;
        for change in &order {
            for sync in [&one, &telling] {
                let id = "orgmem_1".to_owned();
                let observations =
                    vec![Observation { entity: Entity::Memberships, id, observed: change.clone() }];
                sync.write(&mut transaction, observations, false).await.unwrap();
            }
        }
        let expected = format!("memberships orgmem_1 9 0 0  {} {T} org_1 user_1 - - - - -", T + 4);
        for names in [ORDERED, DISORDERED] {
            assert_eq!(dump::<DB>(names, &mut transaction).await, [expected.as_str()], "{order:?}");
        }
        transaction.rollback().await.unwrap();
    }
}

#[test]
fn a_tombstone_keeps_what_any_observation_knew_in_any_order() {
    runtime().block_on(async { all_orders(memory().await).await });
}

#[test]
fn a_tombstone_on_a_server_keeps_what_any_observation_knew_in_any_order() {
    runtime().block_on(async {
        if let Some(pool) = postgres("keeps").await {
            all_orders(pool).await;
        }
    });
}
