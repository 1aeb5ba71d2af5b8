//! The rows that can be compared with Clerk's objects.

use std::collections::HashSet;

use crate::apply::batch::text_of;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::Absent;
use crate::error::SyncError;
use crate::schema::tables::Entity;
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

/// A row that may have no object.
pub(super) struct Candidate {
    pub(super) id: String,
    organization_id: Option<String>,
    user_id: Option<String>,
}

impl Candidate {
    /// Returns whether the organization or the user is one of these.
    pub(super) fn goes_with(&self, parents: &HashSet<String>) -> bool {
        [&self.organization_id, &self.user_id].into_iter().flatten().any(|id| parents.contains(id))
    }

    fn read<DB: SyncDatabase>(row: &DB::Row) -> Result<Self, SyncError> {
        let parent =
            |name| Ok::<_, sqlx::Error>(DB::get(row, name, Kind::Text)?.as_text().map(str::to_owned));
        let (organization_id, user_id) = (parent("organization_id")?, parent("user_id")?);
        Ok(Self { id: text_of::<DB>(row, "id")?, organization_id, user_id })
    }

    pub(super) fn absent(&self) -> Absent<'_> {
        let (organization_id, user_id) = (self.organization_id.as_deref(), self.user_id.as_deref());
        Absent { id: &self.id, organization_id, user_id }
    }
}

/// The times before which nobody may have changed a row that becomes a tombstone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// For the times of the object, on Clerk's clock.
    pub(super) object: i64,
    /// For the time of the row, on the clocks of the writers.
    pub(super) row: i64,
}

impl Bounds {
    pub(super) const NONE: Self = Self { object: i64::MAX, row: i64::MAX };
}

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns the first live rows and copies after an id that are older than the bounds.
    pub(super) async fn rows_after(
        &self,
        entity: Entity,
        after: &str,
        bounds: Bounds,
    ) -> Result<Vec<Candidate>, SyncError> {
        let statement = self.statements().of(entity).batch.candidates.clone();
        let parameters = [Value::text(after), bounds.object.into(), bounds.row.into()];
        let mut transaction = self.begin().await?;
        let rows = self.fetch(&mut transaction, statement, &parameters).await?;
        transaction.commit().await?;
        rows.iter().map(Candidate::read::<DB>).collect()
    }
}
