//! The changes that hooks receive.

use std::future::Future;
use std::pin::Pin;

use clerk_webhook_core::Failure;

use crate::schema::record::Record;
use crate::schema::table::TableRow;
use crate::schema::tables::{
    DomainRow, Entity, InvitationRow, MembershipRow, OrganizationRow, PermissionRow, RoleRow, SessionRow,
    SubscriptionItemRow, SubscriptionRow, UserRow, WaitlistEntryRow,
};

/// The future that a [`ClerkSync::on_change`](crate::ClerkSync::on_change) hook returns: an `async` block in
/// `Box::pin`.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// The type of a [`ClerkSync::on_change`](crate::ClerkSync::on_change) hook. It receives connections of the
/// type `C`.
pub(crate) type Hook<C> = dyn for<'a> Fn(Change, &'a mut C) -> HookFuture<'a> + Send + Sync;

/// A changed row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A user.
    User(RowChange<UserRow>),
    /// An organization.
    Organization(RowChange<OrganizationRow>),
    /// A membership in an organization.
    Membership(RowChange<MembershipRow>),
    /// An invitation to an organization.
    Invitation(RowChange<InvitationRow>),
    /// An organization's domain.
    Domain(RowChange<DomainRow>),
    /// A role.
    Role(RowChange<RoleRow>),
    /// A permission.
    Permission(RowChange<PermissionRow>),
    /// A session. If the session ended, `after` contains its final status.
    Session(RowChange<SessionRow>),
    /// A subscription item. If the item ended, `after` contains its final status.
    SubscriptionItem(RowChange<SubscriptionItemRow>),
    /// A subscription. If the subscription ended, `after` contains its final status.
    Subscription(RowChange<SubscriptionRow>),
    /// A waitlist entry.
    WaitlistEntry(RowChange<WaitlistEntryRow>),
}

/// A row before and after a change.
///
/// | `before` | `after` | meaning |
/// |---|---|---|
/// | `None` | `Some` | the object is new to the sync; a copy from an event about another object may have been stored before |
/// | `Some` | `Some` | the object changed |
/// | `Some` | `None` | the object was deleted |
/// | `None` | `None` | the object was deleted and was unknown before, or its tombstone changed |
///
/// When a user or an organization is deleted, its memberships, sessions and subscriptions are no longer live.
/// The hook is called for the user or the organization only. When the same user gets a later membership in
/// the same organization, the earlier membership ends. The hook is called for the later one only.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RowChange<T> {
    /// The object's id.
    pub id: String,
    /// The row before the change; `None` if it did not exist or was a copy or a tombstone.
    pub before: Option<T>,
    /// The row after the change; `None` if it is a tombstone.
    pub after: Option<T>,
    /// What changed the row.
    pub origin: Origin,
}

/// What changed a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// An event.
    Event,
    /// An import of the objects that Clerk holds. A new row does not mean that the user has just signed up, so
    /// most hooks ignore this origin.
    Backfill,
    /// A comparison with the objects that Clerk holds. The change happened earlier, and its event was lost or is
    /// late. If the event arrives later, it changes nothing and does not call the hook.
    Reconcile,
    /// [`forget_user`](crate::ClerkSync::forget_user) or [`forget_email`](crate::ClerkSync::forget_email).
    Erasure,
}

impl Origin {
    /// Returns the value of the label `source`.
    #[cfg(feature = "metrics")]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
            Self::Erasure => "erasure",
        }
    }
}

impl Change {
    /// Creates a change from the columns of this kind's table.
    pub(crate) fn new(
        entity: Entity,
        id: String,
        (before, after): (Option<Record>, Option<Record>),
        origin: Origin,
    ) -> Self {
        match entity {
            Entity::Users => Self::User(row(id, before, after, origin)),
            Entity::Organizations => Self::Organization(row(id, before, after, origin)),
            Entity::Memberships => Self::Membership(row(id, before, after, origin)),
            Entity::Invitations => Self::Invitation(row(id, before, after, origin)),
            Entity::Domains => Self::Domain(row(id, before, after, origin)),
            Entity::Roles => Self::Role(row(id, before, after, origin)),
            Entity::Permissions => Self::Permission(row(id, before, after, origin)),
            Entity::Sessions => Self::Session(row(id, before, after, origin)),
            Entity::SubscriptionItems => Self::SubscriptionItem(row(id, before, after, origin)),
            Entity::Subscriptions => Self::Subscription(row(id, before, after, origin)),
            Entity::WaitlistEntries => Self::WaitlistEntry(row(id, before, after, origin)),
        }
    }
}

fn row<T: TableRow>(
    id: String,
    before: Option<Record>,
    after: Option<Record>,
    origin: Origin,
) -> RowChange<T> {
    let [before, after] = [before, after].map(|record| record.and_then(T::read));
    RowChange { id, before, after, origin }
}
