//! Kinds of objects.

/// The kind of the object that an event describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are Clerk's")]
pub enum ObjectKind {
    User,
    Organization,
    OrganizationMembership,
    OrganizationInvitation,
    OrganizationDomain,
    Role,
    Permission,
    Session,
    Subscription,
    SubscriptionItem,
    PaymentAttempt,
    WaitlistEntry,
}
