//! Organizations, and what belongs to them.

use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::Metadata;

use super::{Columns, FromColumns};
use crate::schema::Entity;

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

/// An invitation to an organization, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InvitationRow {
    /// The id (`orginv_…`).
    pub id: String,
    /// When the invitation last changed.
    pub updated_at: Timestamp,
    /// When the invitation was created.
    pub created_at: Option<Timestamp>,
    /// The id of the organization.
    pub organization_id: Option<String>,
    /// The address that was invited.
    pub email_address: Option<String>,
    /// The key of the role that it gives, such as `org:member`.
    pub role: Option<String>,
    /// The name of the role.
    pub role_name: Option<String>,
    /// `pending`, `accepted`, `revoked` or `expired`.
    pub status: Option<String>,
    /// The id of the user who invited.
    pub inviter_id: Option<String>,
    /// The id of the user who has accepted.
    pub user_id: Option<String>,
    /// Until when it can be accepted.
    pub expires_at: Option<Timestamp>,
    /// Metadata that the frontend may read.
    pub public_metadata: Metadata,
}

/// A domain of an organization, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DomainRow {
    /// The id (`orgdmn_…`).
    pub id: String,
    /// When the domain last changed.
    pub updated_at: Timestamp,
    /// When the domain was created.
    pub created_at: Option<Timestamp>,
    /// The id of the organization.
    pub organization_id: Option<String>,
    /// The name, such as `example.com`.
    pub name: Option<String>,
    /// How those with an address of this domain join.
    pub enrollment_mode: Option<String>,
    /// Whether the organization has proven that the domain is theirs.
    pub verified: bool,
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

impl FromColumns for InvitationRow {
    const ENTITY: Entity = Entity::Invitations;

    fn read(columns: &mut Columns) -> Option<Self> {
        let (id, updated_at) = (columns.text(), columns.time());
        Some(Self {
            id: id?,
            updated_at: updated_at?,
            created_at: columns.time(),
            organization_id: columns.text(),
            email_address: columns.text(),
            role: columns.text(),
            role_name: columns.text(),
            status: columns.text(),
            inviter_id: columns.text(),
            user_id: columns.text(),
            expires_at: columns.time(),
            public_metadata: columns.json(),
        })
    }
}

impl FromColumns for DomainRow {
    const ENTITY: Entity = Entity::Domains;

    fn read(columns: &mut Columns) -> Option<Self> {
        let (id, updated_at) = (columns.text(), columns.time());
        Some(Self {
            id: id?,
            updated_at: updated_at?,
            created_at: columns.time(),
            organization_id: columns.text(),
            name: columns.text(),
            enrollment_mode: columns.text(),
            verified: columns.yes(),
        })
    }
}
