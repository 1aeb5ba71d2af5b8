//! Creates a schema in Postgres.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::error::why;
use crate::failure::Failure;

/// The lock that one process holds while it creates the schema: `clerk` in ASCII.
const SCHEMA_LOCK: i64 = 0x63_6c65_726b;

/// Creates a schema of Postgres, unless it exists.
pub(crate) async fn create_schema(connection: &mut PgConnection, schema: &str) -> Result<(), Failure> {
    let create = async {
        let mut transaction = connection.begin().await?;
        // Without the lock, two processes that create the schema at the same time collide.
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SCHEMA_LOCK).persistent(false);
        lock.execute(&mut *transaction).await?;
        let exists: bool =
            sqlx::query_scalar("SELECT count(*) > 0 FROM pg_catalog.pg_namespace WHERE nspname = $1")
                .bind(schema)
                .persistent(false)
                .fetch_one(&mut *transaction)
                .await?;
        // The schema may exist while this role may not create schemas.
        if !exists {
            let create = AssertSqlSafe(Arc::<str>::from(format!(r#"CREATE SCHEMA "{schema}""#)));
            sqlx::raw_sql(create).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    };
    create.await.map_err(|error: sqlx::Error| {
        let code = error.as_database_error().and_then(|error| error.code());
        // Insufficient privilege.
        let advice = match code.as_deref() {
            Some("42501") => ". Connect as a role that may create schemas, or let the owner of the database create the schema.",
            _ => "",
        };
        Failure::network(format_args!("cannot create the schema {schema}: {}{advice}", why(&error)))
    })
}
