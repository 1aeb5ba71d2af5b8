//! What the description of a table consists of.

use super::record::Record;
use crate::value::{Kind, Value};

/// A table whose rows have an id, an order, and a tombstone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The first part of the types of the events of its objects.
    pub(crate) events: &'static str,
    /// The columns after [`ORDER`]. All of them may be null, and the last one is `raw`.
    pub(crate) columns: &'static [Column],
    /// The names of the columns that a tombstone keeps. They never change during the life of an object, and none of them is
    /// personal.
    pub(crate) kept: &'static [&'static str],
    /// The key that the data of every whole object has, whatever its value is.
    ///
    /// Invitations, sessions and items have none: their events tell an end (revoked, ended), which must count whatever the
    /// data lacks. For memberships and roles it is the key that says what they allow.
    pub(crate) essential: Option<&'static str>,
    /// The members of the data that `raw` does not contain: copies of objects that have rows of their own, and data of
    /// persons, because the tombstone of a user reaches the row of the user only.
    pub(crate) not_in_raw: &'static [&'static str],
    pub(crate) children: &'static [ChildTable],
}

/// A set that belongs to a row and is replaced with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChildTable {
    pub(crate) name: &'static str,
    /// The column with the id of the row that it belongs to. With the column `id` it is the key.
    pub(crate) owner: &'static str,
    /// The columns after these two.
    pub(crate) columns: &'static [Column],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    /// Whether it is an id of Clerk, which is written as [`Value::id`] does.
    pub(crate) is_id: bool,
}

impl Column {
    /// A column that may be null.
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, nullable: true, is_id: false }
    }

    pub(crate) const fn required(self) -> Self {
        Self { nullable: false, ..self }
    }

    pub(crate) const fn id(self) -> Self {
        Self { is_id: true, ..self }
    }

    /// Returns a value as it is written into this column.
    pub(crate) fn fit(&self, value: Value) -> Value {
        match value {
            Value::Text(Some(text)) if self.is_id => Value::id(&text),
            value => value,
        }
    }
}

/// The key of every table.
pub(crate) const ID: Column = Column::new("id", Kind::Text).required().id();

/// The columns after the id: which version a row is, when it was deleted, and when it was written.
pub(crate) const ORDER: [Column; 6] = [
    Column::new("obs_rank", Kind::Integer).required(),
    Column::new("updated_at", Kind::Integer).required(),
    Column::new("event_at", Kind::Integer).required(),
    Column::new("tie", Kind::Text).required(),
    Column::new("deleted_at", Kind::Integer),
    Column::new("synced_at", Kind::Integer).required(),
];

/// The type as which an application reads the rows of a table.
pub(crate) trait TableRow: Sized {
    const TABLE: Table;

    /// Reads a row. Returns nothing if its id is null.
    fn read(record: Record) -> Option<Self>;
}

impl Table {
    /// Returns all columns of the table.
    pub(crate) fn all_columns(&self) -> impl Iterator<Item = &Column> {
        [&ID].into_iter().chain(&ORDER).chain(self.columns)
    }

    /// Returns the columns of which [`version`](super::TableStatements::version) writes the values.
    pub(crate) fn version_columns(&self) -> impl Iterator<Item = &Column> {
        self.all_columns().filter(|column| column.name != "deleted_at")
    }

    /// Returns the columns from which a row is read: not `raw`, which is large.
    pub(crate) fn read_columns(&self) -> impl Iterator<Item = &Column> {
        let read = |name| name == "id" || name == "updated_at";
        let order = self.all_columns().take(1 + ORDER.len()).filter(move |column| read(column.name));
        order.chain(self.columns.iter().filter(|column| column.name != "raw"))
    }

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
    /// Returns all columns of the table.
    #[cfg(test)]
    pub(crate) fn all_columns(&self) -> impl Iterator<Item = Column> {
        let owner = Column::new(self.owner, Kind::Text).required();
        [owner, ID].into_iter().chain(self.columns.iter().copied())
    }

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
