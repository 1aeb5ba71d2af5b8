//! `clerk-webhook backfill`.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use clerk_webhook_test::{FakeBackendApi, History, ObjectKind, Scenario};
use serde_json::json;

use super::{Tables, checked, clerk, history, number, result};
use crate::support::clerk::{Clerk, Reaction};
#[cfg(unix)]
use crate::support::process::send_signal;

async fn imports_everything(tables: &Tables) {
    let history = history(Scenario::All, 600);
    let clerk = clerk(&history, 600).await;
    tables.migrate();

    let run = tables.with(&clerk, &["backfill", "--dry-run", "--json"]);
    assert_eq!((run.code, &result(&run)["dry_run"]), (0, &json!(true)), "{run:?}");
    assert_eq!(tables.rows("users"), (0, 0));

    let run = tables.with(&clerk, &["backfill", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let imported = result(&run);
    assert_eq!((&imported["type"], &imported["result"]), (&json!("result"), &json!("ok")), "{imported}");
    assert_eq!(imported["instance_id"], clerk.fake.instance_id());
    for (table, kind) in [
        ("users", ObjectKind::User),
        ("organizations", ObjectKind::Organization),
        ("memberships", ObjectKind::OrganizationMembership),
        ("invitations", ObjectKind::OrganizationInvitation),
        ("domains", ObjectKind::OrganizationDomain),
        ("roles", ObjectKind::Role),
        ("permissions", ObjectKind::Permission),
    ] {
        let expected = number(&clerk, kind);
        let found = &imported["tables"][table];
        assert!(
            expected > 0 && found["seen"] == expected && found["inserted"] == expected,
            "{table}: {found}"
        );
        assert_eq!(tables.rows(table), (expected, 0), "{table}");
    }
    let pages: Vec<_> = run.objects().into_iter().filter(|line| line["type"] == "page").collect();
    assert_eq!(pages[0]["table"], "permissions", "{pages:?}");
    assert!(pages.iter().any(|page| page["table"] == "users" && page["expected"].is_u64()), "{pages:?}");

    let run = tables.with(&clerk, &["reconcile", "--dry-run"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("\nin step: the tables contain the objects of ins_"), "{run:?}");

    // A second import changes nothing.
    let run = tables.with(&clerk, &["backfill"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("0 rows inserted, 0 updated"), "{run:?}");
    assert!(run.stderr.contains("users: "), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_everything_into_sqlite() {
    imports_everything(&Tables::sqlite("everything")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_everything_into_postgres() {
    let Some(tables) = Tables::postgres("everything").await else { return };
    imports_everything(&tables).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continues_after_kill_9() {
    let tables = Tables::sqlite("killed");
    tables.migrate();
    let history = History::builder().scenario(Scenario::SignUp).seed(7).users(1200).build();
    let clerk = Clerk::start(FakeBackendApi::new(&history)).await;
    // The first pages of users are answered. The command asks for the third page when the first one is written.
    let pages = AtomicUsize::new(0);
    clerk.set_rule(move |path, _| {
        let is_page = path.contains("starting_after") && path.contains("/users");
        (is_page && pages.fetch_add(1, Ordering::Relaxed) > 0).then_some(Reaction::Hang)
    });
    let args = ["backfill", "--tables", "users", "--json", "--api-url", &clerk.url, "--api-share", "1"];
    let mut killed = tables.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    clerk.hanging().await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    clerk.remove_rule();
    let (before, _) = tables.rows("users");
    assert!(before > 0 && before < 1200, "{before}");
    let shown = tables.run(&["db", "status"]);
    assert!(shown.stdout.contains("interrupted; `clerk-webhook backfill` continues it"), "{shown:?}");

    let run = tables.with(&clerk, &["backfill", "--tables", "users", "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let first = run.objects().into_iter().find(|line| line["type"] == "page").unwrap();
    assert!(first["seen"].as_u64() > Some(before), "the import began again: {first}");
    let users = number(&clerk, ObjectKind::User);
    assert_eq!(tables.rows("users"), (users, 0));
    assert_eq!(result(&run)["tables"]["users"]["seen"], users);
    let run = tables.with(&clerk, &["reconcile", "--tables", "users", "--dry-run"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_on_ctrl_c_and_says_that_another_run_continues() {
    let tables = Tables::sqlite("interrupted");
    tables.migrate();
    let clerk = clerk(&history(Scenario::SignUp, 60), 60).await;
    clerk.set_rule(|path, _| path.contains("/users").then_some(Reaction::Hang));
    let mut command = tables.command(&["backfill", "--api-url", &clerk.url]);
    let interrupted = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    clerk.hanging().await;
    send_signal("INT", interrupted.id());
    let output = interrupted.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("interrupted: rows that were written stay; run `clerk-webhook backfill` again"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_the_rate_limit_and_completes() {
    let tables = Tables::sqlite("limited");
    tables.migrate();
    let clerk = clerk(&history(Scenario::SignUp, 60), 60).await;
    let limit = |_: &str, earlier: usize| (earlier < 2).then_some(Reaction::Status(429));
    clerk.set_rule(limit);
    let run = tables.with(&clerk, &["backfill", "--tables", "users"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("note: waiting 1 s: rate limit\n"), "{run:?}");
    assert_eq!(tables.rows("users").0, number(&clerk, ObjectKind::User));

    clerk.set_rule(limit);
    let run = tables.with(&clerk, &["backfill", "--tables", "users", "--json"]);
    let wait = run.objects().into_iter().find(|line| line["type"] == "wait").unwrap();
    assert_eq!(
        (run.code, &wait["reason"], &wait["status"]),
        (0, &json!("rate_limit"), &json!(429)),
        "{wait}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skips_tables_of_features_that_are_off() {
    let tables = Tables::sqlite("off");
    tables.migrate();
    let history = history(Scenario::Team, 200);
    let all = clerk(&history, 200).await;
    assert_eq!(tables.with(&all, &["backfill"]).code, 0);
    let before = ["organizations", "memberships"].map(|table| tables.rows(table));
    assert!(before[0].0 > 0 && before[1].0 > 0, "{before:?}");

    let off = Clerk::start(all.fake.clone().without(ObjectKind::Organization)).await;
    for args in [&["reconcile", "--json"][..], &["backfill", "--json"]] {
        let run = tables.with(&off, args);
        assert_eq!(run.code, 0, "{run:?}");
        let tables = &result(&run)["tables"];
        assert_eq!(tables["organizations"], json!({ "skipped": "off" }));
        assert_eq!(tables["users"]["seen"], number(&all, ObjectKind::User));
    }
    assert_eq!(["organizations", "memberships"].map(|table| tables.rows(table)), before);
    let run = tables.with(&off, &["reconcile"]);
    assert!(run.stdout.contains("skipped: this feature is off in the Clerk instance"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_the_key_of_another_instance() {
    let tables = Tables::sqlite("instance");
    tables.migrate();
    let history = history(Scenario::SignUp, 60);
    let clerk = clerk(&history, 60).await;
    let run = tables.with(&clerk, &["backfill", "--instance", "ins_mine"]);
    assert_eq!(run.code, 5, "{run:?}");
    let expected =
        format!("belongs to {}, but --instance or CLERK_INSTANCE_ID is ins_mine.", clerk.fake.instance_id());
    assert!(run.stderr.contains(&expected), "{run:?}");
    assert_eq!(tables.rows("users"), (0, 0));
    assert_eq!(tables.with(&clerk, &["backfill", "--tables", "users"]).code, 0);

    let instance = clerk.fake.instance_id();
    let other = Clerk::start(clerk.fake.clone().with_instance_id("ins_other")).await;
    for args in [&["backfill"][..], &["reconcile"], &["reconcile", "--dry-run"], &["reconcile", "user_1"]] {
        let run = tables.with(&other, args);
        let expected = format!("CLERK_SECRET_KEY belongs to ins_other, these tables hold {instance}.");
        assert_eq!(run.code, 5, "{run:?}");
        assert!(run.stderr.contains(&expected) && run.stderr.contains("Use the key of"), "{run:?}");
    }
    let run = checked(
        tables.command(&["backfill", "--json", "--api-url", &other.url]).env("CLERK_INSTANCE_ID", ""),
    );
    assert_eq!(result(&run)["error"]["kind"], "refused", "{run:?}");
}
