//! Compares listed objects with the rows, and writes those that differ.

use std::collections::{BTreeMap, HashMap};

use sqlx::Database;
use sqlx::query::Query;

use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::apply::write::version;
use crate::error::SyncError;
use crate::observe::{Children, Observation, Observed, Order, Rank};
use crate::schema::batches::{BatchStatements, ListStatement, OWNER};
use crate::schema::dialect::Dialect;
use crate::schema::table::{Column, ID, Table};
use crate::schema::tables::Entity;
use crate::sync::ClerkSync;
use crate::value::{self, Kind, Value};

/// Returns the largest number of rows in a transaction. Until the transaction ends, events wait for the rows, and in
/// SQLite for the database.
pub(crate) const fn piece(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Postgres => 500,
        Dialect::Sqlite => 100,
    }
}

/// How a row compares with the object that Clerk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// No row has the id, or the row is only a copy from an event about another object.
    Missing,
    /// The row contains an older version.
    Stale,
    /// The row contains the same version with different values.
    Differing,
    /// The row contains the same object.
    Equal,
    /// The row contains a newer version, which an event has written since the object was read.
    Newer,
    /// The row is a tombstone.
    Erased,
}

/// The numbers of objects by what was done with their rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) erased: u64,
}

#[cfg(feature = "metrics")]
impl Counts {
    /// Adds committed writes to the metrics.
    pub(crate) fn record(&self, table: &'static str, origin: Origin) {
        for (result, number) in
            [("inserted", self.inserted), ("updated", self.updated), ("stale", self.unchanged)]
        {
            crate::metrics::applied(table, result, origin.as_str(), number);
        }
    }
}

/// A row as the database contains it.
struct Known {
    rank: i64,
    order: Order,
    /// The values in the order of [`Table::columns`], without `raw`.
    columns: Vec<Value>,
    children: Vec<Children>,
}

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Compares objects of one table with their rows, without a lock.
    pub(crate) async fn compare(
        &self,
        connection: &mut DB::Connection,
        entity: Entity,
        observations: &[Observation],
    ) -> Result<Vec<Comparison>, SyncError> {
        let read = self.statements().of(entity).batch.read.clone();
        let known = self.known(connection, entity, read, observations).await?;
        let compare = |observation: &Observation| {
            let mut observation = observation.clone();
            yield_to_events(&mut observation, &known);
            comparison(entity.table(), &observation, &known)
        };
        Ok(observations.iter().map(compare).collect())
    }

    /// Writes the objects of one table that differ from their rows, at most a [`piece`], in a transaction.
    ///
    /// Calls no hook if `origin` is `None`.
    pub(crate) async fn write_listed(
        &self,
        connection: &mut DB::Connection,
        entity: Entity,
        mut observations: Vec<Observation>,
        origin: Option<Origin>,
    ) -> Result<Counts, SyncError> {
        observations.sort_by(|one, other| one.id.cmp(&other.id));
        observations.dedup_by(|one, other| one.id == other.id);
        let lock = self.statements().of(entity).batch.lock.clone();
        let known = self.known(connection, entity, lock, &observations).await?;
        let mut counts = Counts::default();
        let mut behind = Vec::new();
        for mut observation in observations {
            yield_to_events(&mut observation, &known);
            match comparison(entity.table(), &observation, &known) {
                Comparison::Erased => counts.erased += 1,
                Comparison::Equal | Comparison::Newer => counts.unchanged += 1,
                Comparison::Missing | Comparison::Stale | Comparison::Differing => behind.push(observation),
            }
        }
        let is_known = |id: &str| known.get(id).is_some_and(|row| row.rank == Rank::Whole.as_number());
        let written: Vec<String> = if self.hook().is_some() && origin.is_some() {
            let mut written = Vec::new();
            for observation in behind {
                let id = value::id(&observation.id);
                let is_new = !known.contains_key(&id);
                if self.write_one(connection, observation, is_new, origin).await?.is_change() {
                    written.push(id);
                }
            }
            written
        } else {
            self.write_together(connection, entity, behind, &known).await?
        };
        for id in &written {
            if is_known(id) {
                counts.updated += 1;
            } else {
                counts.inserted += 1;
            }
        }
        Ok(counts)
    }

    /// Writes rows with one statement for each table, and returns the ids of the written rows.
    async fn write_together(
        &self,
        connection: &mut DB::Connection,
        entity: Entity,
        observations: Vec<Observation>,
        known: &HashMap<String, Known>,
    ) -> Result<Vec<String>, SyncError> {
        let BatchStatements { upsert, children: child_statements, .. } = &self.statements().of(entity).batch;
        let (mut rows, mut children) = (Vec::new(), BTreeMap::new());
        for Observation { id, observed, .. } in observations {
            let Observed::Version { order, columns, children: of_row } = observed else { continue };
            let id = value::id(&id);
            rows.push(version(&id, order, columns));
            children.extend(of_row.map(|of_row| (id, of_row)));
        }
        let written: HashMap<String, bool> =
            self.upsert(connection, upsert, &rows, known).await?.into_iter().collect();
        // Another transaction may have written a newer version. Its child rows belong to that version.
        children.retain(|id, _| written.contains_key(id));
        let owners = children.keys().filter(|id| written.get(*id) == Some(&false));
        let owners = ids(owners.map(String::as_str));
        for (index, (statements, table)) in child_statements.iter().zip(entity.table().children).enumerate() {
            if let Some(owners) = &owners {
                self.execute(connection, statements.clear.clone(), std::slice::from_ref(owners)).await?;
            }
            let list = children.iter().flat_map(|(owner, tables)| {
                let rows = tables.get(index).into_iter().flatten();
                rows.map(|(id, row)| {
                    [Value::id(owner), Value::id(id)].into_iter().chain(row.iter().cloned()).collect()
                })
            });
            let list: Vec<Vec<_>> = list.collect();
            debug_assert!(list.iter().all(|row| row.len() == table.columns.len() + 2));
            for piece in list.chunks(piece(DB::DIALECT)) {
                DB::execute_query(connection, self.list_query(&statements.insert, piece)).await?;
            }
        }
        Ok(written.into_keys().collect())
    }

    /// Returns a query that writes a list of rows.
    fn list_query(
        &self,
        statement: &ListStatement,
        list: &[Vec<Value>],
    ) -> Query<'static, DB, <DB as Database>::Arguments> {
        // In SQLite, the text of the statement depends on the number of rows. Only the most frequent one is kept.
        let kept =
            self.keeps_statements() && (DB::DIALECT == Dialect::Postgres || list.len() == piece(DB::DIALECT));
        let text = statement.for_rows(list.len());
        DB::query_list(text, kept, statement.kinds(), list)
    }

    /// Writes versions of rows, and returns the ids of the written rows, and whether each row is new.
    async fn upsert(
        &self,
        connection: &mut DB::Connection,
        statement: &ListStatement,
        list: &[Vec<Value>],
        known: &HashMap<String, Known>,
    ) -> Result<Vec<(String, bool)>, SyncError> {
        if list.is_empty() {
            return Ok(Vec::new());
        }
        let query = self.list_query(statement, list);
        match DB::DIALECT {
            Dialect::Postgres => {
                let rows = DB::fetch_query(connection, query).await?;
                let written = rows.iter().map(|row| {
                    // Another transaction may have inserted the row since it was looked for.
                    let is_new = DB::get(row, "is_new", Kind::Boolean)? == Value::Boolean(Some(true));
                    Ok((text_of::<DB>(row, "id")?, is_new))
                });
                written.collect()
            }
            // The rows cannot have changed since they were compared, because the transaction holds the write lock.
            Dialect::Sqlite => {
                DB::execute_query(connection, query).await?;
                let ids = list.iter().filter_map(|row| row.first()?.as_text());
                Ok(ids.map(|id| (id.to_owned(), !known.contains_key(id))).collect())
            }
        }
    }

    /// Reads the rows of these objects, by id.
    async fn known(
        &self,
        connection: &mut DB::Connection,
        entity: Entity,
        statement: sqlx::SqlStr,
        observations: &[Observation],
    ) -> Result<HashMap<String, Known>, SyncError> {
        let table = entity.table();
        let shortened: Vec<String> =
            observations.iter().map(|observation| value::id(&observation.id)).collect();
        let Some(list) = ids(shortened.iter().map(String::as_str)) else { return Ok(HashMap::new()) };
        let list = [list];
        let mut known = HashMap::new();
        for row in self.fetch(connection, statement, &list).await? {
            let integer =
                |name| Ok::<_, sqlx::Error>(DB::get(&row, name, Kind::Integer)?.as_integer().unwrap_or(0));
            let rank = integer("obs_rank")?;
            let order = Order {
                rank: if rank == Rank::Copy.as_number() { Rank::Copy } else { Rank::Whole },
                updated_at: integer("updated_at")?,
                event_at: integer("event_at")?,
                tie: text_of::<DB>(&row, "tie")?,
            };
            let columns = compared(table).map(|column| DB::get(&row, column.name, column.kind));
            let columns = columns.collect::<Result<_, _>>()?;
            let children = vec![Children::new(); table.children.len()];
            known.insert(text_of::<DB>(&row, "id")?, Known { rank, order, columns, children });
        }
        if known.is_empty() {
            return Ok(known);
        }
        let statements = &self.statements().of(entity).batch.children;
        for (index, (statements, child)) in statements.iter().zip(table.children).enumerate() {
            for row in self.fetch(connection, statements.read.clone(), &list).await? {
                let owner = text_of::<DB>(&row, OWNER)?;
                let values = child.columns.iter().map(|column| DB::get(&row, column.name, column.kind));
                let values = values.collect::<Result<_, _>>()?;
                let id = text_of::<DB>(&row, ID.name)?;
                if let Some(children) = known.get_mut(&owner).and_then(|known| known.children.get_mut(index))
                {
                    children.push((id, values));
                }
            }
        }
        Ok(known)
    }
}

/// Returns the columns that are compared: all after the order, except `raw`, which contains nothing else.
fn compared(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| column.name != "raw")
}

/// Lets an event win over a listed invitation of the same version, because only the event of an acceptance contains
/// the user's id. An event before the list keeps this id, but not the other columns.
fn yield_to_events(observation: &mut Observation, known: &HashMap<String, Known>) {
    let (Entity::Invitations, Observed::Version { order, columns, .. }) =
        (observation.entity, &mut observation.observed)
    else {
        return;
    };
    let read_at = std::mem::take(&mut order.event_at);
    let known = known.get(&value::id(&observation.id));
    let is_same = |known: &Order| (known.rank, known.updated_at) == (order.rank, order.updated_at);
    if let Some(known) = known.filter(|known| is_same(&known.order) && known.order.event_at < read_at) {
        order.event_at = known.order.event_at.saturating_add(1);
        let names = compared(Entity::Invitations.table()).map(|column| column.name);
        for (name, (new, old)) in names.zip(columns.iter_mut().zip(&known.columns)) {
            if name == "user_id" && new.is_null() {
                new.clone_from(old);
            }
        }
    }
}

fn comparison(table: &Table, observation: &Observation, known: &HashMap<String, Known>) -> Comparison {
    let Some(known) = known.get(&value::id(&observation.id)) else { return Comparison::Missing };
    if known.rank > Rank::Whole.as_number() {
        return Comparison::Erased;
    }
    let Observed::Version { order, columns, children } = &observation.observed else {
        return Comparison::Equal;
    };
    let is_same_version = (known.order.rank, known.order.updated_at) == (order.rank, order.updated_at);
    let equal_columns = || {
        compared(table).zip(columns).zip(&known.columns).all(|((column, new), old)| {
            same(new, old) || table.kept.contains(&column.name) && keeps(new, old)
        })
    };
    let equal_children = || {
        let children = children.iter().flatten();
        children.zip(&known.children).all(|(new, old)| same_children(new, old))
    };
    if is_same_version && equal_columns() && equal_children() {
        Comparison::Equal
    } else if *order <= known.order {
        Comparison::Newer
    } else if known.order.rank == Rank::Copy {
        Comparison::Missing
    } else if is_same_version {
        Comparison::Differing
    } else {
        Comparison::Stale
    }
}

/// Returns whether a kept column, which stores the smallest known value, stays as it is.
fn keeps(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Integer(Some(new)), Value::Integer(Some(old))) => new >= old,
        (Value::Text(Some(new)), Value::Text(Some(old))) => new >= old,
        _ => new.is_null(),
    }
}

fn same_children(new: &Children, old: &Children) -> bool {
    new.len() == old.len()
        && new.iter().all(|(id, row)| {
            let id = value::id(id);
            let found = old.iter().find(|(known, _)| *known == id);
            found.is_some_and(|(_, old)| row.iter().zip(old).all(|(new, old)| same(new, old)))
        })
}

/// Returns whether two values are equal. JSON is compared by its meaning, because Postgres writes it differently.
fn same(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Json(Some(new)), Value::Json(Some(old))) if new != old => {
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            parse(new).zip(parse(old)).is_some_and(|(new, old)| same_json(&new, &old))
        }
        _ => new == old,
    }
}

fn same_json(new: &serde_json::Value, old: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (new, old) {
        (Number(new), Number(old)) => {
            let is_integer = |number: &serde_json::Number| number.is_i64() || number.is_u64();
            if is_integer(new) && is_integer(old) { new == old } else { new.as_f64() == old.as_f64() }
        }
        (Array(new), Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| same_json(new, old))
        }
        (Object(new), Object(old)) => {
            let is_same = |(key, new)| old.get(key).is_some_and(|old| same_json(new, old));
            new.len() == old.len() && new.iter().all(is_same)
        }
        _ => new == old,
    }
}

/// Returns a JSON array of ids; `None` if there are none.
fn ids<'a>(ids: impl Iterator<Item = &'a str>) -> Option<Value> {
    let ids: Vec<&str> = ids.collect();
    let json = serde_json::to_string(&ids).ok();
    (!ids.is_empty()).then_some(Value::Json(json))
}

pub(crate) fn text_of<DB: SyncDatabase>(row: &DB::Row, column: &str) -> Result<String, SyncError> {
    Ok(DB::get(row, column, Kind::Text)?.as_text().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
