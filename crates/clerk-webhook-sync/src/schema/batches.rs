//! The statements that read and write many rows of one table.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::dialect::Dialect;
use super::table::{ChildTable, Column, ID, Table};
use super::writer::Writer;
use crate::value::Kind;

/// The column names of [`BatchStatements::children`], before the columns of the child table.
pub(crate) const OWNER: &str = "owner_id";

/// The statements for one table. A list of ids is a JSON array of texts.
#[derive(Debug)]
pub(crate) struct BatchStatements {
    /// Reads rows with all columns except `raw`, sorted by id as bytes. Parameter: the list of ids. Locks the
    /// rows until the end of the transaction.
    pub(crate) lock: SqlStr,
    /// The same without locks.
    pub(crate) read: SqlStr,
    /// Writes versions of rows, unless the existing rows are newer. Each row has the values of
    /// [`Table::version_columns`]. In Postgres, returns the ids of the written rows, and whether each row is new.
    pub(crate) upsert: ListStatement,
    /// One set for each child table.
    pub(crate) children: Vec<ChildBatch>,
    /// Reads up to [`CANDIDATES`] rows that are live or copies, in the order of the database's index: `id`, and
    /// the ids of the organization and the user. Views hide the rows of a deleted organization or user already.
    /// Parameters: the id after which the rows begin, the time before
    /// which the row was created, changed and observed, and the time before which it was written.
    pub(crate) candidates: SqlStr,
    /// Counts the rows that are not tombstones.
    pub(crate) count: SqlStr,
}

/// The number of rows that [`BatchStatements::candidates`] reads.
pub(crate) const CANDIDATES: usize = 1_000;

/// The statements for the rows of a child table.
#[derive(Debug)]
pub(crate) struct ChildBatch {
    /// Reads the rows of some owners. Parameter: the list of the owners' ids.
    pub(crate) read: SqlStr,
    /// Removes the rows of some owners. Parameter: the list of the owners' ids.
    pub(crate) clear: SqlStr,
    /// Inserts rows. Each row has the values of [`ChildTable::all_columns`].
    pub(crate) insert: ListStatement,
}

/// A statement that writes a list of rows.
///
/// In Postgres, each column is one parameter, an array. In SQLite, which has no arrays, each value is one.
#[derive(Debug)]
pub(crate) struct ListStatement {
    kinds: Vec<Kind>,
    dialect: Dialect,
    head: String,
    tail: String,
}

impl ListStatement {
    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Returns the statement for this number of rows.
    pub(crate) fn for_rows(&self, rows: usize) -> SqlStr {
        let Self { head, tail, .. } = self;
        let list = match self.dialect {
            Dialect::Postgres => String::new(),
            Dialect::Sqlite => {
                let row = format!("({})", vec!["?"; self.kinds.len()].join(", "));
                format!("VALUES {} ", vec![row.as_str(); rows].join(", "))
            }
        };
        AssertSqlSafe(format!("{head}{list}{tail}")).into_sql_str()
    }
}

impl Writer<'_> {
    pub(super) fn batch(&self, table: &Table) -> BatchStatements {
        let named = self.names.table(table.name);
        let columns = table.all_columns().filter(|column| column.name != "raw");
        let read = format!(
            "SELECT {} FROM {named} WHERE id IN ({}) ORDER BY {}",
            columns.map(|column| self.dialect.read(column, "", "")).collect::<Vec<_>>().join(", "),
            self.ids(1),
            self.id_as_bytes(),
        );
        let lock = match self.dialect {
            Dialect::Postgres => format!("{read} FOR NO KEY UPDATE"),
            // The transaction holds the write lock already.
            Dialect::Sqlite => read.clone(),
        };
        BatchStatements {
            lock: self.safe(lock),
            read: self.safe(read),
            upsert: self.upsert(table),
            children: table.children.iter().map(|child| self.child_batch(child)).collect(),
            candidates: self.candidates(table),
            count: self.safe(format!("SELECT count(*) AS number FROM {named} WHERE deleted_at IS NULL")),
        }
    }

    fn upsert(&self, table: &Table) -> ListStatement {
        let columns: Vec<&Column> = table.version_columns().collect();
        let sets = columns.iter().skip(1).map(|column| {
            let (name, new) = (column.name, format!("excluded.{}", column.name));
            match table.kept.contains(&name) {
                true => format!("{name} = {}", self.dialect.least(&format!("known.{name}"), &new)),
                false => format!("{name} = {new}"),
            }
        });
        let order = |table: &str| {
            let columns = columns.iter().skip(1).take(4).map(|column| format!("{table}.{}", column.name));
            columns.collect::<Vec<_>>().join(", ")
        };
        let returning =
            if self.dialect == Dialect::Postgres { " RETURNING id, xmax = 0 AS is_new" } else { "" };
        let tail = format!(
            "ON CONFLICT (id) DO UPDATE SET {} WHERE ({}) < ({}){returning}",
            sets.collect::<Vec<_>>().join(", "),
            order("known"),
            order("excluded"),
        );
        self.list(&self.names.table(table.name), columns.into_iter(), tail)
    }

    fn child_batch(&self, child: &ChildTable) -> ChildBatch {
        let (table, owner) = (self.names.table(child.name), child.owner);
        let owner_column = Column::new(owner, Kind::Text).required();
        let columns = || [&owner_column, &ID].into_iter().chain(child.columns);
        let read = columns().skip(1).map(|column| self.dialect.read(column, "", ""));
        let read = read.collect::<Vec<_>>().join(", ");
        let of_owners = format!("FROM {table} WHERE {owner} IN ({})", self.ids(1));
        ChildBatch {
            read: self.safe(format!("SELECT {owner} AS {OWNER}, {read} {of_owners}")),
            clear: self.safe(format!("DELETE {of_owners}")),
            insert: self.list(&table, columns(), "ON CONFLICT DO NOTHING".to_owned()),
        }
    }

    fn list<'c>(
        &self,
        table: &str,
        columns: impl Iterator<Item = &'c Column>,
        tail: String,
    ) -> ListStatement {
        let columns: Vec<_> = columns.collect();
        let names = columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
        let insert = format!("INSERT INTO {table} AS known ({names})");
        let head = match self.dialect {
            Dialect::Sqlite => format!("{insert} "),
            Dialect::Postgres => {
                let arrays = columns.iter().zip(1..).map(|(column, number)| match column.kind {
                    Kind::Text | Kind::Json => format!("${number}::text[]"),
                    Kind::Integer => format!("${number}::bigint[]"),
                    Kind::Boolean => format!("${number}::boolean[]"),
                });
                let values = columns.iter().map(|column| match column.kind {
                    Kind::Json => format!("listed.{}::jsonb", column.name),
                    _ => format!("listed.{}", column.name),
                });
                format!(
                    "{insert} SELECT {} FROM unnest({}) AS listed ({names}) ",
                    values.collect::<Vec<_>>().join(", "),
                    arrays.collect::<Vec<_>>().join(", "),
                )
            }
        };
        let kinds = columns.iter().map(|column| column.kind).collect();
        ListStatement { kinds, dialect: self.dialect, head, tail }
    }

    fn candidates(&self, table: &Table) -> SqlStr {
        let parameter = |number| self.dialect.parameter(number, Kind::Integer);
        let parents = ["organization_id", "user_id"].map(|name| {
            let has = table.columns.iter().any(|column| column.name == name);
            if has { name.to_owned() } else { format!("{} AS {name}", self.dialect.null_text()) }
        });
        // Every database sorts by its own index, so only the database compares these ids.
        self.safe(format!(
            "SELECT id, {parents} FROM {table} WHERE id > {after} AND deleted_at IS NULL \
             AND coalesce(created_at, 0) < {latest} AND updated_at < {latest} AND event_at < {latest} \
             AND synced_at < {synced} \
             AND (obs_rank = 0 OR EXISTS (SELECT 1 FROM {view} live WHERE live.id = known.id)) \
             ORDER BY id LIMIT {CANDIDATES}",
            parents = parents.join(", "),
            table = format_args!("{} known", self.names.table(table.name)),
            view = self.names.table(&format!("active_{}", table.name)),
            after = self.dialect.parameter(1, Kind::Text),
            latest = parameter(2),
            synced = parameter(3),
        ))
    }

    /// Returns a query for the texts in a JSON array, which is a parameter.
    fn ids(&self, number: usize) -> String {
        match self.dialect {
            Dialect::Postgres => format!("SELECT jsonb_array_elements_text(${number}::jsonb)"),
            Dialect::Sqlite => format!("SELECT value FROM json_each(?{number})"),
        }
    }

    /// Returns the id for a comparison by its bytes, as Rust compares ids.
    const fn id_as_bytes(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => r#"id COLLATE "C""#,
            Dialect::Sqlite => "id",
        }
    }
}
