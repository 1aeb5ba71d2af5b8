//! The types that describe a table.

use super::record::Record;
use crate::value::{Kind, Value};

/// A table whose rows have an id and an order, and can be tombstones.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The prefix of the event types for this table: `user` for `user.created`.
    pub(crate) events: &'static str,
    /// The columns after [`ORDER`]. All of them can be null, and the last one is `raw`.
    pub(crate) columns: &'static [Column],
    /// The names of the columns that a tombstone keeps. Their values never change and are not personal data.
    pub(crate) kept: &'static [&'static str],
    /// The key that every complete object's data contains, with any value.
    ///
    /// Invitations, sessions and subscription items have none: an event that revokes or ends one must take
    /// effect even if its data lacks fields. For memberships and roles, it is the key that grants access.
    pub(crate) essential: Option<&'static str>,
    /// The members of the data that are left out of `raw`.
    ///
    /// These are copies of objects that have their own rows, and personal data of users, because a user's
    /// tombstone erases only the user's row.
    pub(crate) not_in_raw: &'static [&'static str],
    pub(crate) children: &'static [ChildTable],
}

/// A table whose rows belong to a row in another table and are replaced together with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChildTable {
    pub(crate) name: &'static str,
    /// The column with the id of the owning row. Together with the `id` column, it is the primary key.
    pub(crate) owner: &'static str,
    /// The columns after the owner and the id.
    pub(crate) columns: &'static [Column],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    /// Whether the column contains Clerk's ids, which [`Value::id`] shortens if they are too long.
    pub(crate) is_id: bool,
}

impl Column {
    /// Creates a column that can be null.
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: true, is_id: false }
    }

    pub(crate) const fn required(self) -> Self {
        Self { nullable: false, ..self }
    }

    pub(crate) const fn id(self) -> Self {
        Self { is_id: true, ..self }
    }

    /// Converts a value to the form in which this column stores it.
    pub(crate) fn fit(&self, value: Value) -> Value {
        match value {
            Value::Text(Some(text)) if self.is_id => Value::id(&text),
            value => value,
        }
    }
}

/// The `id` column, which is part of every table's primary key.
pub(crate) const ID: Column = Column::new("id", Kind::Text).required().id();

/// The columns after the id: the order of the version, the time of the deletion, and the time of the last
/// write.
pub(crate) const ORDER: [Column; 6] = [
    Column::new("obs_rank", Kind::Integer).required(),
    Column::new("updated_at", Kind::Integer).required(),
    Column::new("event_at", Kind::Integer).required(),
    Column::new("tie", Kind::Text).required(),
    Column::new("deleted_at", Kind::Integer),
    Column::new("synced_at", Kind::Integer).required(),
];

/// A type that represents the rows of a table.
pub(crate) trait TableRow: Sized {
    const TABLE: Table;

    /// Converts a record. Returns `None` if its id is null.
    fn read(record: Record) -> Option<Self>;
}

impl Table {
    /// Returns all columns of the table.
    pub(crate) fn all_columns(&self) -> impl Iterator<Item = &Column> {
        [&ID].into_iter().chain(&ORDER).chain(self.columns)
    }

    /// Returns the columns that [`version`](super::TableStatements::version) writes.
    pub(crate) fn version_columns(&self) -> impl Iterator<Item = &Column> {
        self.all_columns().filter(|column| column.name != "deleted_at")
    }

    /// Returns the columns of the row type. They do not include `raw`, which is large.
    pub(crate) fn read_columns(&self) -> impl Iterator<Item = &Column> {
        let read = |name| name == "id" || name == "updated_at";
        let order = self.all_columns().take(1 + ORDER.len()).filter(move |column| read(column.name));
        order.chain(self.columns.iter().filter(|column| column.name != "raw"))
    }

    /// Returns the values in the order of the columns. Missing values are null.
    pub(crate) fn row<const N: usize>(&self, given: [(&'static str, Value); N]) -> Vec<Value> {
        row(self.columns, given)
    }

    /// Returns the columns that a tombstone keeps, in the order of the table.
    pub(crate) fn kept_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| self.kept.contains(&column.name))
    }

    /// Returns a row's values in the columns that a tombstone keeps.
    pub(crate) fn kept_of(&self, row: &[Value]) -> Vec<Value> {
        let kept = self.columns.iter().zip(row).filter(|(column, _)| self.kept.contains(&column.name));
        kept.map(|(_, value)| value.clone()).collect()
    }
}

impl ChildTable {
    /// Returns all columns of the table.
    #[cfg(test)]
    pub(crate) fn all_columns(&self) -> impl Iterator<Item = Column> {
        let owner = Column::new(self.owner, Kind::Text).required();
        [owner, ID].into_iter().chain(self.columns.iter().copied())
    }

    /// Returns the values in the order of the columns. Missing values are null.
    pub(crate) fn row<const N: usize>(&self, given: [(&'static str, Value); N]) -> Vec<Value> {
        row(self.columns, given)
    }
}

fn row<const N: usize>(columns: &[Column], given: [(&'static str, Value); N]) -> Vec<Value> {
    let mut values: Vec<_> = columns.iter().map(|column| column.kind.null()).collect();
    for (name, value) in given {
        let place = columns.iter().position(|column| column.name == name && column.kind == value.kind());
        debug_assert!(place.is_some(), "the table has no column {name} of this kind");
        if let Some(place) = place {
            values[place] = columns[place].fit(value);
        }
    }
    values
}
