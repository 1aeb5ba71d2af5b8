//! What is kept, as types.

mod access;
mod optional;
mod organization;
mod user;

use clerk_webhook_core::Timestamp;

use crate::schema::{Entity, Table};
use crate::value::{Kind, Value};

pub use access::{PermissionRow, RoleRow};
pub use optional::{SessionRow, SubscriptionItemRow, SubscriptionRow, WaitlistEntryRow};
pub use organization::{DomainRow, InvitationRow, MembershipRow, OrganizationRow};
pub use user::UserRow;

/// Something that is read from the first columns of a row.
pub(crate) trait FromColumns: Sized {
    const ENTITY: Entity;

    /// Returns nothing where the first column, the id, is null.
    fn read(columns: &mut Columns) -> Option<Self>;

    /// Returns the kinds of the columns: id, `updated_at`, and those of the table but `raw`.
    fn kinds() -> Vec<Kind> {
        kinds(Self::ENTITY.table())
    }
}

/// Returns the kinds of the columns that a row is read from.
pub(crate) fn kinds(table: &Table) -> Vec<Kind> {
    let columns = table.columns.iter().filter(|column| column.name != "raw").map(|column| column.kind);
    [Kind::Text, Kind::Integer].into_iter().chain(columns).collect()
}

/// The columns of a row, from left to right.
pub(crate) struct Columns(std::vec::IntoIter<Value>);

impl Columns {
    pub(crate) fn new(row: Vec<Value>) -> Self {
        Self(row.into_iter())
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        match self.0.next() {
            Some(Value::Text(text) | Value::Json(text)) => text,
            _ => None,
        }
    }

    pub(crate) fn integer(&mut self) -> Option<i64> {
        match self.0.next() {
            Some(Value::Integer(number)) => number,
            _ => None,
        }
    }

    pub(crate) fn time(&mut self) -> Option<Timestamp> {
        self.integer().map(Timestamp::from_millis)
    }

    pub(crate) fn yes(&mut self) -> bool {
        matches!(self.0.next(), Some(Value::Boolean(Some(true))))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned + Default>(&mut self) -> T {
        self.text().and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    }
}
