//! What is kept, and of whom.

use std::sync::Arc;

use crate::apply::engine::SyncDatabase;
use crate::sync::ClerkSync;

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

/// What is kept only where it is wanted. What came before that is not there until Clerk sends it again.
impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Keeps sessions, in the table `clerk_sessions`.
    ///
    /// They are many: an event and a row for each time that somebody signs in, and an event for each end. Nothing removes
    /// the rows; what has an `expire_at` long past can be deleted by the application.
    ///
    /// Of persons a row has nothing but the ids of user and client, and times: no address, place, device or impersonator,
    /// whatever [`raw`](Self::raw) is set to. Mere use of a session is told by no event, nor is its running out.
    pub fn keep_sessions(mut self) -> Self {
        self.settings.sessions = true;
        self
    }

    /// Keeps subscriptions and their items, in the tables `clerk_subscriptions` and `clerk_subscription_items`.
    ///
    /// A few events and rows for each payer and each change of plan. The rows have ids of users and organizations, plans,
    /// prices and times, and neither names nor addresses. Attempts to pay are not kept.
    pub fn keep_billing(mut self) -> Self {
        self.settings.billing = true;
        self
    }

    /// Keeps the waitlist, in the table `clerk_waitlist_entries`.
    ///
    /// Two or three events and a row for each entry, with the e-mail address of somebody who may never become a user: no
    /// event tells of the end of an entry, so the rows stay. [`forget_user`](Self::forget_user) erases those with an address
    /// of the user, and [`forget_email`](Self::forget_email) those with any.
    pub fn keep_waitlist(mut self) -> Self {
        self.settings.waitlist = true;
        self
    }
}
