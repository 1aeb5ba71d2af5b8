//! The statements that write.
//!
//! A row is written in two ways: a change of the one that is there, which does nothing unless the row is newer, and an
//! insertion, which does nothing where there is one. A single `ON CONFLICT … DO UPDATE` would come to the same row, but not
//! say whether there was one before, and lock it whatever comes. Both are right whoever else writes: the insertion waits for
//! another one of the same id, the change looks at the row as it is once nobody else has it, and rows are never removed.

use std::ops::Range;

use sqlx::SqlStr;

use super::dialect::Dialect;
use super::table::{ChildTable, Table};
use super::writer::Writer;
use crate::value::Kind;

/// What writes the rows of a table.
#[derive(Debug)]
pub(crate) struct TableStatements {
    /// Reads what a row is read from and `obs_rank`, and lets nobody else write the row until the end of the transaction.
    pub(crate) lock: SqlStr,
    /// Writes a version, of its id, the four of the order, the time, and the columns.
    pub(crate) version: RowStatements,
    /// Writes a tombstone, of its id, the time of the deletion, the time, and the columns that are kept.
    pub(crate) tombstone: RowStatements,
    /// Puts what an older version knows into the kept columns, of its id and these columns; returns `obs_rank` if that has
    /// changed the row.
    pub(crate) fill: Option<SqlStr>,
    pub(crate) children: ChildStatements,
}

/// The ways to write a row, which take the same parameters.
#[derive(Debug)]
pub(crate) struct RowStatements {
    /// Changes the row that is there, if this one is newer.
    pub(crate) update: SqlStr,
    /// Inserts it, if none is there.
    pub(crate) insert: SqlStr,
    /// Does whichever is right and returns the number of an [`Effect`], or null where somebody else has inserted the row
    /// meanwhile: then it has to run again. Not in every database is there such a statement.
    pub(crate) at_once: Option<SqlStr>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The one that is there is not older.
    Nothing,
    /// It has changed.
    Updated,
    /// There was none.
    Inserted,
}

impl Effect {
    /// Reads what [`RowStatements::at_once`] has returned.
    pub(crate) const fn from_number(number: i64) -> Self {
        match number {
            UPDATED => Self::Updated,
            INSERTED => Self::Inserted,
            _ => Self::Nothing,
        }
    }
}

// The numbers of effects.
const NOTHING: i64 = 0;
const UPDATED: i64 = 1;
const INSERTED: i64 = 2;

/// What writes the rows that belong to a row.
#[derive(Debug)]
pub(crate) struct ChildStatements {
    /// Writes those of a new row: a statement for each child table, of the id of the row and a list.
    pub(crate) insert: Vec<SqlStr>,
    /// Writes those of a row that has changed, and removes all others: one after the other.
    pub(crate) replace: Vec<ReplaceStatement>,
}

/// A statement whose parameters are the id of a row, and the lists of some of the child tables.
#[derive(Debug)]
pub(crate) struct ReplaceStatement {
    pub(crate) statement: SqlStr,
    pub(crate) lists: Range<usize>,
}

/// The parts of statements that write a row; the first column is the id, and its value the first parameter.
struct Row {
    columns: Vec<String>,
    values: Vec<String>,
    /// `column = value`.
    sets: Vec<String>,
    /// Whether the row that is there is older.
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
        }
    }

    /// A kept column never changes during the life of an object. Each observation may lack it, so the row has the least
    /// value of all observations, in whatever order they come.
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
            // What an UPDATE takes.
            Dialect::Postgres => {
                format!("SELECT {columns}, obs_rank FROM {named} WHERE id = {id} FOR NO KEY UPDATE")
            }
            // Who only reads first can be refused to write then, because somebody else has written.
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
        // All parts see the tables as they were when the statement began. The change waits for whoever changes a row that
        // was there then, and looks at it again; what was not newer than that row is not newer than a later one.
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
        // The first one is the id.
        let written = &written[1..];
        // obs_rank, updated_at, event_at and tie.
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
            // A tombstone is greater than every version by its obs_rank. Were it asked whether the row is one, Postgres
            // could take an index of the rows that are none, all of which it would look at.
            is_older: format!("({}) < ({})", known.join(", "), new.join(", ")),
        }
    }

    /// The earliest of several deletions counts. The kept columns are [merged](Self::merged).
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

    /// Removes what does not belong to a row any more, and writes what has changed.
    fn children(&self, tables: &[ChildTable]) -> ChildStatements {
        let insert = tables.iter().map(|table| self.safe(self.child(table, 2).1)).collect();
        let replace = match self.dialect {
            Dialect::Postgres if tables.is_empty() => Vec::new(),
            // No two parts touch the same row, so it does not matter which goes first.
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

    /// Returns what removes all rows that are not in the list, and what writes those that are.
    fn child(&self, child: &ChildTable, number: usize) -> (String, String) {
        let (table, owner) = (self.names.table(child.name), child.owner);
        let [id, rows] = [(1, Kind::Text), (number, Kind::Json)]
            .map(|(number, kind)| self.dialect.parameter(number, kind));
        let columns: Vec<_> = child.columns.iter().map(|column| column.name).collect();
        // In Postgres the columns of the table say what becomes of a JSON value, in SQLite it says so itself.
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

/// Asks whether a value would change a column that is [merged](Writer::merged).
fn is_less(column: &str, value: &str) -> String {
    format!("{value} < {column} OR ({column} IS NULL AND {value} IS NOT NULL)")
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use crate::ClerkSync;
    use crate::properties::postgres;
    use crate::schema::tables::Entity;

    /// Postgres keeps a plan that it has made while a table was empty, when all indexes look alike.
    #[tokio::test]
    async fn rows_are_found_by_their_keys_from_the_first_one_on() {
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
