//! `clerk-webhook reconcile`.

use std::time::Duration;

use clerk_webhook_test::{FakeBackendApi, ObjectKind, Scenario};
use serde_json::{Value, json};

use super::{Tables, clerk, history, number, result};
use crate::support::clerk::Clerk;

/// The tables contain an early state of Clerk, so the events after it were lost.
async fn repairs_lost_events(tables: &Tables) {
    let history = history(Scenario::Churn, 700);
    let early = clerk(&history, 600).await;
    tables.migrate();
    assert_eq!(tables.with(&early, &["backfill"]).code, 0);
    let now = clerk(&history, 700).await;

    let run = tables.with(&now, &["reconcile", "--dry-run", "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(result(&run)["result"], "drift", "{run:?}");
    let drift: Vec<_> = run.objects().into_iter().filter(|line| line["type"] == "drift").collect();
    let kinds = |kind: &str| drift.iter().filter(|line| line["kind"] == kind).count() as u64;
    assert!(["missing", "stale", "surplus"].iter().all(|kind| kinds(kind) > 0), "{drift:?}");
    let counted = |name: &str| {
        let tables = result(&run)["tables"].as_object().unwrap().clone();
        tables.values().map(|table| table[name].as_u64().unwrap_or(0)).sum::<u64>()
    };
    assert_eq!((counted("inserted"), counted("tombstoned")), (kinds("missing"), kinds("surplus")));
    let missing = drift.iter().find(|line| line["kind"] == "missing" && line["table"] == "users").unwrap();
    assert!(now.fake.objects(ObjectKind::User).contains_key(missing["id"].as_str().unwrap()), "{missing}");

    let run = tables.with(&now, &["reconcile", "--dry-run"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stdout.contains("\ndrift: ") && run.stdout.contains("Run: clerk-webhook reconcile"),
        "{run:?}"
    );
    // A dry run writes nothing.
    assert_eq!(tables.rows("users").0, number(&early, ObjectKind::User));

    let run = tables.with(&now, &["reconcile"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("\nrepaired in "), "{run:?}");
    for (table, kind) in [("users", ObjectKind::User), ("organizations", ObjectKind::Organization)] {
        let (live, deleted) = tables.rows(table);
        assert_eq!(live, number(&now, kind), "{table}");
        assert!(deleted > 0, "{table}");
    }
    for args in [&["reconcile", "--json"][..], &["reconcile", "--dry-run", "--json"]] {
        let run = tables.with(&now, args);
        assert_eq!((run.code, &result(&run)["result"]), (0, &json!("ok")), "{run:?}");
        for table in result(&run)["tables"].as_object().unwrap().values() {
            let written = ["inserted", "updated", "tombstoned"].map(|name| table[name].as_u64());
            assert_eq!(written, [Some(0); 3], "{run:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repairs_lost_events_in_sqlite() {
    repairs_lost_events(&Tables::sqlite("repair")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repairs_lost_events_in_postgres() {
    let Some(tables) = Tables::postgres("repair").await else { return };
    repairs_lost_events(&tables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletes_nothing_if_too_much_is_missing() {
    let tables = Tables::sqlite("refused");
    tables.migrate();
    let history = history(Scenario::SignUp, 300);
    let clerk = clerk(&history, 300).await;
    assert_eq!(tables.with(&clerk, &["backfill", "--tables", "users"]).code, 0);
    let before = tables.rows("users");
    let instance = clerk.fake.instance_id();
    let other = |events: usize| {
        let fake = FakeBackendApi::from_events(history.events()[..events].to_vec());
        fake.advance_to(events);
        let fake = fake.with_instance_id(&*instance);
        // An hour after the import, because rows that were just written stay. The clock of a history without events
        // begins long before.
        let missing = clerk.fake.now().as_millis() - fake.now().as_millis();
        fake.pass(Duration::from_millis(missing.try_into().unwrap()) + Duration::from_secs(3600));
        fake
    };

    let empty = Clerk::start(other(0)).await;
    let run = tables.with(&empty, &["reconcile", "--tables", "users"]);
    assert_eq!(run.code, 5, "{run:?}");
    let expected = format!("Clerk lists no users, but the table has {} rows. No row was deleted.", before.0);
    assert!(run.stderr.contains(&expected) && run.stderr.contains("--force"), "{run:?}");

    let half = Clerk::start(other(150)).await;
    let missing = before.0 - number(&half, ObjectKind::User);
    let too_few = (missing - 1).to_string();
    let run = tables.with(&half, &["reconcile", "--tables", "users", "--max-tombstones", &too_few, "--json"]);
    assert_eq!((run.code, &result(&run)["error"]["kind"]), (5, &json!("refused")), "{run:?}");
    assert!(run.stderr.contains(&format!("{missing} of {} users", before.0)), "{run:?}");
    assert_eq!(tables.rows("users"), before);

    let enough = missing.to_string();
    let run = tables.with(&half, &["reconcile", "--tables", "users", "--max-tombstones", &enough]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(tables.rows("users"), (before.0 - missing, missing));
    let run = tables.with(&empty, &["reconcile", "--tables", "users", "--force"]);
    assert_eq!((run.code, tables.rows("users")), (0, (0, before.0)), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repairs_single_rows_by_id() {
    let tables = Tables::sqlite("ids");
    tables.migrate();
    let history = history(Scenario::Churn, 700);
    let early = clerk(&history, 600).await;
    assert_eq!(tables.with(&early, &["backfill"]).code, 0);
    let now = clerk(&history, 700).await;
    let (before, after) = (early.fake.objects(ObjectKind::User), now.fake.objects(ObjectKind::User));
    let changed = |id: &String| {
        before.get(id).map(|user| &user["updated_at"]) != after.get(id).map(|user| &user["updated_at"])
    };
    let find =
        |is: &dyn Fn(&String) -> bool| before.keys().chain(after.keys()).find(|id| is(id)).unwrap().clone();
    let created = find(&|id| !before.contains_key(id));
    let updated = find(&|id| before.contains_key(id) && after.contains_key(id) && changed(id));
    let same = find(&|id| before.contains_key(id) && after.contains_key(id) && !changed(id));
    let deleted = find(&|id| !after.contains_key(id));
    let ids = [&*created, &*updated, &*same, &*deleted, "user_unknown"];

    let run = tables.with(&now, &[&["reconcile", "--json"][..], &ids].concat());
    assert_eq!(run.code, 0, "{run:?}");
    let results: Vec<Value> = run.objects().iter().map(|line| json!([line["id"], line["result"]])).collect();
    let expected = ["inserted", "updated", "unchanged", "tombstoned", "not_found"];
    let expected: Vec<_> = ids.iter().zip(expected).map(|(id, result)| json!([id, result])).collect();
    assert_eq!(results, expected);
    let run = tables.with(&now, &["reconcile", &deleted]);
    assert_eq!((run.code, run.stdout), (0, format!("ok    {deleted}  already deleted here\n")));

    let run = tables.with(&now, &["reconcile", "sess_1"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("sess_1 is not the id of an object in these tables"), "{run:?}");
    for option in [&["--dry-run"][..], &["--force"], &["--tables", "users"], &["--max-tombstones", "1"]] {
        let run = tables.with(&now, &[&["reconcile", "user_1"], option].concat());
        assert_eq!(run.code, 2, "{run:?}");
    }
}
