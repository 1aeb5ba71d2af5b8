//! The numbers of rows of a table.

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::{ImportState, Resource};

use super::failure::explain_database;
use super::target::Target;
use crate::failure::Failure;

/// The numbers and times of one table.
pub(crate) struct TableStatus {
    pub(crate) resource: Resource,
    pub(crate) live: i64,
    pub(crate) deleted: i64,
    /// When a row was last written.
    pub(crate) written_at: Option<Timestamp>,
    /// When the last complete comparison began.
    pub(crate) reconciled_at: Option<Timestamp>,
}

impl TableStatus {
    pub(crate) async fn read(
        target: &Target,
        resource: Resource,
        state: &ImportState,
    ) -> Result<Self, Failure> {
        let name = resource.as_str();
        // Copies of an object that Clerk has not described yet are no live rows. The views know which.
        let (table, view) = (target.prefix.name(name), target.prefix.name(&format!("active_{name}")));
        let query = format!(
            "SELECT CAST((SELECT count(*) FROM {view}) AS TEXT), CAST(count(deleted_at) AS TEXT), \
             CAST(max(synced_at) AS TEXT) FROM {table}"
        );
        let rows = target.rows(query, 3).await.map_err(|error| explain_database(&error))?;
        let number = |column: usize| {
            let text = rows.first().and_then(|row| row.get(column)?.as_deref());
            text.and_then(|text| text.parse::<i64>().ok())
        };
        Ok(Self {
            resource,
            live: number(0).unwrap_or(0),
            deleted: number(1).unwrap_or(0),
            written_at: number(2).map(Timestamp::from_millis),
            reconciled_at: state.reconciled_at.get(&resource).copied(),
        })
    }
}
