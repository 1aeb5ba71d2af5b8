//! Writes observations to the tables.

use std::collections::BTreeMap;
use std::slice;

use clerk_webhook_core::Timestamp;
use sqlx::SqlStr;

use crate::apply::applied::Applied;
use crate::apply::change::{Change, Origin};
use crate::apply::engine::SyncDatabase;
use crate::error::SyncError;
use crate::observe::{Children, Observation, Observed, Order, Rank};
use crate::schema::record::Record;
use crate::schema::table::{ChildTable, Table};
use crate::schema::tables::Entity;
use crate::schema::writes::{ChildStatements, Effect, ReplaceStatement, RowStatements};
use crate::sync::ClerkSync;
use crate::value::{self, Kind, Value};

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns whether a single statement writes all observations, so that no transaction is needed.
    pub(crate) fn is_one_statement(&self, observations: &[Observation]) -> bool {
        match observations {
            [Observation { entity, observed, .. }] if self.hook().is_none() => {
                let statements = self.statements().of(*entity);
                let is_filled = statements.fill.is_some() && matches!(observed, Observed::Version { .. });
                statements.version.at_once.is_some() && entity.table().children.is_empty() && !is_filled
            }
            _ => false,
        }
    }

    /// Writes observations and returns the result of the last one, which is about the event's own object.
    ///
    /// If `is_creation` is true, this object is probably new, so an insertion is tried first.
    pub(crate) async fn write(
        &self,
        connection: &mut DB::Connection,
        observations: Vec<Observation>,
        is_creation: bool,
        origin: Origin,
    ) -> Result<Applied, SyncError> {
        let mut applied = Applied::Stale;
        for observation in observations {
            applied = self.write_one(connection, observation, is_creation, Some(origin)).await?;
        }
        Ok(applied)
    }

    /// Writes one observation. Calls no hook if `origin` is `None`.
    pub(crate) async fn write_one(
        &self,
        connection: &mut DB::Connection,
        Observation { entity, id, observed }: Observation,
        is_creation: bool,
        origin: Option<Origin>,
    ) -> Result<Applied, SyncError> {
        let statements = self.statements().of(entity);
        let id = value::id(&id);
        let is_deletion = matches!(observed, Observed::Deleted { .. });
        let (statement, row, children, kept) = match observed {
            Observed::Version { order, columns, children } => {
                let kept = entity.table().kept_of(&columns);
                (&statements.version, version(&id, order, columns), children, kept)
            }
            Observed::Deleted { at, kept } => {
                let none = vec![Children::new(); entity.table().children.len()];
                (&statements.tombstone, tombstone(entity.table(), &id, at, kept), Some(none), Vec::new())
            }
        };
        // Copies do not trigger hooks. They have no child rows and only replace other copies.
        let hook = self.hook().zip(origin).filter(|_| children.is_some());
        let is_creation = is_creation && children.is_some();
        let (mut effect, before) = match hook {
            None => (self.put(connection, statement, &row, is_creation).await?, None),
            Some(_) => self.put_after_reading(connection, entity, statement, &row, is_creation).await?,
        };
        if effect == Effect::Nothing
            && !is_deletion
            && let Some(fill) = &statements.fill
        {
            effect = self.fill(connection, fill, &row[0], kept.clone()).await?;
        }
        let Some(children) = children else { return Ok(applied(effect)) };
        if effect == Effect::Nothing {
            return Ok(Applied::Stale);
        }
        let children = entity.table().children.iter().zip(children);
        self.write_children(connection, &statements.children, effect, &row[0], children).await?;
        if let Some((hook, origin)) = hook {
            let mut after = (!is_deletion).then(|| live(entity.table(), &row));
            // Another version of the row may have set kept columns that this version lacks. In that case, the
            // row is read again.
            let knew_the_same = |before: &Record| {
                entity
                    .table()
                    .kept_columns()
                    .zip(&kept)
                    .all(|(column, value)| before.get(column.name) == Some(value))
            };
            if effect == Effect::Updated && !kept.is_empty() && !before.as_ref().is_some_and(knew_the_same) {
                after = self.lock(connection, entity, &row[0]).await?.and_then(Locked::whole);
            }
            let change = Change::new(entity, id, (before, after), origin);
            hook(change, connection).await.map_err(SyncError::hook)?;
            DB::ensure_alive(connection).await?;
        }
        Ok(if is_deletion { Applied::Tombstoned } else { applied(effect) })
    }

    /// Inserts or updates a row, unless the existing row is newer.
    async fn put(
        &self,
        connection: &mut DB::Connection,
        statements: &RowStatements,
        row: &[Value],
        is_probably_new: bool,
    ) -> Result<Effect, sqlx::Error> {
        if is_probably_new && self.execute(connection, statements.insert.clone(), row).await? > 0 {
            return Ok(Effect::Inserted);
        }
        let Some(at_once) = &statements.at_once else {
            return Ok(if self.execute(connection, statements.update.clone(), row).await? > 0 {
                Effect::Updated
            } else if self.execute(connection, statements.insert.clone(), row).await? > 0 {
                Effect::Inserted
            } else {
                Effect::Nothing
            });
        };
        for _ in 0..TRIES {
            let rows = self.fetch(connection, at_once.clone(), row).await?;
            // The effect is null if another transaction has inserted the row since the statement began. The
            // next try sees that row.
            if let Some(row) = rows.first()
                && let Value::Integer(Some(number)) = DB::get(row, "effect", Kind::Integer)?
            {
                return Ok(Effect::from_number(number));
            }
        }
        Err(insertion_was_dropped())
    }

    /// Inserts or updates a row, unless the existing row is newer, and returns the object that it contained
    /// before.
    ///
    /// The row stays locked until the end of the transaction, so the `before` of each hook call is the
    /// `after` of the previous one.
    async fn put_after_reading(
        &self,
        connection: &mut DB::Connection,
        entity: Entity,
        statements: &RowStatements,
        row: &[Value],
        is_probably_new: bool,
    ) -> Result<(Effect, Option<Record>), sqlx::Error> {
        let mut known = None;
        if !is_probably_new {
            known = self.lock(connection, entity, &row[0]).await?;
        }
        if known.is_none() {
            if self.execute(connection, statements.insert.clone(), row).await? > 0 {
                return Ok((Effect::Inserted, None));
            }
            known = self.lock(connection, entity, &row[0]).await?;
        }
        let known = known.ok_or_else(insertion_was_dropped)?;
        let is_updated = self.execute(connection, statements.update.clone(), row).await? > 0;
        Ok((if is_updated { Effect::Updated } else { Effect::Nothing }, known.whole()))
    }

    /// Fills the kept columns from a version that is not newer than the row, and returns whether a live row
    /// changed.
    ///
    /// A tombstone can change too, but then the hook is not called.
    async fn fill(
        &self,
        connection: &mut DB::Connection,
        statement: &SqlStr,
        id: &Value,
        kept: Vec<Value>,
    ) -> Result<Effect, sqlx::Error> {
        let parameters = [vec![id.clone()], kept].concat();
        let rows = self.fetch(connection, statement.clone(), &parameters).await?;
        let rank = rows.first().map(|row| DB::get(row, "obs_rank", Kind::Integer)).transpose()?;
        Ok(if rank == Some(Rank::Whole.as_number().into()) { Effect::Updated } else { Effect::Nothing })
    }

    /// Reads a row and locks it against writes until the end of the transaction.
    pub(crate) async fn lock(
        &self,
        connection: &mut DB::Connection,
        entity: Entity,
        id: &Value,
    ) -> Result<Option<Locked>, sqlx::Error> {
        let lock = self.statements().of(entity).lock.clone();
        let rows = self.fetch(connection, lock, slice::from_ref(id)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let record = self.record(row, entity.table(), "")?;
        Ok(Some(Locked { record, rank: DB::get(row, "obs_rank", Kind::Integer)? }))
    }

    /// Reads the columns of a table from a row. Their names in the row begin with the prefix.
    pub(crate) fn record(&self, row: &DB::Row, table: &Table, prefix: &str) -> Result<Record, sqlx::Error> {
        let mut record = Record::default();
        for column in table.read_columns() {
            let value = match prefix {
                "" => DB::get(row, column.name, column.kind)?,
                _ => DB::get(row, &format!("{prefix}{}", column.name), column.kind)?,
            };
            record.insert(column.name, value);
        }
        Ok(record)
    }

    /// Writes the child rows of the row with this id.
    async fn write_children(
        &self,
        connection: &mut DB::Connection,
        statements: &ChildStatements,
        effect: Effect,
        id: &Value,
        children: impl Iterator<Item = (&'static ChildTable, Children)> + Send,
    ) -> Result<(), sqlx::Error> {
        if effect == Effect::Inserted {
            for ((table, rows), insert) in
                children.zip(&statements.insert).filter(|((_, rows), _)| !rows.is_empty())
            {
                self.execute(connection, insert.clone(), &[id.clone(), list(table, rows)]).await?;
            }
            return Ok(());
        }
        let all: Vec<_> = children.map(|(table, rows)| list(table, rows)).collect();
        for ReplaceStatement { statement, lists } in &statements.replace {
            let parameters = [slice::from_ref(id), &all[lists.clone()]].concat();
            self.execute(connection, statement.clone(), &parameters).await?;
        }
        Ok(())
    }

    /// Runs a statement and returns the number of changed rows.
    pub(crate) async fn execute(
        &self,
        connection: &mut DB::Connection,
        statement: SqlStr,
        parameters: &[Value],
    ) -> Result<u64, sqlx::Error> {
        DB::execute(connection, statement, self.keeps_statements(), parameters).await
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn fetch(
        &self,
        connection: &mut DB::Connection,
        statement: SqlStr,
        parameters: &[Value],
    ) -> Result<Vec<DB::Row>, sqlx::Error> {
        DB::fetch(connection, statement, self.keeps_statements(), parameters).await
    }
}

const fn applied(effect: Effect) -> Applied {
    match effect {
        Effect::Nothing => Applied::Stale,
        Effect::Inserted => Applied::Inserted,
        Effect::Updated => Applied::Updated,
    }
}

/// The maximum number of times that [`ClerkSync::put`] runs the statement. Rows are never removed, so the
/// second try succeeds unless the database drops the inserted row.
const TRIES: u32 = 8;

/// Returns the error if a trigger dropped the inserted row or a policy hides it.
fn insertion_was_dropped() -> sqlx::Error {
    sqlx::Error::Protocol(
        "the inserted row does not exist. Check the triggers and the row-level security policies on the table".into(),
    )
}

/// A row that is locked against writes from other transactions.
pub(crate) struct Locked {
    record: Record,
    rank: Value,
}

impl Locked {
    /// Returns the row, unless it is a copy or a tombstone.
    fn whole(self) -> Option<Record> {
        (self.rank == Rank::Whole.as_number().into()).then_some(self.record)
    }
}

/// Creates a row's record from the parameters of the statement that wrote the row.
fn live(table: &Table, row: &[Value]) -> Record {
    let mut record = Record::default();
    for (column, value) in table.version_columns().zip(row).filter(|(column, _)| column.name != "raw") {
        record.insert(column.name, value.clone());
    }
    record
}

/// Encodes the rows of a child table as a JSON array. The encoding of these values cannot fail.
fn list(table: &ChildTable, rows: Children) -> Value {
    let objects: Vec<BTreeMap<&str, Value>> = rows
        .into_iter()
        .map(|(id, row)| {
            let columns = table.columns.iter().map(|column| column.name).zip(row);
            [("id", Value::id(&id))].into_iter().chain(columns).collect()
        })
        .collect();
    Value::Json(serde_json::to_string(&objects).ok())
}

/// Returns the parameters of [`TableStatements::version`](crate::schema::writes::TableStatements).
pub(crate) fn version(id: &str, order: Order, columns: Vec<Value>) -> Vec<Value> {
    let Order { rank, updated_at, event_at, tie } = order;
    let mut row = vec![
        Value::Text(Some(id.to_owned())),
        rank.as_number().into(),
        updated_at.into(),
        event_at.into(),
        Value::Text(Some(tie)),
        Timestamp::now().into(),
    ];
    row.extend(columns);
    row
}

/// Returns the parameters of [`TableStatements::tombstone`](crate::schema::writes::TableStatements).
fn tombstone(table: &Table, id: &str, at: i64, kept: Vec<Value>) -> Vec<Value> {
    let mut row = vec![Value::Text(Some(id.to_owned())), at.into(), Timestamp::now().into()];
    row.extend(table.kept_columns().zip(kept).map(|(column, value)| column.fit(value)));
    row
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
    use sqlx::{Database, Postgres};

    use super::*;

    fn observation(entity: Entity, observed: Observed) -> Observation {
        Observation { entity, id: "id".to_owned(), observed }
    }

    fn version(entity: Entity) -> Observation {
        let children = entity.table().children.iter().map(|_| Children::new()).collect();
        let order = Order { rank: Rank::Whole, updated_at: 1, event_at: 1, tie: String::new() };
        let observed = Observed::Version { order, columns: entity.table().row([]), children: Some(children) };
        observation(entity, observed)
    }

    fn deletion(entity: Entity) -> Observation {
        let kept = entity.table().kept_columns().map(|column| column.kind.null()).collect();
        observation(entity, Observed::Deleted { at: 1, kept })
    }

    /// Without a transaction, a crash between two statements would leave an event half applied.
    #[tokio::test]
    async fn only_a_single_statement_is_written_without_a_transaction() {
        let lazy = PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new_without_pgpass());
        let sync = ClerkSync::new(lazy);
        for &entity in Entity::ALL {
            let has_children = entity == Entity::Users;
            assert_eq!(sync.is_one_statement(&[deletion(entity)]), !has_children, "{entity:?}");
            // A stale version of a membership needs a second statement, which fills the kept columns.
            let is_one = !has_children && entity != Entity::Memberships;
            assert_eq!(sync.is_one_statement(&[version(entity)]), is_one, "{entity:?}");
            assert!(!sync.is_one_statement(&[version(Entity::Organizations), version(entity)]), "{entity:?}");
        }
        type Connection = <Postgres as Database>::Connection;
        let with_hook: ClerkSync<Postgres> =
            sync.on_change(|_change, _connection: &mut Connection| Box::pin(async { Ok(()) }));
        assert!(!with_hook.is_one_statement(&[version(Entity::Organizations)]));
        let _: &PgPool = with_hook.pool();
    }
}
