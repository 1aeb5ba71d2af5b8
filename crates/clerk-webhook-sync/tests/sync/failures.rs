//! What goes wrong in the database is never taken for a success.

use clerk_webhook_core::{Failure, Handlers, Outcome};
use clerk_webhook_sync::{Applied, ClerkSync, SyncErrorKind};
use sqlx::{Connection as _, PgConnection, Postgres};

use crate::databases::{Engine, T, event, migrated, user};

/// The code of the database in the sources of an error.
fn code(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let source = error.source()?.downcast_ref::<sqlx::Error>()?;
    Some(source.as_database_error()?.code()?.into_owned())
}

/// Fails, and writes nothing.
async fn fail(connection: &mut PgConnection) {
    Postgres::run_in(connection, "INSERT INTO missing VALUES (1)").await.unwrap_err();
}

/// Postgres answers the COMMIT of a transaction in which a statement has failed as if there was nothing wrong.
#[tokio::test]
async fn an_error_that_a_hook_ignores_is_an_error_of_the_event() {
    let Some(sync) = migrated::<Postgres>("ignored_error").await else { return };
    let rows = "SELECT id FROM clerk_active_users";
    let known = event("user.created", T + 10, user("user_1", "Ada", T));
    sync.apply(&known).await.unwrap();
    let careless = sync.clone().on_applied(|_change, connection| {
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

    let careful = ClerkSync::new(sync.pool().clone()).on_applied(|_change, connection| {
        Box::pin(async move {
            let mut savepoint = connection.begin().await?;
            fail(&mut savepoint).await;
            Ok::<_, Failure>(())
        })
    });
    assert_eq!(careful.apply(&created).await.unwrap(), Applied::Inserted);
    assert_eq!(Postgres::texts(sync.pool(), rows).await.len(), 2);
}
