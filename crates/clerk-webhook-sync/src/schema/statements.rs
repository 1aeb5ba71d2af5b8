//! The SQL, which follows from the description of the tables.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{Column, Entity, Names, Table, TableStatements};
use crate::value::Kind;

/// Which SQL a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::Sqlite];

    /// Returns the migrations, the first of which brings version 1.
    pub(crate) const fn migrations(self) -> [&'static str; 3] {
        match self {
            Self::Postgres => [
                include_str!("../../migrations/postgres/0001_tables.sql"),
                include_str!("../../migrations/postgres/0002_sessions_billing_waitlist.sql"),
                include_str!("../../migrations/postgres/0003_ends_and_long_values.sql"),
            ],
            Self::Sqlite => [
                include_str!("../../migrations/sqlite/0001_tables.sql"),
                include_str!("../../migrations/sqlite/0002_sessions_billing_waitlist.sql"),
                include_str!("../../migrations/sqlite/0003_ends_and_long_values.sql"),
            ],
        }
    }

    /// Returns the place of a parameter, counted from 1.
    pub(super) fn parameter(self, number: usize, kind: Kind) -> String {
        match (self, kind) {
            (Self::Sqlite, _) => format!("?{number}"),
            // The parameter itself is a text.
            (Self::Postgres, Kind::Json) => format!("${number}::jsonb"),
            (Self::Postgres, _) => format!("${number}"),
        }
    }

    /// Returns the smaller of two, and the other one where one is null.
    pub(super) fn least(self, one: &str, other: &str) -> String {
        match self {
            Self::Postgres => format!("LEAST({one}, {other})"),
            Self::Sqlite => format!("coalesce(min({one}, {other}), {one}, {other})"),
        }
    }

    /// Returns an address with its ASCII letters in lower case. SQLite folds no others, and what else Postgres folds depends on
    /// its locale.
    const fn lower_email(self) -> &'static str {
        match self {
            Self::Postgres => r#"lower(email_address COLLATE "C")"#,
            Self::Sqlite => "lower(email_address)",
        }
    }

    /// Asks whether an address has other characters than ASCII.
    const fn is_beyond_ascii(self) -> &'static str {
        match self {
            Self::Postgres => "email_address ~ '[^[:ascii:]]'",
            Self::Sqlite => "length(email_address) <> length(CAST(email_address AS BLOB))",
        }
    }

    /// Reads a column as its [`Kind`].
    fn read(self, column: Column) -> String {
        match (self, column.kind) {
            (Self::Postgres, Kind::Json) => format!("{}::text", column.name),
            _ => column.name.to_owned(),
        }
    }
}

/// All statements, for tables of certain names.
#[derive(Debug)]
pub(crate) struct Statements {
    tables: Vec<TableStatements>,
    pub(crate) schema_exists: SqlStr,
    pub(crate) schema_version: SqlStr,
    pub(crate) migrations: Vec<SqlStr>,
    pub(crate) queries: Queries,
}

/// What is asked of the tables; the columns are the table's but `raw`, after the id and `updated_at`.
#[derive(Debug)]
pub(crate) struct Queries {
    pub(crate) user_by_id: SqlStr,
    pub(crate) user_by_primary_email: SqlStr,
    pub(crate) user_by_external_id: SqlStr,
    pub(crate) organization_by_id: SqlStr,
    pub(crate) members: SqlStr,
    pub(crate) organizations_of: SqlStr,
    pub(crate) invitations_of: SqlStr,
    pub(crate) addresses_of: SqlStr,
    pub(crate) invitations_by_email: SqlStr,
    pub(crate) waitlist_entries_by_email: SqlStr,
    pub(crate) invitations_beyond_ascii: SqlStr,
    pub(crate) waitlist_entries_beyond_ascii: SqlStr,
    pub(crate) sessions_of: SqlStr,
    pub(crate) subscriptions_of: SqlStr,
    pub(crate) subscription_items_of: SqlStr,
    pub(crate) waitlist_entry_by_email: SqlStr,
    /// Those whose address only Rust can compare without regard to case.
    pub(crate) live_waitlist_entries_beyond_ascii: SqlStr,
}

impl Statements {
    pub(crate) fn new(names: &Names, dialect: Dialect) -> Self {
        let writer = Writer { names, dialect };
        Self {
            tables: Entity::ALL.iter().map(|entity| writer.table(entity.table())).collect(),
            schema_exists: writer.schema_exists(),
            schema_version: writer.safe(format!("SELECT max(version) FROM {}", names.table("sync_schema"))),
            migrations: writer.migrations(),
            queries: writer.queries(),
        }
    }

    pub(crate) fn of(&self, entity: Entity) -> &TableStatements {
        &self.tables[entity as usize]
    }
}

/// Writes statements for tables of certain names.
pub(super) struct Writer<'a> {
    pub(super) names: &'a Names,
    pub(super) dialect: Dialect,
}

impl Writer<'_> {
    /// The names were looked at, and everything else is part of the program.
    pub(super) fn safe(&self, statement: String) -> SqlStr {
        AssertSqlSafe(Arc::<str>::from(statement)).into_sql_str()
    }

    fn migrations(&self) -> Vec<SqlStr> {
        let named = |migration: &str| self.safe(self.names.put_into(migration, self.dialect));
        self.dialect.migrations().into_iter().map(named).collect()
    }

    /// Asks whether there is the table that knows which migrations have run: 1 or 0.
    fn schema_exists(&self) -> SqlStr {
        let name = "sync_schema";
        self.safe(match self.dialect {
            Dialect::Postgres => {
                let table = self.names.table(name);
                format!("SELECT (pg_catalog.to_regclass('{table}') IS NOT NULL)::int::bigint")
            }
            Dialect::Sqlite => {
                let catalogue = match self.names.schema() {
                    Some(schema) => format!(r#""{schema}".sqlite_master"#),
                    None => "sqlite_master".to_owned(),
                };
                format!(
                    "SELECT count(*) FROM {catalogue} WHERE type = 'table' AND name = '{}'",
                    self.names.bare(name)
                )
            }
        })
    }

    fn queries(&self) -> Queries {
        let [users, organizations, memberships] =
            ["active_users", "active_organizations", "active_memberships"].map(|view| self.names.table(view));
        let [user, organization] =
            [Entity::Users, Entity::Organizations].map(|entity| self.columns(entity.table(), ""));
        let parameter = self.dialect.parameter(1, Kind::Text);
        // An id of a row that is a copy is shown as well: it is what is known of the user so far.
        let [member, member_user, member_organization] =
            [(Entity::Memberships, "m."), (Entity::Users, "o."), (Entity::Organizations, "o.")]
                .map(|(entity, alias)| self.columns(entity.table(), alias));
        let members_of = |table: &str, columns: &str, other: &str, by: &str| {
            format!(
                "SELECT {member}, {columns} FROM {memberships} m LEFT JOIN {table} o ON o.id = m.{other} \
                 WHERE m.{by} = {parameter} ORDER BY m.created_at, m.id"
            )
        };
        let live = |entity: Entity, condition: &str| {
            let table = entity.table();
            let view = self.names.table(&format!("active_{}", table.name));
            format!("SELECT {} FROM {view} WHERE {condition}", self.columns(table, ""))
        };
        let [invitations, waitlist_entries, emails] =
            ["invitations", "waitlist_entries", "user_emails"].map(|table| self.names.table(table));
        let (lower_email, is_beyond_ascii) = (self.dialect.lower_email(), self.dialect.is_beyond_ascii());
        let by_email =
            |table: &str| format!("SELECT id FROM {table} WHERE {lower_email} = {parameter} ORDER BY id");
        let beyond_ascii =
            |table: &str| format!("SELECT id, email_address FROM {table} WHERE {is_beyond_ascii}");
        // An id says whose it is.
        let of_payer =
            format!("user_id = {parameter} OR organization_id = {parameter} ORDER BY created_at, id");
        Queries {
            user_by_id: self.safe(format!("SELECT {user} FROM {users} WHERE id = {parameter}")),
            user_by_primary_email: self.safe(format!(
                "SELECT {user} FROM {users} WHERE primary_email = {parameter} AND primary_email_verified \
                 ORDER BY updated_at DESC, id LIMIT 1"
            )),
            user_by_external_id: self.safe(format!(
                "SELECT {user} FROM {users} WHERE external_id = {parameter} ORDER BY updated_at DESC, id LIMIT 1"
            )),
            organization_by_id: self
                .safe(format!("SELECT {organization} FROM {organizations} WHERE id = {parameter}")),
            members: self.safe(members_of(
                &self.names.table("users"),
                &member_user,
                "user_id",
                "organization_id",
            )),
            organizations_of: self.safe(members_of(
                &self.names.table("organizations"),
                &member_organization,
                "organization_id",
                "user_id",
            )),
            invitations_of: self
                .safe(format!("SELECT id FROM {invitations} WHERE user_id = {parameter} ORDER BY id")),
            addresses_of: self.safe(format!("SELECT email FROM {emails} WHERE user_id = {parameter}")),
            invitations_by_email: self.safe(by_email(&invitations)),
            waitlist_entries_by_email: self.safe(by_email(&waitlist_entries)),
            invitations_beyond_ascii: self.safe(beyond_ascii(&invitations)),
            waitlist_entries_beyond_ascii: self.safe(beyond_ascii(&waitlist_entries)),
            sessions_of: self.safe(live(
                Entity::Sessions,
                &format!("user_id = {parameter} ORDER BY created_at, id"),
            )),
            subscriptions_of: self.safe(live(Entity::Subscriptions, &of_payer)),
            subscription_items_of: self.safe(live(Entity::SubscriptionItems, &of_payer)),
            waitlist_entry_by_email: self.safe(live(
                Entity::WaitlistEntries,
                &format!("{lower_email} = {parameter} ORDER BY updated_at DESC, id LIMIT 1"),
            )),
            live_waitlist_entries_beyond_ascii: self.safe(live(Entity::WaitlistEntries, is_beyond_ascii)),
        }
    }

    /// Lists what a row is read of: id, `updated_at` and the columns but `raw`, which is large.
    pub(super) fn columns(&self, table: &Table, alias: &str) -> String {
        let mut list = format!("{alias}id, {alias}updated_at");
        for column in table.columns.iter().filter(|column| column.name != "raw") {
            let _ = write!(list, ", {alias}{}", self.dialect.read(*column));
        }
        list
    }
}
