//! If the events so far imply that an object has ended, no view shows it, even if one event is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use clerk_webhook_core::{Event, Timestamp};
use serde_json::{Value, json};
use sqlx::{Acquire as _, Row as _, Sqlite, SqliteConnection};

use super::history::{Case, Clock};
use super::tables::{dump, live};
use super::{
    DISORDERED, LATEST, ORDERED, Violation, everything, memory, pair, postgres, runtime, same, try_out,
};
use crate::apply::engine::SyncDatabase;
use crate::observe::{Observation, Observed, Order, Rank};
use crate::schema::tables::Entity;
use crate::schema::tables::MembershipRow;
use crate::sync::ClerkSync;

/// The number of histories; small, because all views are read after each event.
const HISTORIES: u64 = 20;

/// The deletions and memberships in the events so far.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The ids of the deleted objects.
    deleted: BTreeSet<String>,
    /// Each membership's organization and user.
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

    /// Returns the ids of all objects that have ended according to the events.
    ///
    /// These are the deleted objects, and each membership whose user has a later membership in the same
    /// organization, even if the later one was deleted. The later membership has the greater number.
    fn ended(&self, number: impl Fn(&str) -> Option<usize>) -> BTreeSet<&str> {
        let mut ended: BTreeSet<_> = self.deleted.iter().map(String::as_str).collect();
        let mut latest: BTreeMap<_, &str> = BTreeMap::new();
        for (id, pair) in &self.pairs {
            let other = latest.entry(pair).or_insert(id);
            if number(id) > number(other) {
                ended.insert(std::mem::replace(other, id));
            } else if *other != id {
                ended.insert(id);
            }
        }
        ended
    }
}

/// Checks after each event that no object that has ended is live. One event of the history never arrives.
async fn nothing_is_live_that_has_ended(
    [_, sync]: &[ClerkSync<Sqlite>; 2],
    case: &Case,
    connection: &mut SqliteConnection,
) -> Result<(), Violation> {
    let data = |event: &Event| serde_json::from_str::<Value>(event.raw_data()).unwrap();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for (number, event) in case.events.iter().enumerate() {
        numbers.entry(data(event)["id"].as_str().unwrap_or_default().to_owned()).or_insert(number);
    }
    let withheld = case.arrivals.get(case.arrivals.len() / 2).map(Event::message_id);
    let mut seen = Seen::default();
    for event in case.arrivals.iter().filter(|event| withheld != Some(event.message_id())) {
        sync.apply_in(connection, event).await.unwrap();
        seen.see(event.event_type().as_str(), &data(event));
        let ended = seen.ended(|id| numbers.get(id).copied());
        let shown = live::<Sqlite>(DISORDERED, connection).await;
        let wrong: Vec<_> = shown
            .iter()
            .filter(|line| {
                let mut words = line.split(' ');
                // An organization does not end when its creator is deleted.
                let ids = if words.next() == Some("organization") { 1 } else { usize::MAX };
                words.take(ids).any(|word| ended.contains(word))
            })
            .collect();
        same("ends", &wrong, &Vec::new())?;
    }
    Ok(())
}

#[test]
fn no_prefix_of_a_history_shows_an_ended_object() {
    assert_eq!(try_out(HISTORIES, LATEST, Clock::Increasing, nothing_is_live_that_has_ended), Ok(()));
}

/// Checks that the property can fail.
#[test]
fn the_view_of_version_2_shows_a_member_who_has_left() {
    let result = try_out(10 * HISTORIES, 2, Clock::Increasing, nothing_is_live_that_has_ended);
    assert!(result.is_err());
}

/// An event about one of two memberships of one user in one organization, or about this user, this
/// organization, a session or a subscription item.
#[derive(Clone)]
struct Step {
    event_type: &'static str,
    data: Value,
    at: i64,
}

const T: i64 = 1_700_000_000_000;

fn steps() -> Vec<Step> {
    let step = |event_type, at, data| Step { event_type, data, at: T + at };
    let mut steps = Vec::new();
    // The second membership was created 100 ms later.
    for (id, begin) in [("orgmem_1", 100), ("orgmem_2", 200)] {
        let data = |updated_at: i64, role| {
            json!({
                "created_at": T + begin, "id": id, "permissions": [], "role": role, "updated_at": T + updated_at,
                "organization": { "created_at": T, "id": "org_1", "name": "Copy", "updated_at": T + begin },
                "public_user_data": { "first_name": "Copy", "identifier": "copy", "user_id": "user_1" },
            })
        };
        let (created, updated) = (data(begin, "org:admin"), data(begin + 20, "org:member"));
        steps.extend([
            step("organizationMembership.created", begin + 9, created),
            step("organizationMembership.updated", begin + 29, updated.clone()),
            step("organizationMembership.deleted", begin + 59, updated),
            step("organizationMembership.deleted", begin + 59, json!({ "deleted": true, "id": id })),
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
    steps.extend([
        step("user.created", 9, user(0)),
        step("user.updated", 30, user(21)),
        step("user.deleted", 400, json!({ "deleted": true, "id": "user_1", "object": "user" })),
        step("organization.created", 9, organization),
        step(
            "organization.deleted",
            400,
            json!({ "deleted": true, "id": "org_1", "object": "organization" }),
        ),
        step("session.created", 19, session("active", 10)),
        step("session.ended", 300, session("ended", 300)),
        step("subscriptionItem.active", 19, item),
    ]);
    steps
}

impl Step {
    async fn apply(&self, sync: &ClerkSync<Sqlite>, connection: &mut SqliteConnection) {
        let Self { event_type, data, at } = self;
        let body = json!({ "data": data, "object": "event", "timestamp": at, "type": event_type });
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.to_string().into());
        sync.apply_in(connection, &event.unwrap()).await.unwrap();
    }
}

/// The events so far, and what the queries must return after them.
#[derive(Clone, Default)]
struct Expected {
    seen: Seen,
    known: BTreeMap<String, Value>,
    kinds: BTreeSet<&'static str>,
}

impl Expected {
    fn see(&mut self, step: &Step) {
        self.seen.see(step.event_type, &step.data);
        self.kinds.insert(step.event_type);
        if !step.event_type.ends_with(".deleted") {
            let id = step.data["id"].as_str().unwrap().to_owned();
            let known = self.known.entry(id).or_insert_with(|| step.data.clone());
            if step.data["updated_at"].as_i64() > known["updated_at"].as_i64() {
                *known = step.data.clone();
            }
        }
    }

    /// Returns a line for each live object. A live object is known, has not ended, and does not belong to an
    /// ended object.
    fn lines(&self) -> BTreeSet<String> {
        let number = |id: &str| id.rsplit('_').next()?.parse().ok();
        let ended = self.seen.ended(number);
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

/// Runs all queries for live rows.
async fn ask(sync: &ClerkSync<Sqlite>, connection: &mut SqliteConnection) -> BTreeSet<String> {
    let queries = &sync.statements().queries;
    let mut lines = BTreeSet::new();
    for (name, query, by) in [
        ("user_by_id", &queries.user_by_id, "user_1"),
        ("user_by_primary_email", &queries.user_by_primary_email, "ada@example.com"),
        ("user_by_external_id", &queries.user_by_external_id, "42"),
        ("organization_by_id", &queries.organization_by_id, "org_1"),
        ("members", &queries.members, "org_1"),
        ("organizations_of", &queries.organizations_of, "user_1"),
        ("sessions_of", &queries.sessions_of, "user_1"),
        ("subscriptions_of", &queries.subscriptions_of, "org_1"),
        ("subscription_items_of", &queries.subscription_items_of, "org_1"),
    ] {
        for row in sync.fetch(connection, query.clone(), &[by.into()]).await.unwrap() {
            let id: String = row.get("id");
            lines.insert(match sync.read::<MembershipRow>(&row, "") {
                Ok(Some(membership)) => format!("{name} {id} {}", membership.role.unwrap()),
                _ => format!("{name} {id}"),
            });
        }
    }
    lines
}

/// Applies each step and then, recursively, each step after it.
fn after<'a>(
    (sync, steps): (&'a ClerkSync<Sqlite>, &'a [Step]),
    connection: &'a mut SqliteConnection,
    path: &'a mut Vec<usize>,
    expected: Expected,
    tables: &'a mut BTreeMap<Vec<usize>, Vec<String>>,
) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        for (number, step) in steps.iter().enumerate() {
            let mut savepoint = connection.begin().await.unwrap();
            step.apply(sync, &mut savepoint).await;
            path.push(number);
            let mut expected = expected.clone();
            expected.see(step);
            assert_eq!(ask(sync, &mut savepoint).await, expected.lines(), "{path:?}");
            let known = dump::<Sqlite>(DISORDERED, &mut savepoint).await;
            let mut sorted = path.clone();
            sorted.sort_unstable();
            let first = tables.entry(sorted).or_insert_with(|| known.clone());
            assert_eq!(known, *first, "{path:?}");
            if path.len() < 3 {
                after((sync, steps), &mut savepoint, path, expected, tables).await;
            }
            path.pop();
            savepoint.rollback().await.unwrap();
        }
    })
}

/// Tries every sequence of at most three events.
#[test]
fn any_three_events_in_any_order_show_the_live_rows_and_end_in_the_same_tables() {
    runtime().block_on(async {
        let pool = memory().await;
        let sync = everything(pool.clone(), DISORDERED);
        sync.migrate().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        let (path, tables) = (&mut Vec::new(), &mut BTreeMap::new());
        after((&sync, &steps()), &mut connection, path, Expected::default(), tables).await;
    });
}

/// Returns observations of a membership, each with a different part of the columns that a tombstone keeps.
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

/// Writes the observations in all orders and compares the final rows.
async fn all_orders<DB: SyncDatabase>(pool: sqlx::Pool<DB>) {
    let [one, other] = pair(&pool).await;
    let last_row = Arc::new(Mutex::new(None));
    let last = Arc::clone(&last_row);
    let with_hook = other.on_change(move |change, _connection| {
        let mut last = last.lock().unwrap();
        let crate::Change::Membership(change) = change else { unreachable!() };
        assert_eq!(change.before, *last, "`before` must be the `after` of the previous change");
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
        *last_row.lock().unwrap() = None;
        for change in &order {
            for sync in [&one, &with_hook] {
                let id = "orgmem_1".to_owned();
                let observations =
                    vec![Observation { entity: Entity::Memberships, id, observed: change.clone() }];
                sync.write(&mut transaction, observations, false, crate::Origin::Event).await.unwrap();
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
fn a_tombstone_keeps_the_columns_of_all_observations_in_any_order() {
    runtime().block_on(async { all_orders(memory().await).await });
}

#[test]
fn a_tombstone_in_postgres_keeps_the_columns_of_all_observations_in_any_order() {
    runtime().block_on(async {
        if let Some(pool) = postgres("keeps").await {
            all_orders(pool).await;
        }
    });
}
