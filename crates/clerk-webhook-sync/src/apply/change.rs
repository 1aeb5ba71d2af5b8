//! What an application is told of a change.

use std::future::Future;
use std::pin::Pin;

use clerk_webhook_core::Failure;

use crate::schema::record::Record;
use crate::schema::table::TableRow;
use crate::schema::tables::{
    DomainRow, Entity, InvitationRow, MembershipRow, OrganizationRow, PermissionRow, RoleRow, SessionRow,
    SubscriptionItemRow, SubscriptionRow, UserRow, WaitlistEntryRow,
};

/// The future that the function of [`ClerkSync::on_change`](crate::ClerkSync::on_change) returns: an `async` block in a `Box::pin`.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// The function of [`ClerkSync::on_change`](crate::ClerkSync::on_change), on connections of the type `C`.
pub(crate) type Hook<C> = dyn for<'a> Fn(Change, &'a mut C) -> HookFuture<'a> + Send + Sync;

/// A row that an event has changed, and of what it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A user.
    User(RowChange<UserRow>),
    /// An organization.
    Organization(RowChange<OrganizationRow>),
    /// A membership of an organization.
    Membership(RowChange<MembershipRow>),
    /// An invitation to an organization.
    Invitation(RowChange<InvitationRow>),
    /// A domain of an organization.
    Domain(RowChange<DomainRow>),
    /// A role.
    Role(RowChange<RoleRow>),
    /// A permission.
    Permission(RowChange<PermissionRow>),
    /// A session. One that has ended is a row whose status says so.
    Session(RowChange<SessionRow>),
    /// An item of a subscription. One that has ended is a row whose status says so.
    SubscriptionItem(RowChange<SubscriptionItemRow>),
    /// A subscription. One that has ended is a row whose status says so.
    Subscription(RowChange<SubscriptionRow>),
    /// An entry of the waitlist.
    WaitlistEntry(RowChange<WaitlistEntryRow>),
}

/// What a row was before an event, and what it is now.
///
/// | `before` | `after` | |
/// |---|---|---|
/// | none | some | it is known now; of a user or an organization there may have been a copy, that a membership shows |
/// | some | some | it has changed |
/// | some | none | it was deleted |
/// | none | none | it was deleted, or was so earlier than was thought, and nothing else was known of it |
///
/// A membership ends with its user and its organization, and so do sessions and subscriptions: of that nothing is told but
/// the deletion of these. A membership also ends with a later membership of the same user in the same organization. The
/// function is called for the later one only.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RowChange<T> {
    /// The id.
    pub id: String,
    /// What was live of the row.
    pub before: Option<T>,
    /// What is live of it.
    pub after: Option<T>,
}

impl Change {
    /// Makes one of the columns from which a row of this kind is read.
    pub(crate) fn new(entity: Entity, id: String, before: Option<Record>, after: Option<Record>) -> Self {
        match entity {
            Entity::Users => Self::User(row(id, before, after)),
            Entity::Organizations => Self::Organization(row(id, before, after)),
            Entity::Memberships => Self::Membership(row(id, before, after)),
            Entity::Invitations => Self::Invitation(row(id, before, after)),
            Entity::Domains => Self::Domain(row(id, before, after)),
            Entity::Roles => Self::Role(row(id, before, after)),
            Entity::Permissions => Self::Permission(row(id, before, after)),
            Entity::Sessions => Self::Session(row(id, before, after)),
            Entity::SubscriptionItems => Self::SubscriptionItem(row(id, before, after)),
            Entity::Subscriptions => Self::Subscription(row(id, before, after)),
            Entity::WaitlistEntries => Self::WaitlistEntry(row(id, before, after)),
        }
    }
}

fn row<T: TableRow>(id: String, before: Option<Record>, after: Option<Record>) -> RowChange<T> {
    let [before, after] = [before, after].map(|record| record.and_then(T::read));
    RowChange { id, before, after }
}
