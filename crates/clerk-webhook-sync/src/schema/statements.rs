//! The SQL, which follows from the description of the tables.
//!
//! An observation of a whole object is two statements: an insertion, which does nothing where there is a row, and then a
//! change of that row, which does nothing unless the observation is newer. A single `ON CONFLICT … DO UPDATE` would come to
//! the same row, but not say whether there was one before. Both are right whoever else writes: the insertion waits for
//! another one of the same id, the change looks at the row as it is once nobody else has it, and rows are never removed.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{ChildTable, Column, Entity, Names, ORDER, Table};
use crate::rules::{Rule, Rules};
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
    pub(crate) const fn migrations(self) -> [&'static str; 2] {
        match self {
            Self::Postgres => [
                include_str!("../../migrations/postgres/0001_tables.sql"),
                include_str!("../../migrations/postgres/0002_sessions_billing_waitlist.sql"),
            ],
            Self::Sqlite => [
                include_str!("../../migrations/sqlite/0001_tables.sql"),
                include_str!("../../migrations/sqlite/0002_sessions_billing_waitlist.sql"),
            ],
        }
    }

    /// Returns the place of a parameter, counted from 1.
    fn parameter(self, number: usize, kind: Kind) -> String {
        match (self, kind) {
            (Self::Sqlite, _) => format!("?{number}"),
            // The parameter itself is a text.
            (Self::Postgres, Kind::Json) => format!("${number}::jsonb"),
            (Self::Postgres, _) => format!("${number}"),
        }
    }

    /// Returns the smaller of two, and the other one where one is null.
    fn least(self, one: &str, other: &str) -> String {
        match self {
            Self::Postgres => format!("LEAST({one}, {other})"),
            Self::Sqlite => format!("coalesce(min({one}, {other}), {one}, {other})"),
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

#[derive(Debug)]
pub(crate) struct TableStatements {
    pub(crate) insert: SqlStr,
    pub(crate) update: SqlStr,
    pub(crate) bury: SqlStr,
    pub(crate) children: Vec<ChildStatements>,
}

#[derive(Debug)]
pub(crate) struct ChildStatements {
    pub(crate) insert: SqlStr,
    pub(crate) clear: SqlStr,
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
    pub(crate) waitlist_entries_of: SqlStr,
    pub(crate) sessions_of: SqlStr,
    pub(crate) subscriptions_of: SqlStr,
    pub(crate) subscription_items_of: SqlStr,
    pub(crate) waitlist_entry_by_email: SqlStr,
}

impl Statements {
    pub(crate) fn new(names: &Names, dialect: Dialect, rules: Rules) -> Self {
        let writer = Writer { names, dialect, rules };
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

struct Writer<'a> {
    names: &'a Names,
    dialect: Dialect,
    rules: Rules,
}

impl Writer<'_> {
    /// The names were looked at, and everything else is part of the program.
    fn safe(&self, statement: String) -> SqlStr {
        AssertSqlSafe(Arc::<str>::from(statement)).into_sql_str()
    }

    fn table(&self, table: &Table) -> TableStatements {
        TableStatements {
            insert: self.insert(table),
            update: self.update(table),
            bury: self.bury(table),
            children: table.children.iter().map(|child| self.child(child)).collect(),
        }
    }

    /// The parameters of an insertion and of a change: id, the four of the order, the time, and the columns.
    fn written(table: &Table) -> impl Iterator<Item = Column> {
        let order = ORDER.into_iter().filter(|column| column.name != "deleted_at");
        order.chain(table.columns.iter().copied())
    }

    fn insert(&self, table: &Table) -> SqlStr {
        let (mut columns, mut values) = ("id".to_owned(), self.dialect.parameter(1, Kind::Text));
        for (column, number) in Self::written(table).zip(2..) {
            let _ = write!(columns, ", {}", column.name);
            let _ = write!(values, ", {}", self.dialect.parameter(number, column.kind));
        }
        let table = self.names.table(table.name);
        self.safe(format!("INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT (id) DO NOTHING"))
    }

    fn update(&self, table: &Table) -> SqlStr {
        let set: Vec<_> = Self::written(table)
            .zip(2..)
            .map(|(column, number)| {
                format!("{} = {}", column.name, self.dialect.parameter(number, column.kind))
            })
            .collect();
        let (mut known, mut new) = (String::new(), String::new());
        let order = ["obs_rank", "updated_at", "event_at", "tie"];
        let compared = if self.rules.hold(Rule::Tie) { &order[..] } else { &order[..3] };
        for (column, number) in
            Self::written(table).zip(2..).filter(|(column, _)| compared.contains(&column.name))
        {
            let comma = if known.is_empty() { "" } else { ", " };
            let _ = write!(known, "{comma}{}", column.name);
            let _ = write!(new, "{comma}{}", self.dialect.parameter(number, column.kind));
        }
        let than = if self.rules.hold(Rule::OnlyNewer) { "<" } else { "<=" };
        self.safe(format!(
            "UPDATE {table} SET {set} WHERE id = {id} AND deleted_at IS NULL AND ({known}) {than} ({new})",
            table = self.names.table(table.name),
            set = set.join(", "),
            id = self.dialect.parameter(1, Kind::Text),
        ))
    }

    /// The parameters are the id, the time of the deletion, the time, and the columns that are kept.
    ///
    /// Of several deletions the earliest counts, and of several values of a kept column the least: in whatever order they
    /// come, they end in the same row.
    fn bury(&self, table: &Table) -> SqlStr {
        let kept = || table.columns.iter().filter(|column| table.kept.contains(&column.name));
        let [id, deleted_at, synced_at] =
            [1, 2, 3].map(|number| self.dialect.parameter(number, Kind::Integer));
        let (mut columns, mut values, mut sets, mut differs) =
            (String::new(), String::new(), String::new(), String::new());
        for (column, number) in kept().zip(4..) {
            let name = column.name;
            let _ = write!(columns, ", {name}");
            let _ = write!(values, ", {}", self.dialect.parameter(number, column.kind));
            // Not what a version of before has said: whether it came before the deletion must not matter.
            let of_tombstone = format!("CASE WHEN known.deleted_at IS NOT NULL THEN known.{name} END");
            let least = self.dialect.least(&of_tombstone, &format!("excluded.{name}"));
            let _ = write!(sets, ", {name} = {least}");
            let _ = write!(
                differs,
                " OR excluded.{name} < known.{name} OR (known.{name} IS NULL AND excluded.{name} IS NOT NULL)"
            );
        }
        for column in table.columns.iter().filter(|column| !table.kept.contains(&column.name)) {
            let _ = write!(sets, ", {} = NULL", column.name);
        }
        let named = self.names.table(table.name);
        if !self.rules.hold(Rule::Tombstones) {
            let unused: String =
                (2..4 + table.kept.len()).map(|number| format!(" OR ?{number} = ''")).collect();
            return self.safe(format!("DELETE FROM {named} WHERE id = {id} AND (1{unused})"));
        }
        let (deleted, guard) = if self.rules.hold(Rule::DeletedByEnvelope) {
            let least = self.dialect.least("known.deleted_at", "excluded.deleted_at");
            (least, format!("known.deleted_at IS NULL OR excluded.deleted_at < known.deleted_at{differs}"))
        } else {
            (
                "excluded.deleted_at".into(),
                "known.deleted_at IS NULL AND known.updated_at < excluded.deleted_at".into(),
            )
        };
        self.safe(format!(
            "INSERT INTO {named} AS known (id, obs_rank, updated_at, event_at, tie, deleted_at, synced_at{columns}) \
             VALUES ({id}, 9, 0, 0, '', {deleted_at}, {synced_at}{values}) \
             ON CONFLICT (id) DO UPDATE SET obs_rank = 9, updated_at = 0, event_at = 0, tie = '', \
             deleted_at = {deleted}, synced_at = excluded.synced_at{sets} WHERE {guard}",
        ))
    }

    fn child(&self, child: &ChildTable) -> ChildStatements {
        let (table, owner) = (self.names.table(child.name), child.owner);
        let (mut columns, mut values) = (
            format!("{owner}, id"),
            format!("{}, {}", self.dialect.parameter(1, Kind::Text), self.dialect.parameter(2, Kind::Text)),
        );
        for (column, number) in child.columns.iter().zip(3..) {
            let _ = write!(columns, ", {}", column.name);
            let _ = write!(values, ", {}", self.dialect.parameter(number, column.kind));
        }
        let id = self.dialect.parameter(1, Kind::Text);
        ChildStatements {
            insert: self.safe(format!("INSERT INTO {table} ({columns}) VALUES ({values})")),
            clear: self.safe(format!("DELETE FROM {table} WHERE {owner} = {id}")),
        }
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
            invitations_of: self.safe(format!(
                "SELECT id FROM {invitations} WHERE user_id = {parameter} OR email_address IN \
                 (SELECT email FROM {emails} WHERE user_id = {parameter}) ORDER BY id",
                invitations = self.names.table("invitations"),
                emails = self.names.table("user_emails"),
            )),
            waitlist_entries_of: self.safe(format!(
                "SELECT id FROM {entries} WHERE email_address IN \
                 (SELECT email FROM {emails} WHERE user_id = {parameter}) ORDER BY id",
                entries = self.names.table("waitlist_entries"),
                emails = self.names.table("user_emails"),
            )),
            sessions_of: self.safe(live(
                Entity::Sessions,
                &format!("user_id = {parameter} ORDER BY created_at, id"),
            )),
            subscriptions_of: self.safe(live(Entity::Subscriptions, &of_payer)),
            subscription_items_of: self.safe(live(Entity::SubscriptionItems, &of_payer)),
            waitlist_entry_by_email: self.safe(live(
                Entity::WaitlistEntries,
                &format!("email_address = {parameter} ORDER BY updated_at DESC, id LIMIT 1"),
            )),
        }
    }

    /// Lists what a row is read of: id, `updated_at` and the columns but `raw`, which is large.
    fn columns(&self, table: &Table, alias: &str) -> String {
        let mut list = format!("{alias}id, {alias}updated_at");
        for column in table.columns.iter().filter(|column| column.name != "raw") {
            let _ = write!(list, ", {alias}{}", self.dialect.read(*column));
        }
        list
    }
}
