//! Failures in the database are reported as errors.

use std::time::Duration;

use clerk_webhook_core::{Failure, Handlers, Outcome};
use clerk_webhook_sync::{Applied, ClerkSync, SyncErrorKind};
use sqlx::{Connection as _, PgConnection, Postgres};

use crate::databases::{Engine, T, deleted, event, migrated, on_both_engines, organization, user};
use crate::hooks::recording;

/// Returns the database's error code from the source of an error.
fn code(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let source = error.source()?.downcast_ref::<sqlx::Error>()?;
    Some(source.as_database_error()?.code()?.into_owned())
}

/// Runs a statement that fails.
async fn fail(connection: &mut PgConnection) {
    Postgres::run_in(connection, "INSERT INTO missing VALUES (1)").await.unwrap_err();
}

/// If a statement in a transaction has failed, Postgres reports no error for the COMMIT.
#[tokio::test]
async fn an_event_fails_if_its_hook_ignores_an_error() {
    let Some(sync) = migrated::<Postgres>("ignored_error").await else { return };
    let rows = "SELECT id FROM clerk_active_users";
    let known = event("user.created", T + 10, user("user_1", "Ada", T));
    sync.apply(&known).await.unwrap();
    let careless = sync.clone().on_change(|_change, connection| {
        Box::pin(async move {
            fail(connection).await;
            Ok(())
        })
    });
    let created = event("user.created", T + 10, user("user_2", "Grace", T));
    let error = careless.apply(&created).await.unwrap_err();
    assert_eq!((error.kind(), code(&error).as_deref()), (SyncErrorKind::Database, Some("25P02")));
    let handlers = Handlers::builder().otherwise(careless.handler()).build().unwrap();
    assert_eq!(handlers.answer(created.clone(), ()).await.outcome(), Outcome::Failed);
    assert_eq!(code(&careless.forget_user("user_1").await.unwrap_err()).as_deref(), Some("25P02"));
    let mut transaction = sync.pool().begin().await.unwrap();
    let error = careless.apply_in(&mut transaction, &created).await.unwrap_err();
    assert_eq!(code(&error).as_deref(), Some("25P02"));
    transaction.rollback().await.unwrap();
    assert_eq!(Postgres::texts(sync.pool(), rows).await, [Some("user_1".to_owned())]);

    let careful = ClerkSync::new(sync.pool().clone()).on_change(|_change, connection| {
        Box::pin(async move {
            let mut savepoint = connection.begin().await?;
            fail(&mut savepoint).await;
            Ok::<_, Failure>(())
        })
    });
    assert_eq!(careful.apply(&created).await.unwrap(), Applied::Inserted);
    assert_eq!(Postgres::texts(sync.pool(), rows).await.len(), 2);
}

#[tokio::test]
async fn an_event_fails_if_a_trigger_drops_the_inserted_row() {
    let Some(sync) = migrated::<Postgres>("dropped_row").await else { return };
    let triggers = "CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
        CREATE TRIGGER drop_row BEFORE INSERT ON clerk_users FOR EACH ROW EXECUTE FUNCTION drop_row(); \
        CREATE TRIGGER drop_row BEFORE INSERT ON clerk_organizations FOR EACH ROW EXECUTE FUNCTION drop_row()";
    Postgres::run(sync.pool(), triggers).await;
    let (with_hook, recorded) = recording(sync.clone());
    for sync in [sync, with_hook] {
        for event in [
            event("user.created", T + 10, user("user_1", "Ada", T)),
            event("user.deleted", T + 20, deleted("user_1")),
            event("organization.created", T + 10, organization("org_1", "Acme", T)),
        ] {
            let applied = tokio::time::timeout(Duration::from_secs(10), sync.apply(&event)).await;
            let error = applied.expect("`apply` must not retry endlessly").unwrap_err();
            assert_eq!(error.kind(), SyncErrorKind::Database);
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("trigger"), "{source}");
        }
    }
    assert!(recorded.lock().unwrap().is_empty());
}

async fn an_error_contains_the_advice_to_migrate_once<DB: Engine>(sync: ClerkSync<DB>) {
    <DB as Engine>::run(sync.pool(), "DROP VIEW clerk_active_users").await;
    <DB as Engine>::run(sync.pool(), "ALTER TABLE clerk_users RENAME TO elsewhere").await;
    let error = sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap_err();
    assert_eq!(error.kind(), SyncErrorKind::Database);
    let forgotten = sync.forget_user("user_1").await.unwrap_err();
    let asked = sync.user("user_1").await.unwrap_err();
    for shown in [error.to_string(), format!("{error:?}"), format!("{forgotten:?}"), asked.to_string()] {
        assert_eq!(
            shown.matches("Run `ClerkSync::migrate()` when the application starts").count(),
            1,
            "{shown}"
        );
        assert_eq!(shown.matches("clerk_").count(), 1, "{shown}");
    }
    assert!(
        std::error::Error::source(&error).is_none(),
        "a source would repeat the database's message in a log"
    );
}

on_both_engines!(an_error_contains_the_advice_to_migrate_once);

/// Errors are logged, so they must not contain personal data.
#[tokio::test]
async fn errors_show_no_data_of_the_row() {
    let Some(sync) = migrated::<Postgres>("shown").await else { return };
    let hook = sync.clone().on_change(|_change, _connection| {
        Box::pin(async { Err(Failure::abort_message("no credits for Ada")) })
    });
    let created = event("user.created", T + 10, user("user_1", "Ada", T));
    let shown = format!("{:?}", hook.apply(&created).await.unwrap_err());
    assert_eq!(shown, "the function that you registered with `on_change` returned an error");

    Postgres::run(sync.pool(), "ALTER TABLE clerk_users ADD CHECK (first_name <> 'Ada')").await;
    let error = sync.apply(&created).await.unwrap_err();
    let source = format!("{:?}", std::error::Error::source(&error).unwrap());
    assert!(source.contains("Failing row contains") && source.contains("Ada"), "{source}");
    assert_eq!(format!("{error:?}"), "the database could not apply the event (code 23514)");
    let failures = [error.into_failure(), sync.apply(&created).await.unwrap_err().into()];
    for failure in failures {
        let shown = format!("{failure} {failure:?} {failure:#?}");
        assert!(shown.contains("23514") && !shown.contains("Ada"), "{shown}");
    }

    sync.pool().close().await;
    let error = sync.apply(&created).await.unwrap_err();
    assert_eq!(format!("{error:?}"), "the database could not apply the event (PoolClosed)");
}
