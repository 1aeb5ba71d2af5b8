//! What is in the tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::apply::engine::SyncDatabase;
use crate::schema::{Dialect, Entity, Names, ORDER};
use crate::value::{Kind, Value};

type Columns = &'static [(&'static str, Kind)];

/// Returns everything that is in the tables but when it was written, in order.
pub(super) async fn dump<DB: SyncDatabase>(names: &str, connection: &mut DB::Connection) -> Vec<String> {
    let names: Names = names.parse().unwrap();
    let mut lines = Vec::new();
    for table in Entity::ALL.map(Entity::table) {
        let order = ORDER.iter().filter(|column| column.name != "synced_at");
        let columns = order.chain(table.columns).map(|column| (column.name, column.kind));
        let columns: Vec<_> = [("id", Kind::Text)].into_iter().chain(columns).collect();
        lines.extend(lines_of::<DB>(connection, table.name, &names.table(table.name), &columns).await);
        for child in table.children {
            let key = [(child.owner, Kind::Text), ("id", Kind::Text)];
            let columns: Vec<_> = key
                .into_iter()
                .chain(child.columns.iter().map(|column| (column.name, column.kind)))
                .collect();
            lines.extend(lines_of::<DB>(connection, child.name, &names.table(child.name), &columns).await);
        }
    }
    lines
}

/// Returns a line for everything that is live, as the truth has it.
pub(super) async fn live<DB: SyncDatabase>(names: &str, connection: &mut DB::Connection) -> BTreeSet<String> {
    let names: Names = names.parse().unwrap();
    const TEXT: Kind = Kind::Text;
    const YES: Kind = Kind::Boolean;
    let views: [(&str, String, Columns); 12] = [
        (
            "user",
            names.table("active_users"),
            &[("id", TEXT), ("first_name", TEXT), ("primary_email", TEXT), ("primary_email_verified", YES)],
        ),
        (
            "email",
            format!(
                "{} e JOIN {} u ON u.id = e.user_id",
                names.table("user_emails"),
                names.table("active_users")
            ),
            &[("e.user_id", TEXT), ("e.email", TEXT), ("e.verified", YES), ("e.is_primary", YES)],
        ),
        (
            "organization",
            names.table("active_organizations"),
            &[("id", TEXT), ("name", TEXT), ("created_by", TEXT)],
        ),
        (
            "membership",
            names.table("active_memberships"),
            &[("id", TEXT), ("organization_id", TEXT), ("user_id", TEXT), ("role", TEXT)],
        ),
        (
            "invitation",
            names.table("active_invitations"),
            &[("id", TEXT), ("organization_id", TEXT), ("status", TEXT)],
        ),
        (
            "domain",
            names.table("active_domains"),
            &[("id", TEXT), ("organization_id", TEXT), ("enrollment_mode", TEXT)],
        ),
        ("role", names.table("active_roles"), &[("id", TEXT), ("name", TEXT)]),
        ("permission", names.table("active_permissions"), &[("id", TEXT), ("name", TEXT)]),
        ("session", names.table("active_sessions"), &[("id", TEXT), ("user_id", TEXT)]),
        (
            "subscription",
            names.table("active_subscriptions"),
            &[("id", TEXT), ("user_id", TEXT), ("organization_id", TEXT), ("status", TEXT)],
        ),
        (
            "item",
            names.table("active_subscription_items"),
            &[
                ("id", TEXT),
                ("subscription_id", TEXT),
                ("user_id", TEXT),
                ("organization_id", TEXT),
                ("plan_slug", TEXT),
                ("status", TEXT),
            ],
        ),
        (
            "waiting",
            names.table("active_waitlist_entries"),
            &[("id", TEXT), ("email_address", TEXT), ("status", TEXT)],
        ),
    ];
    let mut lines = BTreeSet::new();
    for (name, source, columns) in views {
        lines.extend(lines_of::<DB>(connection, name, &source, columns).await);
    }
    lines
}

async fn lines_of<DB: SyncDatabase>(
    connection: &mut DB::Connection,
    name: &str,
    source: &str,
    columns: &[(&str, Kind)],
) -> Vec<String> {
    let list: Vec<_> = columns
        .iter()
        .map(|(column, kind)| match (DB::DIALECT, kind) {
            (Dialect::Postgres, Kind::Json) => format!("{column}::text"),
            _ => (*column).to_owned(),
        })
        .collect();
    let query = format!("SELECT {} FROM {source} ORDER BY 1, 2", list.join(", "));
    let kinds: Vec<_> = columns.iter().map(|(_, kind)| *kind).collect();
    let query = AssertSqlSafe(Arc::<str>::from(query)).into_sql_str();
    let rows = DB::fetch(connection, query, true, &[], &kinds).await.unwrap();
    let show = |value: Value| match value {
        Value::Text(value) | Value::Json(value) => value.unwrap_or_else(|| "-".to_owned()),
        Value::Integer(value) => value.map_or_else(|| "-".to_owned(), |value| value.to_string()),
        Value::Boolean(value) => value.map_or_else(|| "-".to_owned(), |value| value.to_string()),
    };
    let line = |row: Vec<Value>| row.into_iter().map(show).collect::<Vec<_>>().join(" ");
    rows.into_iter().map(|row| format!("{name} {}", line(row))).collect()
}
