//! What is kept, and of whom.

use std::sync::Arc;

/// What the column `raw` has of the data that was sent.
///
/// Copies of other objects, which have rows of their own, are never in it; nor is where and with what a session was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RawColumn {
    /// Everything: private metadata, backup codes of second factors, links of invitations.
    Full,
    /// Everything but private metadata and what lets its reader sign in as somebody else.
    #[default]
    Redacted,
    /// Nothing.
    Off,
}

/// What an application has chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) raw: RawColumn,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) sessions: bool,
    pub(crate) billing: bool,
    pub(crate) waitlist: bool,
}

impl Settings {
    /// Returns whether something is kept of events of a type.
    pub(crate) fn keep(&self, event_type: &str) -> bool {
        match event_type.split('.').next().unwrap_or_default() {
            "user"
            | "organization"
            | "organizationMembership"
            | "organizationInvitation"
            | "organizationDomain"
            | "role"
            | "permission" => true,
            "session" => self.sessions,
            "subscription" | "subscriptionItem" => self.billing,
            "waitlistEntry" => self.waitlist,
            _ => false,
        }
    }
}
