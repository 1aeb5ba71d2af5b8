//! The table of event types, from which all other code about event types is generated.

/// Calls a macro with the rows `Variant(Payload) = "event.type", "What happened.";`.
macro_rules! catalogue {
    ($derive:ident) => {
        $derive! {
            EmailCreated(Email) = "email.created", "Clerk created an email for a user.";
            OrganizationCreated(Organization) = "organization.created", "An organization was created.";
            OrganizationDeleted(DeletedObject) = "organization.deleted", "An organization was deleted.";
            OrganizationUpdated(Organization) = "organization.updated", "An organization was updated.";
            OrganizationDomainCreated(OrganizationDomain) = "organizationDomain.created", "A domain was added to an organization.";
            OrganizationDomainDeleted(DeletedObject) = "organizationDomain.deleted", "A domain was removed from an organization.";
            OrganizationDomainUpdated(OrganizationDomain) = "organizationDomain.updated", "An organization's domain was updated.";
            OrganizationInvitationAccepted(OrganizationInvitation) = "organizationInvitation.accepted", "An invitation to an organization was accepted.";
            OrganizationInvitationCreated(OrganizationInvitation) = "organizationInvitation.created", "A person was invited to an organization.";
            OrganizationInvitationRevoked(OrganizationInvitation) = "organizationInvitation.revoked", "An invitation to an organization was revoked.";
            OrganizationMembershipCreated(OrganizationMembership) = "organizationMembership.created", "A user became a member of an organization.";
            OrganizationMembershipDeleted(OrganizationMembership) = "organizationMembership.deleted", "A user was removed from an organization.";
            OrganizationMembershipUpdated(OrganizationMembership) = "organizationMembership.updated", "A membership in an organization was updated.";
            PaymentAttemptCreated(PaymentAttempt) = "paymentAttempt.created", "A payment was attempted.";
            PaymentAttemptUpdated(PaymentAttempt) = "paymentAttempt.updated", "A payment attempt succeeded or failed.";
            PermissionCreated(Permission) = "permission.created", "A permission was created.";
            PermissionDeleted(DeletedObject) = "permission.deleted", "A permission was deleted.";
            PermissionUpdated(Permission) = "permission.updated", "A permission was updated.";
            RoleCreated(Role) = "role.created", "A role was created.";
            RoleDeleted(DeletedObject) = "role.deleted", "A role was deleted.";
            RoleUpdated(Role) = "role.updated", "A role was updated.";
            SessionCreated(Session) = "session.created", "A session was started.";
            SessionEnded(Session) = "session.ended", "The user ended a session.";
            SessionPending(Session) = "session.pending", "A session is pending until the user completes its tasks.";
            SessionRemoved(Session) = "session.removed", "A session was removed from its client.";
            SessionRevoked(Session) = "session.revoked", "The application revoked a session.";
            SmsCreated(Sms) = "sms.created", "Clerk created a text message for a user.";
            SubscriptionActive(Subscription) = "subscription.active", "A subscription became active.";
            SubscriptionCreated(Subscription) = "subscription.created", "A subscription was created.";
            SubscriptionPastDue(Subscription) = "subscription.pastDue", "A payment for a subscription is overdue.";
            SubscriptionUpdated(Subscription) = "subscription.updated", "A subscription was updated.";
            SubscriptionItemAbandoned(SubscriptionItem) = "subscriptionItem.abandoned", "A plan was abandoned without a payment.";
            SubscriptionItemActive(SubscriptionItem) = "subscriptionItem.active", "A plan became active.";
            SubscriptionItemCanceled(SubscriptionItem) = "subscriptionItem.canceled", "A plan was canceled and ends with its billing period.";
            SubscriptionItemCreated(SubscriptionItem) = "subscriptionItem.created", "A plan was added to a subscription.";
            SubscriptionItemEnded(SubscriptionItem) = "subscriptionItem.ended", "A plan ended.";
            SubscriptionItemFreeTrialEnding(SubscriptionItem) = "subscriptionItem.freeTrialEnding", "A free trial ends in three days.";
            SubscriptionItemIncomplete(SubscriptionItem) = "subscriptionItem.incomplete", "A plan is incomplete until its first payment.";
            SubscriptionItemPastDue(SubscriptionItem) = "subscriptionItem.pastDue", "A payment for a plan is overdue.";
            SubscriptionItemUpcoming(SubscriptionItem) = "subscriptionItem.upcoming", "A plan starts with the next billing period.";
            SubscriptionItemUpdated(SubscriptionItem) = "subscriptionItem.updated", "A plan in a subscription was updated.";
            UserCreated(User) = "user.created", "A user was created.";
            UserDeleted(DeletedObject) = "user.deleted", "A user was deleted.";
            UserUpdated(User) = "user.updated", "A user was updated.";
            WaitlistEntryCreated(WaitlistEntry) = "waitlistEntry.created", "A person joined the waitlist.";
            WaitlistEntryUpdated(WaitlistEntry) = "waitlistEntry.updated", "A waitlist entry was updated.";
        }
    };
}

pub(super) use catalogue;
