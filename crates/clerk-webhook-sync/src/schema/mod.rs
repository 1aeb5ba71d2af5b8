//! The tables, described once: the statements follow from it, and a test compares it with the migrations.

mod names;
mod statements;
mod tables;
mod writes;

use crate::value::{Kind, Value};

pub use names::InvalidPrefix;
pub(crate) use names::Names;
pub(crate) use statements::Dialect;
pub(crate) use statements::{Queries, Statements};
use tables::{
    DOMAINS, INVITATIONS, MEMBERSHIPS, ORGANIZATIONS, PERMISSIONS, ROLES, SESSIONS, SUBSCRIPTION_ITEMS,
    SUBSCRIPTIONS, USERS, WAITLIST_ENTRIES, integer, text,
};
pub(crate) use tables::{USER_EMAILS, USER_EXTERNAL_ACCOUNTS, USER_PHONE_NUMBERS};
pub(crate) use writes::{ChildStatements, Effect, ReplaceStatement, RowStatements, TableStatements};

/// A table whose rows have an id, an order, and a tombstone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Those after [`ORDER`], all of which may be null.
    pub(crate) columns: &'static [Column],
    /// The names of the columns that a tombstone keeps, which never change during the life of an object: none that is
    /// personal.
    pub(crate) kept: &'static [&'static str],
    pub(crate) children: &'static [ChildTable],
}

/// A set that belongs to a row and is replaced with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChildTable {
    pub(crate) name: &'static str,
    /// The column with the id of the row that it belongs to; with the column `id` it is the key.
    pub(crate) owner: &'static str,
    /// Those after the two.
    pub(crate) columns: &'static [Column],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether it is an id of Clerk, which is written as [`Value::id`] does.
    pub(crate) is_id: bool,
}

impl Column {
    /// Returns a value as it is written into this column.
    pub(crate) fn fit(&self, value: Value) -> Value {
        match value {
            Value::Text(Some(text)) if self.is_id => Value::id(&text),
            value => value,
        }
    }
}

/// What every table begins with after its id: which version a row is, when it was deleted, and when it was written.
pub(crate) const ORDER: [Column; 6] = [
    integer("obs_rank"),
    integer("updated_at"),
    integer("event_at"),
    text("tie"),
    integer("deleted_at"),
    integer("synced_at"),
];

/// A kind of object with a table of its own, in the order in which one event writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entity {
    Users,
    Organizations,
    Memberships,
    Invitations,
    Domains,
    Roles,
    Permissions,
    Sessions,
    SubscriptionItems,
    Subscriptions,
    WaitlistEntries,
}

impl Entity {
    pub(crate) const ALL: [Self; 11] = [
        Self::Users,
        Self::Organizations,
        Self::Memberships,
        Self::Invitations,
        Self::Domains,
        Self::Roles,
        Self::Permissions,
        Self::Sessions,
        Self::SubscriptionItems,
        Self::Subscriptions,
        Self::WaitlistEntries,
    ];

    pub(crate) const fn table(self) -> &'static Table {
        match self {
            Self::Users => &USERS,
            Self::Organizations => &ORGANIZATIONS,
            Self::Memberships => &MEMBERSHIPS,
            Self::Invitations => &INVITATIONS,
            Self::Domains => &DOMAINS,
            Self::Roles => &ROLES,
            Self::Permissions => &PERMISSIONS,
            Self::Sessions => &SESSIONS,
            Self::SubscriptionItems => &SUBSCRIPTION_ITEMS,
            Self::Subscriptions => &SUBSCRIPTIONS,
            Self::WaitlistEntries => &WAITLIST_ENTRIES,
        }
    }
}

impl Table {
    /// Puts values into the order of the columns; those that are not given are null.
    pub(crate) fn row<const N: usize>(&self, given: [(&'static str, Value); N]) -> Vec<Value> {
        row(self.columns, given)
    }

    /// Returns the columns that a tombstone keeps, in the order of the columns.
    pub(crate) fn kept_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| self.kept.contains(&column.name))
    }

    /// Picks the values of the columns that a tombstone keeps from those of a row.
    pub(crate) fn kept_of(&self, row: &[Value]) -> Vec<Value> {
        let kept = self.columns.iter().zip(row).filter(|(column, _)| self.kept.contains(&column.name));
        kept.map(|(_, value)| value.clone()).collect()
    }
}

impl ChildTable {
    /// Puts values into the order of the columns; those that are not given are null.
    pub(crate) fn row<const N: usize>(&self, given: [(&'static str, Value); N]) -> Vec<Value> {
        row(self.columns, given)
    }
}

fn row<const N: usize>(columns: &[Column], given: [(&'static str, Value); N]) -> Vec<Value> {
    let mut values: Vec<_> = columns.iter().map(|column| column.kind.null()).collect();
    for (name, value) in given {
        let place = columns.iter().position(|column| column.name == name && column.kind == value.kind());
        debug_assert!(place.is_some(), "{name} is no column of this kind");
        if let Some(place) = place {
            values[place] = columns[place].fit(value);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Reads the columns of each table off a migration: `name TYPE …,` on lines of their own.
    fn tables(migration: &str) -> BTreeMap<String, Vec<(String, String)>> {
        let mut tables = BTreeMap::new();
        for part in migration.split("CREATE TABLE IF NOT EXISTS clerk_").skip(1) {
            let (name, rest) = part.split_once(" (").unwrap();
            let lines = rest.lines().take_while(|line| !line.starts_with(')')).skip(1);
            let columns = lines.filter(|line| !line.trim_start().starts_with("PRIMARY KEY")).map(|line| {
                let mut words = line.split_whitespace();
                let (column, kind) = (words.next().unwrap(), words.next().unwrap());
                (column.to_owned(), kind.trim_end_matches(',').to_owned())
            });
            tables.insert(name.to_owned(), columns.collect());
        }
        tables
    }

    #[test]
    fn the_migrations_create_what_is_described() {
        for dialect in Dialect::ALL {
            let type_of = |kind| match (dialect, kind) {
                (Dialect::Postgres, Kind::Integer) => "BIGINT",
                (Dialect::Postgres, Kind::Boolean) => "BOOLEAN",
                (Dialect::Postgres, Kind::Json) => "JSONB",
                (Dialect::Sqlite, Kind::Integer | Kind::Boolean) => "INTEGER",
                (_, Kind::Text) | (Dialect::Sqlite, Kind::Json) => "TEXT",
            };
            let described = |columns: &mut dyn Iterator<Item = Column>| -> Vec<_> {
                columns.map(|column| (column.name.to_owned(), type_of(column.kind).to_owned())).collect()
            };
            let mut created: BTreeMap<_, _> = dialect.migrations().into_iter().flat_map(tables).collect();
            created.remove("sync_schema");
            for table in Entity::ALL.map(Entity::table) {
                let mut columns = [text("id")].into_iter().chain(ORDER).chain(table.columns.iter().copied());
                assert_eq!(created.remove(table.name), Some(described(&mut columns)), "{}", table.name);
                for child in table.children {
                    let key = [text(child.owner), text("id")];
                    let mut columns = key.into_iter().chain(child.columns.iter().copied());
                    assert_eq!(created.remove(child.name), Some(described(&mut columns)), "{}", child.name);
                }
                assert!(
                    table.kept.iter().all(|kept| table.columns.iter().any(|column| column.name == *kept))
                );
            }
            assert!(created.is_empty(), "{created:?}");
        }
    }
}
