//! The tables' contents as text.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::apply::engine::SyncDatabase;
use crate::schema::names::Names;
use crate::schema::table::Column;
use crate::schema::tables::{Entity, USER_EMAILS};
use crate::value::Value;

/// The columns of live rows that the tests compare.
const SHOWN: [(Entity, &[&str]); 11] = [
    (Entity::Users, &["first_name", "primary_email", "primary_email_verified"]),
    (Entity::Organizations, &["name", "created_by"]),
    (Entity::Memberships, &["organization_id", "user_id", "role"]),
    (Entity::Invitations, &["organization_id", "status"]),
    (Entity::Domains, &["organization_id", "enrollment_mode"]),
    (Entity::Roles, &["name"]),
    (Entity::Permissions, &["name"]),
    (Entity::Sessions, &["user_id"]),
    (Entity::SubscriptionItems, &["subscription_id", "user_id", "organization_id", "plan_slug", "status"]),
    (Entity::Subscriptions, &["user_id", "organization_id", "status"]),
    (Entity::WaitlistEntries, &["email_address", "status"]),
];

/// Returns a line for each row, with all columns except `synced_at`, in a fixed order.
pub(super) async fn dump<DB: SyncDatabase>(names: &str, connection: &mut DB::Connection) -> Vec<String> {
    let names: Names = names.parse().unwrap();
    let mut lines = Vec::new();
    for table in Entity::ALL.iter().map(|entity| entity.table()) {
        let columns = table.all_columns().filter(|column| column.name != "synced_at").copied();
        lines.extend(rows::<DB>(connection, table.name, &names.table(table.name), columns).await);
        for child in table.children {
            let source = names.table(child.name);
            lines.extend(rows::<DB>(connection, child.name, &source, child.all_columns()).await);
        }
    }
    lines
}

/// Returns a line for each live row, in the format of [`Case::truth`](super::history::Case).
pub(super) async fn live<DB: SyncDatabase>(names: &str, connection: &mut DB::Connection) -> BTreeSet<String> {
    let names: Names = names.parse().unwrap();
    let mut lines = BTreeSet::new();
    for (entity, shown) in SHOWN {
        let table = entity.table();
        let is_shown = |column: &&Column| column.name == "id" || shown.contains(&column.name);
        let columns = table.all_columns().filter(is_shown).copied();
        let view = names.table(&format!("active_{}", table.name));
        lines.extend(rows::<DB>(connection, table.events, &view, columns).await);
    }
    let emails = format!(
        "(SELECT e.* FROM {} e JOIN {} u ON u.id = e.user_id) emails",
        names.table("user_emails"),
        names.table("active_users")
    );
    let columns = USER_EMAILS.all_columns().filter(|column| column.name != "id");
    lines.extend(rows::<DB>(connection, "email", &emails, columns).await);
    lines
}

pub(super) async fn rows<DB: SyncDatabase>(
    connection: &mut DB::Connection,
    name: &str,
    source: &str,
    columns: impl Iterator<Item = Column>,
) -> Vec<String> {
    let columns: Vec<_> = columns.collect();
    let list: Vec<_> = columns.iter().map(|column| DB::DIALECT.read(column, "", "")).collect();
    let query = format!("SELECT {} FROM {source} ORDER BY 1, 2", list.join(", "));
    let query = AssertSqlSafe(Arc::<str>::from(query)).into_sql_str();
    let show = |value: Value| match value {
        Value::Text(text) | Value::Json(text) => text,
        Value::Integer(number) => number.map(|number| number.to_string()),
        Value::Boolean(yes) => yes.map(|yes| yes.to_string()),
    };
    let value = |row: &DB::Row, column: &Column| {
        show(DB::get(row, column.name, column.kind).unwrap()).unwrap_or_else(|| "-".to_owned())
    };
    let line = |row: &DB::Row| {
        let values: Vec<_> = columns.iter().map(|column| value(row, column)).collect();
        format!("{name} {}", values.join(" "))
    };
    DB::fetch(connection, query, true, &[]).await.unwrap().iter().map(line).collect()
}
