//! Writes what was observed.

use std::collections::BTreeMap;
use std::slice;

use clerk_webhook_core::Timestamp;

use crate::applied::Applied;
use crate::engine::SyncDatabase;
use crate::observe::{Change, Children, Observation, Order};
use crate::schema::{ChildStatements, ChildTable, Effect, ReplaceStatement, RowStatements};
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns whether a single statement writes all of it, which needs no transaction then.
    pub(crate) fn is_one_statement(&self, observations: &[Observation]) -> bool {
        match observations {
            [Observation { entity, .. }] => {
                let statements = self.statements().of(*entity);
                statements.version.at_once.is_some() && entity.table().children.is_empty()
            }
            _ => false,
        }
    }

    /// Writes what was observed, and returns what became of the last one, the event's own object.
    pub(crate) async fn write(
        &self,
        connection: &mut DB::Connection,
        observations: Vec<Observation>,
    ) -> Result<Applied, sqlx::Error> {
        let mut applied = Applied::Stale;
        for observation in observations {
            applied = self.write_one(connection, observation).await?;
        }
        Ok(applied)
    }

    async fn write_one(
        &self,
        connection: &mut DB::Connection,
        Observation { entity, id, change }: Observation,
    ) -> Result<Applied, sqlx::Error> {
        let statements = self.statements().of(entity);
        let is_deletion = matches!(change, Change::Deleted { .. });
        let (statement, row, children) = match change {
            Change::Version { order, columns, children } => {
                (&statements.version, version(id, order, columns), children)
            }
            Change::Deleted { at, kept } => {
                let none = vec![Children::new(); entity.table().children.len()];
                (&statements.tombstone, tombstone(id, at, kept), Some(none))
            }
        };
        let effect = put::<DB>(connection, statement, &row).await?;
        let applied = match effect {
            Effect::Nothing => return Ok(Applied::Stale),
            Effect::Inserted => Applied::Inserted,
            Effect::Updated => Applied::Updated,
        };
        // A copy says nothing of children, and takes the place of a copy only, which has none.
        if let Some(children) = children {
            let (id, children) = (&row[0], entity.table().children.iter().zip(children));
            write_children::<DB>(connection, &statements.children, effect, id, children).await?;
        }
        Ok(if is_deletion { Applied::Tombstoned } else { applied })
    }
}

/// Writes a row, unless a newer one is there.
async fn put<DB: SyncDatabase>(
    connection: &mut DB::Connection,
    statements: &RowStatements,
    row: &[Value],
) -> Result<Effect, sqlx::Error> {
    let Some(at_once) = &statements.at_once else {
        return Ok(if DB::execute(connection, statements.update.clone(), row).await? > 0 {
            Effect::Updated
        } else if DB::execute(connection, statements.insert.clone(), row).await? > 0 {
            Effect::Inserted
        } else {
            Effect::Nothing
        });
    };
    loop {
        let rows = DB::fetch(connection, at_once.clone(), row, &[Kind::Integer]).await?;
        // Otherwise somebody else has inserted the row meanwhile, which is seen from now on.
        if let Some([Value::Integer(Some(number))]) = rows.first().map(Vec::as_slice) {
            return Ok(Effect::from_number(*number));
        }
    }
}

/// Writes what belongs to the row with this id.
async fn write_children<DB: SyncDatabase>(
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
            DB::execute(connection, insert.clone(), &[id.clone(), list(table, rows)]).await?;
        }
        return Ok(());
    }
    let all: Vec<_> = children.map(|(table, rows)| list(table, rows)).collect();
    for ReplaceStatement { statement, lists } in &statements.replace {
        let parameters = [slice::from_ref(id), &all[lists.clone()]].concat();
        DB::execute(connection, statement.clone(), &parameters).await?;
    }
    Ok(())
}

/// Writes the rows of a child table as a JSON array; there is nothing in them that JSON cannot have.
fn list(table: &ChildTable, rows: Children) -> Value {
    let objects: Vec<BTreeMap<&str, Value>> = rows
        .into_iter()
        .map(|(id, row)| {
            let columns = table.columns.iter().map(|column| column.name).zip(row);
            [("id", Value::Text(Some(id)))].into_iter().chain(columns).collect()
        })
        .collect();
    Value::Json(serde_json::to_string(&objects).ok())
}

/// The parameters of [`TableStatements::version`](crate::schema::TableStatements).
fn version(id: String, order: Order, columns: Vec<Value>) -> Vec<Value> {
    let Order { rank, updated_at, event_at, tie } = order;
    let mut row = vec![
        Value::Text(Some(id)),
        rank.as_number().into(),
        updated_at.into(),
        event_at.into(),
        Value::Text(Some(tie)),
        Timestamp::now().into(),
    ];
    row.extend(columns);
    row
}

/// The parameters of [`TableStatements::tombstone`](crate::schema::TableStatements).
fn tombstone(id: String, at: i64, kept: Vec<Value>) -> Vec<Value> {
    let mut row = vec![Value::Text(Some(id)), at.into(), Timestamp::now().into()];
    row.extend(kept);
    row
}
