//! Users.

use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::Metadata;

use super::{Columns, FromColumns};
use crate::schema::Entity;

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
