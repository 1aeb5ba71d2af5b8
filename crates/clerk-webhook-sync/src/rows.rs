//! What is kept, as types.

mod optional;

use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::Metadata;

use crate::schema::{Entity, Table};
use crate::value::{Kind, Value};

pub use optional::{SessionRow, SubscriptionItemRow, SubscriptionRow, WaitlistEntryRow};

/// A user, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UserRow {
    /// The id (`user_…`).
    pub id: String,
    /// When the user last changed.
    pub updated_at: Timestamp,
    /// When the user was created.
    pub created_at: Option<Timestamp>,
    /// The id in the application's own system.
    pub external_id: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The picture.
    pub image_url: Option<String>,
    /// The primary e-mail address.
    pub primary_email: Option<String>,
    /// Whether the user has proven to own that address; one that is not verified may be anybody's.
    pub primary_email_verified: bool,
    /// The primary phone number.
    pub primary_phone: Option<String>,
    /// Whether the user is banned.
    pub banned: bool,
    /// Whether the user is locked out.
    pub locked: bool,
    /// When the user last signed in, as far as an event has told.
    pub last_sign_in_at: Option<Timestamp>,
    /// Metadata that the frontend may read.
    pub public_metadata: Metadata,
}

/// An organization, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OrganizationRow {
    /// The id (`org_…`).
    pub id: String,
    /// When the organization last changed.
    pub updated_at: Timestamp,
    /// When the organization was created.
    pub created_at: Option<Timestamp>,
    /// The name.
    pub name: Option<String>,
    /// The name in URLs.
    pub slug: Option<String>,
    /// The logo.
    pub image_url: Option<String>,
    /// The number of members, as far as an event has told.
    pub members_count: Option<i64>,
    /// The greatest number of members, 0 = unlimited.
    pub max_allowed_memberships: Option<i64>,
    /// The id of the user who created it.
    pub created_by: Option<String>,
    /// Metadata that the frontend may read.
    pub public_metadata: Metadata,
}

/// A membership, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MembershipRow {
    /// The id (`orgmem_…`).
    pub id: String,
    /// When the membership last changed.
    pub updated_at: Timestamp,
    /// When the user became a member.
    pub created_at: Option<Timestamp>,
    /// The id of the organization.
    pub organization_id: Option<String>,
    /// The id of the user.
    pub user_id: Option<String>,
    /// The key of the role, such as `org:admin`.
    pub role: Option<String>,
    /// The name of the role.
    pub role_name: Option<String>,
    /// The keys of the permissions that the role gives.
    pub permissions: Vec<String>,
    /// Metadata that the frontend may read.
    pub public_metadata: Metadata,
}

impl MembershipRow {
    /// Returns whether the member has the permission with this key.
    #[must_use]
    pub fn has_permission(&self, key: &str) -> bool {
        self.permissions.iter().any(|permission| permission == key)
    }
}

/// Something that is read from the first columns of a row.
pub(crate) trait FromColumns: Sized {
    const ENTITY: Entity;

    /// Returns nothing where the first column, the id, is null.
    fn read(columns: &mut Columns) -> Option<Self>;

    /// Returns the kinds of the columns: id, `updated_at`, and those of the table but `raw`.
    fn kinds() -> Vec<Kind> {
        let table: &Table = Self::ENTITY.table();
        let columns = table.columns.iter().filter(|column| column.name != "raw").map(|column| column.kind);
        [Kind::Text, Kind::Integer].into_iter().chain(columns).collect()
    }
}

/// The columns of a row, from left to right.
pub(crate) struct Columns(std::vec::IntoIter<Value>);

impl Columns {
    pub(crate) fn new(row: Vec<Value>) -> Self {
        Self(row.into_iter())
    }

    fn text(&mut self) -> Option<String> {
        match self.0.next() {
            Some(Value::Text(text) | Value::Json(text)) => text,
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<i64> {
        match self.0.next() {
            Some(Value::Integer(number)) => number,
            _ => None,
        }
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.integer().map(Timestamp::from_millis)
    }

    fn yes(&mut self) -> bool {
        matches!(self.0.next(), Some(Value::Boolean(Some(true))))
    }

    fn json<T: serde::de::DeserializeOwned + Default>(&mut self) -> T {
        self.text().and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    }
}

impl FromColumns for UserRow {
    const ENTITY: Entity = Entity::Users;

    fn read(columns: &mut Columns) -> Option<Self> {
        let (id, updated_at) = (columns.text(), columns.time());
        let created_at = columns.time();
        let mut text = || columns.text();
        let [external_id, username, first_name, last_name, image_url, _email_id, primary_email] =
            std::array::from_fn(|_| text());
        Some(Self {
            id: id?,
            updated_at: updated_at?,
            created_at,
            external_id,
            username,
            first_name,
            last_name,
            image_url,
            primary_email,
            primary_email_verified: columns.yes(),
            primary_phone: columns.text(),
            banned: columns.yes(),
            locked: columns.yes(),
            last_sign_in_at: columns.time(),
            public_metadata: columns.json(),
        })
    }
}

impl FromColumns for OrganizationRow {
    const ENTITY: Entity = Entity::Organizations;

    fn read(columns: &mut Columns) -> Option<Self> {
        let (id, updated_at) = (columns.text(), columns.time());
        Some(Self {
            id: id?,
            updated_at: updated_at?,
            created_at: columns.time(),
            name: columns.text(),
            slug: columns.text(),
            image_url: columns.text(),
            members_count: columns.integer(),
            max_allowed_memberships: columns.integer(),
            created_by: columns.text(),
            public_metadata: columns.json(),
        })
    }
}

impl FromColumns for MembershipRow {
    const ENTITY: Entity = Entity::Memberships;

    fn read(columns: &mut Columns) -> Option<Self> {
        let (id, updated_at) = (columns.text(), columns.time());
        Some(Self {
            id: id?,
            updated_at: updated_at?,
            created_at: columns.time(),
            organization_id: columns.text(),
            user_id: columns.text(),
            role: columns.text(),
            role_name: columns.text(),
            permissions: columns.json(),
            public_metadata: columns.json(),
        })
    }
}
