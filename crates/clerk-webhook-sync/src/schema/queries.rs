//! The statements that read rows.

use sqlx::SqlStr;

use super::tables::Entity;
use super::writer::Writer;
use crate::value::Kind;

/// The prefix of the user's or organization's columns in a row that joins a membership with this object.
pub(crate) const OTHER: &str = "other_";

/// The queries. Their rows contain the columns of [`Table::read_columns`](super::table::Table::read_columns).
#[derive(Debug)]
pub(crate) struct Queries {
    pub(crate) user_by_id: SqlStr,
    pub(crate) user_by_primary_email: SqlStr,
    pub(crate) user_by_external_id: SqlStr,
    pub(crate) organization_by_id: SqlStr,
    pub(crate) members: SqlStr,
    pub(crate) organizations_of: SqlStr,
    pub(crate) invitations_of: SqlStr,
    pub(crate) addresses_of: SqlStr,
    pub(crate) invitations_by_email: SqlStr,
    pub(crate) waitlist_entries_by_email: SqlStr,
    pub(crate) invitations_beyond_ascii: SqlStr,
    pub(crate) waitlist_entries_beyond_ascii: SqlStr,
    pub(crate) sessions_of: SqlStr,
    pub(crate) subscriptions_of: SqlStr,
    pub(crate) subscription_items_of: SqlStr,
    pub(crate) waitlist_entry_by_email: SqlStr,
    /// Reads the waitlist entries whose addresses must be compared in Rust to ignore case.
    pub(crate) live_waitlist_entries_beyond_ascii: SqlStr,
}

impl Writer<'_> {
    pub(super) fn queries(&self) -> Queries {
        let parameter = self.dialect.parameter(1, Kind::Text);
        let (lower_email, is_beyond_ascii) = (self.dialect.lower_email(), self.dialect.is_beyond_ascii());
        let live = |entity: Entity, condition: &str| {
            let table = entity.table();
            let view = self.names.table(&format!("active_{}", table.name));
            self.safe(format!("SELECT {} FROM {view} WHERE {condition}", self.columns(table, "", "")))
        };
        // Reads the other object from its table, not from its view, because the row may be a copy.
        let members_of = |entity: Entity, other: &str, by: &str| {
            self.safe(format!(
                "SELECT {}, {} FROM {} m LEFT JOIN {} o ON o.id = m.{other} WHERE m.{by} = {parameter} \
                 ORDER BY m.created_at, m.id",
                self.columns(Entity::Memberships.table(), "m.", ""),
                self.columns(entity.table(), "o.", OTHER),
                self.names.table("active_memberships"),
                self.names.table(entity.table().name),
            ))
        };
        let select = |columns: &str, table: &str, condition: &str| {
            self.safe(format!("SELECT {columns} FROM {} WHERE {condition}", self.names.table(table)))
        };
        let (by_email, by_user) =
            (format!("{lower_email} = {parameter} ORDER BY id"), format!("user_id = {parameter}"));
        let newest = |condition: &str| format!("{condition} ORDER BY updated_at DESC, id LIMIT 1");
        // A payer's id belongs to either a user or an organization, never to both.
        let of_payer =
            format!("user_id = {parameter} OR organization_id = {parameter} ORDER BY created_at, id");
        Queries {
            user_by_id: live(Entity::Users, &format!("id = {parameter}")),
            user_by_primary_email: live(
                Entity::Users,
                &newest(&format!("primary_email = {parameter} AND primary_email_verified")),
            ),
            user_by_external_id: live(Entity::Users, &newest(&format!("external_id = {parameter}"))),
            organization_by_id: live(Entity::Organizations, &format!("id = {parameter}")),
            members: members_of(Entity::Users, "user_id", "organization_id"),
            organizations_of: members_of(Entity::Organizations, "organization_id", "user_id"),
            invitations_of: select("id", "invitations", &format!("{by_user} ORDER BY id")),
            addresses_of: select("email", "user_emails", &by_user),
            invitations_by_email: select("id", "invitations", &by_email),
            waitlist_entries_by_email: select("id", "waitlist_entries", &by_email),
            invitations_beyond_ascii: select("id, email_address", "invitations", is_beyond_ascii),
            waitlist_entries_beyond_ascii: select("id, email_address", "waitlist_entries", is_beyond_ascii),
            sessions_of: live(Entity::Sessions, &format!("{by_user} ORDER BY created_at, id")),
            subscriptions_of: live(Entity::Subscriptions, &of_payer),
            subscription_items_of: live(Entity::SubscriptionItems, &of_payer),
            waitlist_entry_by_email: live(
                Entity::WaitlistEntries,
                &newest(&format!("{lower_email} = {parameter}")),
            ),
            live_waitlist_entries_beyond_ascii: live(Entity::WaitlistEntries, is_beyond_ascii),
        }
    }
}
