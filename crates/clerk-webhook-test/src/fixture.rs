//! One event of every type, and of some types several.
//!
//! They were written after the schema and the documentation that Clerk publishes and not captured from anyone: every id,
//! name and address in them is made up. What Clerk sends for your instance can have more fields and other values.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use clerk_webhook_core::event::{self, EventData, EventMarker};
use clerk_webhook_core::{Event, EventType, Timestamp};
use serde_json::Value;

/// An event of a known type.
pub struct Fixture<M> {
    name: &'static str,
    body: &'static str,
    marker: PhantomData<M>,
}

impl<M: EventMarker> Fixture<M> {
    /// Returns the name: the event type, followed by two underscores and what is special where there are several.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the data of the event as its type.
    #[must_use]
    pub fn payload(&self) -> M::Payload {
        // A test reads every fixture as what it says it is.
        #[expect(clippy::expect_used, reason = "the text is part of the program")]
        M::into_payload(AnyFixture::from(*self).data()).expect("a fixture has the payload of its type")
    }
}

impl<M> Clone for Fixture<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Fixture<M> {}

impl<M> fmt::Debug for Fixture<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fixture").field(&self.name).finish()
    }
}

/// An event whose type is not known at compile time.
#[derive(Clone, Copy)]
pub struct AnyFixture {
    name: &'static str,
    body: &'static str,
}

impl AnyFixture {
    /// Returns the fixture of an event type; of none where the type is unknown.
    #[must_use]
    pub fn of(event_type: &EventType) -> Option<Self> {
        Self::named(event_type.as_str())
    }

    /// Returns the fixture of a name, such as `user.created__saml`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|fixture| fixture.name == name).copied()
    }

    /// Returns all fixtures, in alphabetical order of their names.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        ALL.iter().copied()
    }

    /// Returns the name: the event type, followed by two underscores and what is special where there are several.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the type of the event.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        self.name.split_once("__").map_or(self.name, |(event_type, _)| event_type).into()
    }

    /// Returns the body of a delivery: one line of JSON with keys in alphabetical order, as Clerk sends it.
    #[must_use]
    pub fn body(&self) -> Bytes {
        Bytes::from_static(self.body.as_bytes())
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.body).unwrap_or_default()
    }

    /// Returns the data of the event as its type.
    #[must_use]
    pub fn data(&self) -> EventData {
        self.event().into_data()
    }

    /// Returns the event as a verified receiver gets it, under a new message id.
    #[must_use]
    pub fn event(&self) -> Event {
        #[expect(
            clippy::expect_used,
            reason = "the text is part of the program, and a test reads all of them"
        )]
        Event::from_trusted(crate::id::message(), Timestamp::now(), self.body())
            .expect("a fixture is an event")
    }
}

impl<M: EventMarker> From<Fixture<M>> for AnyFixture {
    fn from(fixture: Fixture<M>) -> Self {
        Self { name: fixture.name, body: fixture.body }
    }
}

impl fmt::Debug for AnyFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyFixture").field(&self.name).finish()
    }
}

/// Derives a function for each row of the form `function: Marker = "name";`.
macro_rules! fixtures {
    ($( $function:ident: $marker:ident = $name:literal; )+) => {
        const ALL: &[AnyFixture] = &[ $( AnyFixture {
            name: $name,
            body: include_str!(concat!("../fixtures/events/", $name, ".json")),
        }, )+ ];

        $(
            #[doc = concat!("Returns `", $name, "`.")]
            #[must_use]
            pub fn $function() -> Fixture<event::$marker> {
                Fixture {
                    name: $name,
                    body: include_str!(concat!("../fixtures/events/", $name, ".json")),
                    marker: PhantomData,
                }
            }
        )+
    };
}

fixtures! {
    email_created: EmailCreated = "email.created";
    organization_created: OrganizationCreated = "organization.created";
    organization_deleted: OrganizationDeleted = "organization.deleted";
    organization_updated: OrganizationUpdated = "organization.updated";
    organization_domain_created: OrganizationDomainCreated = "organizationDomain.created";
    organization_domain_deleted: OrganizationDomainDeleted = "organizationDomain.deleted";
    organization_domain_updated: OrganizationDomainUpdated = "organizationDomain.updated";
    organization_invitation_accepted: OrganizationInvitationAccepted = "organizationInvitation.accepted";
    organization_invitation_accepted_nested: OrganizationInvitationAccepted = "organizationInvitation.accepted__nested";
    organization_invitation_created: OrganizationInvitationCreated = "organizationInvitation.created";
    organization_invitation_revoked: OrganizationInvitationRevoked = "organizationInvitation.revoked";
    organization_membership_created: OrganizationMembershipCreated = "organizationMembership.created";
    organization_membership_deleted: OrganizationMembershipDeleted = "organizationMembership.deleted";
    organization_membership_updated: OrganizationMembershipUpdated = "organizationMembership.updated";
    payment_attempt_created: PaymentAttemptCreated = "paymentAttempt.created";
    payment_attempt_updated: PaymentAttemptUpdated = "paymentAttempt.updated";
    payment_attempt_updated_failed: PaymentAttemptUpdated = "paymentAttempt.updated__failed";
    permission_created: PermissionCreated = "permission.created";
    permission_deleted: PermissionDeleted = "permission.deleted";
    permission_updated: PermissionUpdated = "permission.updated";
    role_created: RoleCreated = "role.created";
    role_deleted: RoleDeleted = "role.deleted";
    role_updated: RoleUpdated = "role.updated";
    session_created: SessionCreated = "session.created";
    session_ended: SessionEnded = "session.ended";
    session_pending: SessionPending = "session.pending";
    session_removed: SessionRemoved = "session.removed";
    session_revoked: SessionRevoked = "session.revoked";
    sms_created: SmsCreated = "sms.created";
    sms_created_both_times: SmsCreated = "sms.created__both_times";
    subscription_active: SubscriptionActive = "subscription.active";
    subscription_created: SubscriptionCreated = "subscription.created";
    subscription_past_due: SubscriptionPastDue = "subscription.pastDue";
    subscription_updated: SubscriptionUpdated = "subscription.updated";
    subscription_item_abandoned: SubscriptionItemAbandoned = "subscriptionItem.abandoned";
    subscription_item_active: SubscriptionItemActive = "subscriptionItem.active";
    subscription_item_active_free: SubscriptionItemActive = "subscriptionItem.active__free";
    subscription_item_active_trial: SubscriptionItemActive = "subscriptionItem.active__trial";
    subscription_item_canceled: SubscriptionItemCanceled = "subscriptionItem.canceled";
    subscription_item_created: SubscriptionItemCreated = "subscriptionItem.created";
    subscription_item_ended: SubscriptionItemEnded = "subscriptionItem.ended";
    subscription_item_free_trial_ending: SubscriptionItemFreeTrialEnding = "subscriptionItem.freeTrialEnding";
    subscription_item_incomplete: SubscriptionItemIncomplete = "subscriptionItem.incomplete";
    subscription_item_past_due: SubscriptionItemPastDue = "subscriptionItem.pastDue";
    subscription_item_upcoming: SubscriptionItemUpcoming = "subscriptionItem.upcoming";
    subscription_item_updated: SubscriptionItemUpdated = "subscriptionItem.updated";
    user_created: UserCreated = "user.created";
    user_created_minimal: UserCreated = "user.created__minimal";
    user_created_oauth: UserCreated = "user.created__oauth";
    user_created_phone_only: UserCreated = "user.created__phone_only";
    user_created_saml: UserCreated = "user.created__saml";
    user_created_web3: UserCreated = "user.created__web3";
    user_deleted: UserDeleted = "user.deleted";
    user_updated: UserUpdated = "user.updated";
    waitlist_entry_created: WaitlistEntryCreated = "waitlistEntry.created";
    waitlist_entry_updated: WaitlistEntryUpdated = "waitlistEntry.updated";
}
