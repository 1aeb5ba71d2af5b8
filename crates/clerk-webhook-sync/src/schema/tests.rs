//! Compares the tables that the migrations create with their descriptions.

use sqlx::{Pool, SqlSafeStr as _};

use super::dialect::Dialect;
use super::table::Column;
use super::tables::Entity;
use crate::apply::engine::SyncDatabase;
use crate::properties::{memory, postgres};
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

/// Returns a line for each described column, such as `clerk_users deleted_at BIGINT`.
fn described(dialect: Dialect) -> Vec<String> {
    let line = |table: &str, column: Column, is_key: bool| {
        let kind = match (dialect, column.kind) {
            (Dialect::Postgres, Kind::Integer) => "BIGINT",
            (Dialect::Postgres, Kind::Boolean) => "BOOLEAN",
            (Dialect::Postgres, Kind::Json) => "JSONB",
            (Dialect::Sqlite, Kind::Integer | Kind::Boolean) => "INTEGER",
            (_, Kind::Text) | (Dialect::Sqlite, Kind::Json) => "TEXT",
        };
        let null = if column.nullable { "" } else { " NOT NULL" };
        let key = if is_key { " KEY" } else { "" };
        format!("clerk_{table} {} {kind}{null}{key}", column.name)
    };
    let mut lines = Vec::new();
    for table in Entity::ALL.iter().map(|entity| entity.table()) {
        lines.extend(table.all_columns().map(|column| line(table.name, *column, column.name == "id")));
        for child in table.children {
            let is_key = |column: &Column| ["id", child.owner].contains(&column.name);
            lines.extend(child.all_columns().map(|column| line(child.name, column, is_key(&column))));
        }
    }
    lines
}

/// Compares all columns of all tables: names, order, types, nullability and keys.
async fn compare<DB: SyncDatabase>(pool: Pool<DB>, catalog: &'static str) {
    let sync = ClerkSync::new(pool.clone());
    sync.migrate().await.unwrap();
    let rows = DB::fetch(&mut *pool.acquire().await.unwrap(), catalog.into_sql_str(), true, &[]).await;
    let mut created: Vec<String> = Vec::new();
    for row in rows.unwrap() {
        let Value::Text(Some(line)) = DB::get(&row, "line", Kind::Text).unwrap() else { panic!() };
        created.push(line);
    }
    // These two tables contain no objects.
    created.retain(|line| !line.starts_with("clerk_sync_"));
    let mut described = described(DB::DIALECT);
    // Sort by table only. The order of the columns in a table is compared too.
    let table = |line: &String| line.split(' ').next().map(str::to_owned);
    created.sort_by_key(table);
    described.sort_by_key(table);
    for (created, described) in created.iter().zip(&described) {
        assert_eq!(created, described);
    }
    assert_eq!(created.len(), described.len());
}

#[tokio::test]
async fn the_migrations_of_sqlite_create_the_described_tables() {
    let pool = memory().await;
    let catalog = "SELECT t.name || ' ' || c.name || ' ' || c.type || iif(c.\"notnull\", ' NOT NULL', '')
                            || iif(c.pk, ' KEY', '') AS line
                       FROM sqlite_master t, pragma_table_info(t.name) c
                      WHERE t.type = 'table' ORDER BY t.name, c.cid";
    compare(pool, catalog).await;
}

#[tokio::test]
async fn the_migrations_of_postgres_create_the_described_tables() {
    let Some(pool) = postgres("described").await else { return };
    let catalog = "SELECT t.relname || ' ' || c.attname || ' ' || upper(format_type(c.atttypid, c.atttypmod))
                            || CASE WHEN c.attnotnull THEN ' NOT NULL' ELSE '' END
                            || CASE WHEN c.attnum = ANY(k.indkey) THEN ' KEY' ELSE '' END AS line
                       FROM pg_class t
                       JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0
                       LEFT JOIN pg_index k ON k.indrelid = t.oid AND k.indisprimary
                      WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind = 'r'
                      ORDER BY t.relname, c.attnum";
    compare(pool, catalog).await;
}

/// A misspelled name of a kept column would have no effect.
#[test]
fn kept_columns_exist_and_the_last_column_is_raw() {
    for table in Entity::ALL.iter().map(|entity| entity.table()) {
        for kept in table.kept {
            assert!(table.columns.iter().any(|column| column.name == *kept), "{}: {kept}", table.name);
        }
        assert_eq!(table.columns.last().map(|column| column.name), Some("raw"), "{}", table.name);
    }
}
