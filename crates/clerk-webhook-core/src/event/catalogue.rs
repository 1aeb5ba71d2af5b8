//! The one table of event types; everything that knows them is derived from it.

/// Passes the rows `Variant(Payload) = "event.type", "What happened.";` to a macro.
macro_rules! catalogue {
    ($derive:ident) => {
        $derive! {
            EmailCreated(Email) = "email.created", "An e-mail is to be sent.";
            OrganizationCreated(Organization) = "organization.created", "An organization was created.";
            OrganizationDeleted(DeletedObject) = "organization.deleted", "An organization was deleted.";
            OrganizationUpdated(Organization) = "organization.updated", "An organization was changed.";
            OrganizationDomainCreated(OrganizationDomain) = "organizationDomain.created", "A domain was added to an organization.";
            OrganizationDomainDeleted(DeletedObject) = "organizationDomain.deleted", "A domain was removed from an organization.";
            OrganizationDomainUpdated(OrganizationDomain) = "organizationDomain.updated", "A domain of an organization was changed.";
            OrganizationInvitationAccepted(OrganizationInvitation) = "organizationInvitation.accepted", "An invitation to an organization was accepted.";
            OrganizationInvitationCreated(OrganizationInvitation) = "organizationInvitation.created", "Somebody was invited to an organization.";
            OrganizationInvitationRevoked(OrganizationInvitation) = "organizationInvitation.revoked", "An invitation to an organization was revoked.";
            OrganizationMembershipCreated(OrganizationMembership) = "organizationMembership.created", "A user became a member of an organization.";
            OrganizationMembershipDeleted(OrganizationMembership) = "organizationMembership.deleted", "A user is no longer a member of an organization.";
            OrganizationMembershipUpdated(OrganizationMembership) = "organizationMembership.updated", "A membership was changed.";
            PaymentAttemptCreated(PaymentAttempt) = "paymentAttempt.created", "A payment was attempted.";
            PaymentAttemptUpdated(PaymentAttempt) = "paymentAttempt.updated", "A payment attempt succeeded or failed.";
            PermissionCreated(Permission) = "permission.created", "A permission was created.";
            PermissionDeleted(DeletedObject) = "permission.deleted", "A permission was deleted.";
            PermissionUpdated(Permission) = "permission.updated", "A permission was changed.";
            RoleCreated(Role) = "role.created", "A role was created.";
            RoleDeleted(DeletedObject) = "role.deleted", "A role was deleted.";
            RoleUpdated(Role) = "role.updated", "A role was changed.";
            SessionCreated(Session) = "session.created", "A session was started.";
            SessionEnded(Session) = "session.ended", "A session was ended by its user.";
            SessionPending(Session) = "session.pending", "A session waits for tasks that its user has to complete.";
            SessionRemoved(Session) = "session.removed", "A session was removed from its client.";
            SessionRevoked(Session) = "session.revoked", "A session was revoked by the application.";
            SmsCreated(Sms) = "sms.created", "A text message is to be sent.";
            SubscriptionActive(Subscription) = "subscription.active", "A subscription became active.";
            SubscriptionCreated(Subscription) = "subscription.created", "A subscription was created.";
            SubscriptionPastDue(Subscription) = "subscription.pastDue", "A payment of a subscription is overdue.";
            SubscriptionUpdated(Subscription) = "subscription.updated", "A subscription was changed.";
            SubscriptionItemAbandoned(SubscriptionItem) = "subscriptionItem.abandoned", "A plan was never paid for and given up.";
            SubscriptionItemActive(SubscriptionItem) = "subscriptionItem.active", "A plan became active.";
            SubscriptionItemCanceled(SubscriptionItem) = "subscriptionItem.canceled", "A plan was cancelled and ends with its period.";
            SubscriptionItemCreated(SubscriptionItem) = "subscriptionItem.created", "A plan was added to a subscription.";
            SubscriptionItemEnded(SubscriptionItem) = "subscriptionItem.ended", "A plan ended.";
            SubscriptionItemFreeTrialEnding(SubscriptionItem) = "subscriptionItem.freeTrialEnding", "A free trial ends in three days.";
            SubscriptionItemIncomplete(SubscriptionItem) = "subscriptionItem.incomplete", "A plan waits for its first payment.";
            SubscriptionItemPastDue(SubscriptionItem) = "subscriptionItem.pastDue", "A payment for a plan is overdue.";
            SubscriptionItemUpcoming(SubscriptionItem) = "subscriptionItem.upcoming", "A plan begins with the next period.";
            SubscriptionItemUpdated(SubscriptionItem) = "subscriptionItem.updated", "A plan of a subscription was changed.";
            UserCreated(User) = "user.created", "A user was created.";
            UserDeleted(DeletedObject) = "user.deleted", "A user was deleted.";
            UserUpdated(User) = "user.updated", "A user was changed.";
            WaitlistEntryCreated(WaitlistEntry) = "waitlistEntry.created", "Somebody joined the waitlist.";
            WaitlistEntryUpdated(WaitlistEntry) = "waitlistEntry.updated", "An entry of the waitlist was changed.";
        }
    };
}

pub(super) use catalogue;
