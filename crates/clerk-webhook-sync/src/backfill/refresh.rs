//! Reads one object from Clerk.

use clerk_webhook_core::Timestamp;

use crate::apply::batch::Counts;
use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{Absent, BackendApi, Look, Resource};
use crate::backfill::error::ImportError;
use crate::backfill::options::{ReconcileOptions, millis};
use crate::backfill::report::Refreshed;
use crate::backfill::rows::Bounds;
use crate::observe::listed::observe_listed;
use crate::schema::tables::Entity;
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

/// The beginnings of the ids.
const IDS: [(&str, Resource); 8] = [
    ("user_", Resource::Users),
    ("org_", Resource::Organizations),
    ("orgmem_", Resource::Memberships),
    ("orginv_", Resource::Invitations),
    ("orgdmn_", Resource::Domains),
    ("role_", Resource::Roles),
    ("perm_", Resource::Permissions),
    ("wle_", Resource::WaitlistEntries),
];

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Reads one object from Clerk, and writes its row.
    ///
    /// If the object does not exist, and its row is older than 10 minutes, the row becomes a tombstone. For a
    /// membership, an invitation or a domain, the row must exist, because the API finds them only by their
    /// organization.
    ///
    /// # Errors
    ///
    /// Returns an error if the API or the database fails, if the secret key belongs to another instance than
    /// the tables, or if the id belongs to no object that the API lists.
    pub async fn refresh(&self, api: &BackendApi, id: &str) -> Result<Refreshed, ImportError> {
        let kind = IDS.iter().find(|(prefix, _)| id.starts_with(prefix));
        let (_, resource) = *kind.ok_or(ImportError::UnknownId)?;
        if resource == Resource::WaitlistEntries && !self.settings().waitlist {
            return Ok(Refreshed::NotKept);
        }
        self.check_instance(api).await?;
        let entity = resource.entity();
        let started_at = Timestamp::now().as_millis();

        let list = Value::Json(serde_json::to_string(&[id]).ok());
        let mut transaction = self.begin().await?;
        let read = self.statements().of(entity).batch.read.clone();
        let rows = self.fetch(&mut transaction, read, &[list]).await?;
        transaction.commit().await?;
        let row = rows.first();
        let (organization_id, user_id) =
            (parent::<DB>(entity, row, "organization_id")?, parent::<DB>(entity, row, "user_id")?);
        let absent = Absent { id, organization_id: organization_id.as_deref(), user_id: user_id.as_deref() };
        match api.look(resource, absent).await? {
            Look::Unknown => Ok(Refreshed::Unconfirmed),
            Look::Exists { object, read_at } => {
                let observation = observe_listed(entity, object.json.get(), read_at, self.settings())?;
                let mut transaction = self.begin().await?;
                let origin = Some(Origin::Reconcile);
                let counts = self.write_listed(&mut transaction, entity, vec![observation], origin).await?;
                transaction.commit().await?;
                #[cfg(feature = "metrics")]
                counts.record(resource.as_str(), Origin::Reconcile);
                Ok(match counts {
                    Counts { inserted: 1.., .. } => Refreshed::Inserted,
                    Counts { updated: 1.., .. } => Refreshed::Updated,
                    Counts { erased: 1.., .. } => Refreshed::Erased,
                    _ => Refreshed::Unchanged,
                })
            }
            Look::Gone { at } => {
                let Some(row) = row else { return Ok(Refreshed::NotFound) };
                if DB::get(row, "deleted_at", Kind::Integer)?.as_integer().is_some() {
                    return Ok(Refreshed::Erased);
                }
                api.check_that_feature_is_on(resource).await?;
                let grace = millis(ReconcileOptions::DEFAULT_GRACE);
                let bounds = Bounds { object: at.saturating_sub(grace), row: started_at };
                let mut transaction = self.begin().await?;
                let origin = Some(Origin::Reconcile);
                let is_buried = self.bury(&mut transaction, entity, id, at, bounds, origin).await?;
                transaction.commit().await?;
                #[cfg(feature = "metrics")]
                crate::metrics::applied(
                    resource.as_str(),
                    "tombstoned",
                    Origin::Reconcile.as_str(),
                    is_buried.into(),
                );
                Ok(if is_buried { Refreshed::Tombstoned } else { Refreshed::Unconfirmed })
            }
        }
    }
}

/// Returns an id in a column, if the table has this column.
fn parent<DB: SyncDatabase>(
    entity: Entity,
    row: Option<&DB::Row>,
    name: &str,
) -> Result<Option<String>, sqlx::Error> {
    let has = entity.table().columns.iter().any(|column| column.name == name);
    let value = row.filter(|_| has).map(|row| DB::get(row, name, Kind::Text)).transpose()?;
    Ok(value.and_then(|value| value.as_text().map(str::to_owned)))
}
