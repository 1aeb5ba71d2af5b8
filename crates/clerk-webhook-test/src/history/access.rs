//! The roles, permissions and waitlist of the instance.

use serde::Serialize;

use super::pool::Pool;

#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) permissions: Pool<Permission>,
    pub(super) roles: Pool<Role>,
    pub(super) waiting: Pool<Waiting>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Permission {
    pub(super) created_at: i64,
    pub(super) description: &'static str,
    pub(super) id: String,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) object: &'static str,
    pub(super) r#type: &'static str,
    pub(super) updated_at: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct Role {
    pub(super) created_at: i64,
    pub(super) description: Option<&'static str>,
    pub(super) id: String,
    pub(super) is_creator_eligible: bool,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) object: &'static str,
    pub(super) permissions: Vec<Permission>,
    pub(super) updated_at: i64,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) email_address: String,
    pub(super) created_at: i64,
}
