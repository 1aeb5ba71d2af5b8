//! The statements that write rows.
//!
//! A row is written by an UPDATE, which changes the existing row if it is older, and an INSERT, which does
//! nothing if the row exists. A single `ON CONFLICT … DO UPDATE` would produce the same row. But it does not
//! report whether the row existed, and it locks the row even if it changes nothing.
//!
//! Both statements are correct even if other transactions write at the same time. The INSERT waits for
//! another INSERT with the same id. The UPDATE waits for the lock on the row and then compares the row again.
//! Rows are never removed.

use std::ops::Range;

use sqlx::SqlStr;

#[cfg(feature = "backend-api")]
use super::batches::BatchStatements;
use super::dialect::Dialect;
use super::table::{ChildTable, Table};
use super::writer::Writer;
use crate::value::Kind;

/// The statements for one table.
#[derive(Debug)]
pub(crate) struct TableStatements {
    /// Reads the columns of the row type and `obs_rank`, and locks the row until the end of the transaction.
    pub(crate) lock: SqlStr,
    /// Writes a version. Parameters: the id, the four columns of the order, the current time, and the
    /// columns.
    pub(crate) version: RowStatements,
    /// Writes a tombstone. Parameters: the id, the time of the deletion, the current time, and the kept
    /// columns.
    pub(crate) tombstone: RowStatements,
    /// Merges the columns that a tombstone keeps into a row that is newer than the observation. Parameters: the
    /// id and these columns. Returns `obs_rank` if the row changed.
    pub(crate) fill: Option<SqlStr>,
    pub(crate) children: ChildStatements,
    #[cfg(feature = "backend-api")]
    pub(crate) batch: BatchStatements,
}

/// The statements that write one row. They take the same parameters.
#[derive(Debug)]
pub(crate) struct RowStatements {
    /// Updates the existing row if it is older.
    pub(crate) update: SqlStr,
    /// Inserts the row if it does not exist.
    pub(crate) insert: SqlStr,
    /// Updates or inserts the row and returns the number of an [`Effect`]. Exists only in Postgres.
    ///
    /// Returns null if another transaction has inserted the row since the statement began. In that case, the
    /// statement must run again.
    pub(crate) at_once: Option<SqlStr>,
}

/// The effect of a statement on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing changed, because the existing row is newer or equal.
    Nothing,
    /// The existing row was updated.
    Updated,
    /// The row was inserted.
    Inserted,
}

impl Effect {
    /// Converts the result of [`RowStatements::at_once`].
    pub(crate) const fn from_number(number: i64) -> Self {
        match number {
            UPDATED => Self::Updated,
            INSERTED => Self::Inserted,
            _ => Self::Nothing,
        }
    }
}

// The numbers that represent an `Effect` in SQL.
const NOTHING: i64 = 0;
const UPDATED: i64 = 1;
const INSERTED: i64 = 2;

/// The statements that write child rows.
#[derive(Debug)]
pub(crate) struct ChildStatements {
    /// One statement for each child table, for a new row. Parameters: the id of the row and the list of child
    /// rows.
    pub(crate) insert: Vec<SqlStr>,
    /// The statements for an updated row, in order. They write its child rows and remove all others.
    pub(crate) replace: Vec<ReplaceStatement>,
}

/// A statement whose parameters are a row's id and, for some child tables, the list of its child rows.
#[derive(Debug)]
pub(crate) struct ReplaceStatement {
    pub(crate) statement: SqlStr,
    pub(crate) lists: Range<usize>,
}

/// The fragments of the statements that write a row. The first column is the id, and the first parameter is
/// its value.
struct Row {
    columns: Vec<String>,
    values: Vec<String>,
    /// Assignments of the form `column = value`.
    sets: Vec<String>,
    /// The condition that the existing row is older.
    is_older: String,
}

impl Writer<'_> {
    pub(super) fn table(&self, table: &Table) -> TableStatements {
        TableStatements {
            lock: self.lock(table),
            version: self.row(table, &self.version(table)),
            tombstone: self.row(table, &self.tombstone(table)),
            fill: (!table.kept.is_empty()).then(|| self.fill(table)),
            children: self.children(table.children),
            #[cfg(feature = "backend-api")]
            batch: self.batch(table),
        }
    }

    /// Returns the assignment of a kept column, which never changes but may be missing in an observation.
    ///
    /// The row stores the smallest value from all observations, so their order does not matter.
    fn merged(&self, name: &str, value: &str) -> String {
        format!("{name} = {}", self.dialect.least(name, value))
    }

    fn fill(&self, table: &Table) -> SqlStr {
        let (mut sets, mut differs) = (Vec::new(), Vec::new());
        for (column, number) in table.kept_columns().zip(2..) {
            let (name, value) = (column.name, self.dialect.parameter(number, column.kind));
            sets.push(self.merged(name, &value));
            differs.push(is_less(name, &value));
        }
        let (table, id) = (self.names.table(table.name), self.dialect.parameter(1, Kind::Text));
        self.safe(format!(
            "UPDATE {table} SET {} WHERE id = {id} AND ({}) RETURNING obs_rank",
            sets.join(", "),
            differs.join(" OR ")
        ))
    }

    fn lock(&self, table: &Table) -> SqlStr {
        let (columns, named) = (self.columns(table, "", ""), self.names.table(table.name));
        let id = self.dialect.parameter(1, Kind::Text);
        self.safe(match self.dialect {
            // FOR NO KEY UPDATE takes the same lock as an UPDATE that does not change the key.
            Dialect::Postgres => {
                format!("SELECT {columns}, obs_rank FROM {named} WHERE id = {id} FOR NO KEY UPDATE")
            }
            // A SELECT would not take the write lock, and the later write could fail because another
            // connection has written in the meantime.
            Dialect::Sqlite => {
                format!(
                    "UPDATE {named} SET obs_rank = obs_rank WHERE id = {id} RETURNING {columns}, obs_rank"
                )
            }
        })
    }

    fn row(&self, table: &Table, row: &Row) -> RowStatements {
        let Row { columns, values, sets, is_older } = row;
        let [columns, values, sets] = [columns, values, sets].map(|parts| parts.join(", "));
        let (table, id) = (self.names.table(table.name), self.dialect.parameter(1, Kind::Text));
        let update = format!("UPDATE {table} SET {sets} WHERE id = {id} AND ({is_older})");
        let insert =
            |rows: &str| format!("INSERT INTO {table} ({columns}) {rows} ON CONFLICT (id) DO NOTHING");
        // All parts of the statement see the tables as they were when it began. The UPDATE waits for other
        // writers of the row and then compares it again. A version that was not newer than the old row is not
        // newer than the new one.
        let at_once = format!(
            "WITH known AS (SELECT 1 FROM {table} WHERE id = {id}), updated AS ({update} RETURNING 1), \
             inserted AS ({insert} RETURNING 1) \
             SELECT CASE WHEN EXISTS (SELECT 1 FROM updated) THEN {UPDATED} \
             WHEN EXISTS (SELECT 1 FROM inserted) THEN {INSERTED} \
             WHEN EXISTS (SELECT 1 FROM known) THEN {NOTHING} END::bigint AS effect",
            insert = insert(&format!("SELECT {values} WHERE NOT EXISTS (SELECT 1 FROM known)")),
        );
        RowStatements {
            update: self.safe(update),
            insert: self.safe(insert(&format!("VALUES ({values})"))),
            at_once: (self.dialect == Dialect::Postgres).then(|| self.safe(at_once)),
        }
    }

    fn version(&self, table: &Table) -> Row {
        let written: Vec<(&str, String)> = table
            .version_columns()
            .zip(1..)
            .map(|(column, number)| (column.name, self.dialect.parameter(number, column.kind)))
            .collect();
        let (columns, values) =
            written.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).unzip();
        // The first column is the id.
        let written = &written[1..];
        // The next four columns are `obs_rank`, `updated_at`, `event_at` and `tie`.
        let (known, new): (Vec<_>, Vec<_>) =
            written.iter().take(4).map(|(name, value)| (*name, value.as_str())).unzip();
        Row {
            columns,
            values,
            sets: written
                .iter()
                .map(|(name, value)| match table.kept.contains(name) {
                    true => self.merged(name, value),
                    false => format!("{name} = {value}"),
                })
                .collect(),
            // A tombstone wins by its obs_rank. Without a condition on deleted_at, Postgres cannot choose a
            // partial index of the live rows, which it would scan completely.
            is_older: format!("({}) < ({})", known.join(", "), new.join(", ")),
        }
    }

    /// Returns the SQL fragments that write a tombstone. The earliest deletion wins, and the kept columns are
    /// [merged](Self::merged).
    fn tombstone(&self, table: &Table) -> Row {
        let emptied = table.columns.iter().filter(|column| !table.kept.contains(&column.name));
        let [id, deleted_at, synced_at] = [(1, Kind::Text), (2, Kind::Integer), (3, Kind::Integer)]
            .map(|(number, kind)| self.dialect.parameter(number, kind));
        let order = [("obs_rank", "9"), ("updated_at", "0"), ("event_at", "0"), ("tie", "''")];
        let (mut columns, mut values) = (vec!["id".to_owned()], vec![id]);
        let mut sets = Vec::new();
        for (name, value) in order {
            columns.push(name.into());
            values.push(value.into());
            sets.push(format!("{name} = {value}"));
        }
        columns.extend(["deleted_at".into(), "synced_at".into()]);
        values.extend([deleted_at.clone(), synced_at.clone()]);
        sets.push(format!("deleted_at = {}", self.dialect.least("deleted_at", &deleted_at)));
        let mut is_older = format!("deleted_at IS NULL OR {deleted_at} < deleted_at");
        sets.push(format!("synced_at = {synced_at}"));
        for (column, number) in table.kept_columns().zip(4..) {
            let (name, value) = (column.name, self.dialect.parameter(number, column.kind));
            sets.push(self.merged(name, &value));
            is_older += &format!(" OR {}", is_less(name, &value));
            columns.push(name.into());
            values.push(value);
        }
        sets.extend(emptied.map(|column| format!("{} = NULL", column.name)));
        Row { columns, values, sets, is_older }
    }

    /// Returns the statements that write a row's child rows.
    fn children(&self, tables: &[ChildTable]) -> ChildStatements {
        let insert = tables.iter().map(|table| self.safe(self.child(table, 2).1)).collect();
        let replace = match self.dialect {
            Dialect::Postgres if tables.is_empty() => Vec::new(),
            // No two parts of the statement write the same row, so their order does not matter.
            Dialect::Postgres => {
                let parts = tables.iter().zip(2..).map(|(table, number)| {
                    let (clear, put) = self.child(table, number);
                    format!("clear_{number} AS ({clear}), put_{number} AS ({put})")
                });
                let statement = format!("WITH {} SELECT 1", parts.collect::<Vec<_>>().join(", "));
                vec![ReplaceStatement { statement: self.safe(statement), lists: 0..tables.len() }]
            }
            Dialect::Sqlite => {
                let both = |(index, table)| {
                    let (clear, put) = self.child(table, 2);
                    let lists = index..index + 1;
                    [clear, put].map(|statement| ReplaceStatement {
                        statement: self.safe(statement),
                        lists: lists.clone(),
                    })
                };
                tables.iter().enumerate().flat_map(both).collect()
            }
        };
        ChildStatements { insert, replace }
    }

    /// Returns a statement that removes the child rows that are not in the list, and one that writes the
    /// listed ones.
    fn child(&self, child: &ChildTable, number: usize) -> (String, String) {
        let (table, owner) = (self.names.table(child.name), child.owner);
        let [id, rows] = [(1, Kind::Text), (number, Kind::Json)]
            .map(|(number, kind)| self.dialect.parameter(number, kind));
        let columns: Vec<_> = child.columns.iter().map(|column| column.name).collect();
        // Postgres converts JSON values to the types of the table's columns. SQLite keeps the types of JSON.
        let rows = match self.dialect {
            Dialect::Postgres => format!("jsonb_populate_recordset(NULL::{table}, {rows})"),
            Dialect::Sqlite => {
                let read =
                    ["id"].iter().chain(&columns).map(|name| format!("value ->> '$.{name}' AS {name}"));
                format!("(SELECT {} FROM json_each({rows}))", read.collect::<Vec<_>>().join(", "))
            }
        };
        let listed = |before: &str| {
            columns.iter().map(|name| format!("{before}{name}")).collect::<Vec<_>>().join(", ")
        };
        let sets: Vec<_> = columns.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let clear = format!(
            "DELETE FROM {table} WHERE {owner} = {id} AND id NOT IN (SELECT id FROM {rows} AS listed)"
        );
        let put = format!(
            "INSERT INTO {table} AS known ({owner}, id, {columns}) SELECT {id}, id, {columns} FROM {rows} AS listed \
             WHERE true ON CONFLICT ({owner}, id) DO UPDATE SET {sets} WHERE ({known}) IS DISTINCT FROM ({excluded})",
            columns = listed(""),
            sets = sets.join(", "),
            known = listed("known."),
            excluded = listed("excluded."),
        );
        (clear, put)
    }
}

/// Returns the condition under which a value would change a [merged](Writer::merged) column.
fn is_less(column: &str, value: &str) -> String {
    format!("{value} < {column} OR ({column} IS NULL AND {value} IS NOT NULL)")
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use crate::ClerkSync;
    use crate::properties::postgres;
    use crate::schema::tables::Entity;

    /// Postgres can keep a plan from the time when the table was empty and all indexes had the same cost.
    #[tokio::test]
    async fn a_plan_for_an_empty_table_uses_the_primary_key() {
        let Some(pool) = postgres("plans").await else { return };
        let sync = ClerkSync::new(pool.clone());
        sync.migrate().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        let generic = sqlx::raw_sql("SET plan_cache_mode = force_generic_plan");
        generic.execute(&mut *connection).await.unwrap();
        for &entity in Entity::ALL {
            let (table, statements) = (entity.table(), sync.statements().of(entity));
            let rows = [
                (&statements.version, 6 + table.columns.len()),
                (&statements.tombstone, 3 + table.kept.len()),
            ];
            let at_once = rows.map(|(row, parameters)| (row.at_once.clone().unwrap(), parameters));
            let replace = statements.children.replace.iter();
            let replace = replace.map(|replace| (replace.statement.clone(), 1 + replace.lists.len()));
            for (statement, parameters) in at_once.into_iter().chain(replace) {
                let nulls = vec!["NULL"; parameters].join(", ");
                let prepare = format!("DEALLOCATE ALL; PREPARE tried AS {}", statement.as_str());
                sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
                let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE tried({nulls})"));
                let plan = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
                let plan: Vec<String> = plan.iter().map(|line| line.get(0)).collect();
                let scans: Vec<_> = plan
                    .iter()
                    .filter(|line| {
                        line.contains("Index ") && line.contains(" Scan ") || line.contains("Seq Scan")
                    })
                    .collect();
                assert!(!scans.is_empty(), "{plan:#?}");
                assert!(scans.iter().all(|scan| scan.contains("_pkey ")), "{plan:#?}");
            }
        }
    }
}
