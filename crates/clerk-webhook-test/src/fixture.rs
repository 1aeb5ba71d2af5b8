//! One event of every type, and of some types several.
//!
//! They were written after the schema and the documentation that Clerk publishes and not captured from anyone: every id,
//! name and address in them is made up. What Clerk sends for your instance can have more fields and other values.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use clerk_webhook_core::EventData;
use clerk_webhook_core::event::{self, EventMarker};
use clerk_webhook_core::{Event, EventType, Timestamp};
use serde_json::Value;

/// An event of a known type.
///
/// [`AnyFixture`] is the same without the type.
pub struct Fixture<M> {
    any: AnyFixture,
    marker: PhantomData<M>,
}

impl<M: EventMarker> Fixture<M> {
    /// Returns the name: the event type, followed by two underscores and what is special where there are several.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.any.name()
    }

    /// Returns what it is, as in "a user who has signed up with a phone number only".
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.any.description()
    }

    /// Returns the data of the event as its type.
    ///
    /// ```
    /// use clerk_webhook_test::fixture;
    ///
    /// let user = fixture::user_created_phone_only().payload();
    /// assert_eq!(user.primary_email_address(), None);
    /// ```
    #[must_use]
    pub fn payload(&self) -> M::Payload {
        // A test reads every fixture as what it says it is.
        #[expect(clippy::expect_used, reason = "the text is part of the program")]
        M::into_payload(self.any.data()).expect("a fixture has the payload of its type")
    }

    /// Returns the body of a delivery: one line of JSON with keys in alphabetical order, as Clerk sends it.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.any.body()
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        self.any.json()
    }

    /// Returns the event as a verified receiver gets it, under a new message id.
    ///
    /// For one with another id or other data there is [`Delivery::event`](crate::Delivery::event).
    #[must_use]
    pub fn event(&self) -> Event {
        self.any.event()
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
        f.debug_tuple("Fixture").field(&self.any.name).finish()
    }
}

/// An event whose type is not known at compile time.
///
/// ```
/// use clerk_webhook_test::{Delivery, fixture::AnyFixture};
///
/// for fixture in AnyFixture::all() {
///     let delivery = Delivery::of(fixture);
///     assert_eq!(delivery.event().event_type(), &fixture.event_type());
/// }
/// ```
#[derive(Clone, Copy)]
pub struct AnyFixture {
    name: &'static str,
    description: &'static str,
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

    /// Returns what it is, as in "a user who has signed up with a phone number only".
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
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
        #[expect(
            clippy::expect_used,
            reason = "the text is part of the program, and a test reads all of them"
        )]
        serde_json::from_str(self.body).expect("a fixture is JSON")
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
        fixture.any
    }
}

impl fmt::Debug for AnyFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyFixture").field(&self.name).finish()
    }
}

/// Derives a function for each row of the form `function: Marker = "name", "what it is";`.
macro_rules! fixtures {
    ($( $function:ident: $marker:ident = $name:literal, $description:literal; )+) => {
        const ALL: &[AnyFixture] = &[ $( AnyFixture {
            name: $name,
            description: $description,
            body: include_str!(concat!("../fixtures/events/", $name, ".json")),
        }, )+ ];

        $(
            #[doc = concat!("Returns ", $description, ".")]
            ///
            #[doc = concat!("Its name is `", $name, "`. It was written after Clerk's published schema, not captured.")]
            #[must_use]
            pub fn $function() -> Fixture<event::marker::$marker> {
                let any = AnyFixture {
                    name: $name,
                    description: $description,
                    body: include_str!(concat!("../fixtures/events/", $name, ".json")),
                };
                Fixture { any, marker: PhantomData }
            }
        )+

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn every_function_returns_what_its_marker_stands_for() {
                $(
                    let fixture = $function();
                    assert_eq!(AnyFixture::from(fixture).event_type(), event::marker::$marker::EVENT_TYPE);
                    assert!(fixture.event().payload(event::marker::$marker).is_some(), "{}: {:?}", $name, fixture.event().data());
                    let _ = fixture.payload();
                    let function = $name.replace("__", "_").replace('.', "_").to_lowercase();
                    assert_eq!(stringify!($function).replace('_', ""), function.replace('_', ""));
                )+
            }
        }
    };
}

fixtures! {
    email_created: EmailCreated = "email.created", "the e-mail of a sign-in code that Clerk does not deliver, so that the application has to";
    email_created_delivered_by_clerk: EmailCreated = "email.created__delivered_by_clerk", "the e-mail of a sign-in code that Clerk delivers itself";
    organization_created: OrganizationCreated = "organization.created", "an organization with one member";
    organization_deleted: OrganizationDeleted = "organization.deleted", "an organization that is gone, with its slug";
    organization_updated: OrganizationUpdated = "organization.updated", "an organization with everything that it can have, and no limit of memberships";
    organization_domain_created: OrganizationDomainCreated = "organizationDomain.created", "a domain that nobody has verified";
    organization_domain_deleted: OrganizationDomainDeleted = "organizationDomain.deleted", "a domain that is gone";
    organization_domain_updated: OrganizationDomainUpdated = "organizationDomain.updated", "a domain that is verified by e-mail and not yet by DNS";
    organization_invitation_accepted: OrganizationInvitationAccepted = "organizationInvitation.accepted", "an invitation with the user who has accepted it";
    organization_invitation_accepted_nested: OrganizationInvitationAccepted = "organizationInvitation.accepted__nested", "an accepted invitation with the organization inside `data.data`, as the schema has it";
    organization_invitation_created: OrganizationInvitationCreated = "organizationInvitation.created", "an invitation that waits for an answer";
    organization_invitation_revoked: OrganizationInvitationRevoked = "organizationInvitation.revoked", "an invitation that was taken back";
    organization_membership_created: OrganizationMembershipCreated = "organizationMembership.created", "an administrator of an organization";
    organization_membership_created_custom_role: OrganizationMembershipCreated = "organizationMembership.created__custom_role", "a member with a role of the application's own";
    organization_membership_created_legacy_role: OrganizationMembershipCreated = "organizationMembership.created__legacy_role", "a member with a role as they were named until 2024, `basic_member`";
    organization_membership_created_member: OrganizationMembershipCreated = "organizationMembership.created__member", "a plain member of an organization";
    organization_membership_deleted: OrganizationMembershipDeleted = "organizationMembership.deleted", "a membership that is gone, whole unlike other deleted objects";
    organization_membership_updated: OrganizationMembershipUpdated = "organizationMembership.updated", "a membership whose role and metadata have changed";
    payment_attempt_created: PaymentAttemptCreated = "paymentAttempt.created", "a payment at checkout that is not decided yet";
    payment_attempt_updated: PaymentAttemptUpdated = "paymentAttempt.updated", "a payment at checkout that was successful";
    payment_attempt_updated_failed: PaymentAttemptUpdated = "paymentAttempt.updated__failed", "a renewal for an organization that the bank has declined";
    payment_attempt_updated_recurring: PaymentAttemptUpdated = "paymentAttempt.updated__recurring", "a renewal for an organization that was successful";
    permission_created: PermissionCreated = "permission.created", "a permission";
    permission_deleted: PermissionDeleted = "permission.deleted", "a permission that is gone";
    permission_updated: PermissionUpdated = "permission.updated", "a permission whose name and description have changed";
    role_created: RoleCreated = "role.created", "a role with two permissions";
    role_deleted: RoleDeleted = "role.deleted", "a role that is gone, its slug `null`";
    role_updated: RoleUpdated = "role.updated", "a role without a description and permissions";
    session_created: SessionCreated = "session.created", "a session with the user and the device";
    session_created_impersonated: SessionCreated = "session.created__impersonated", "a session that somebody else has started in the name of the user";
    session_ended: SessionEnded = "session.ended", "a session of an impersonated user that has ended";
    session_pending: SessionPending = "session.pending", "a session that waits for tasks of the user";
    session_removed: SessionRemoved = "session.removed", "a session that was removed from its client";
    session_revoked: SessionRevoked = "session.revoked", "a session that was revoked, without its user as until November 2025";
    sms_created: SmsCreated = "sms.created", "the text message of a sign-in code that Clerk delivers itself";
    sms_created_both_times: SmsCreated = "sms.created__both_times", "a text message with both of the names that its time has had, and nobody it belongs to";
    sms_created_not_delivered_by_clerk: SmsCreated = "sms.created__not_delivered_by_clerk", "a text message that Clerk does not deliver, so that the application has to";
    subscription_active: SubscriptionActive = "subscription.active", "the subscription of an organization that has become active";
    subscription_created: SubscriptionCreated = "subscription.created", "the subscription of a user that begins";
    subscription_past_due: SubscriptionPastDue = "subscription.pastDue", "a subscription whose payment is overdue";
    subscription_updated: SubscriptionUpdated = "subscription.updated", "a subscription that was cancelled and has ended";
    subscription_item_abandoned: SubscriptionItemAbandoned = "subscriptionItem.abandoned", "a plan that was never paid for";
    subscription_item_active: SubscriptionItemActive = "subscriptionItem.active", "a monthly plan of a user";
    subscription_item_active_annual: SubscriptionItemActive = "subscriptionItem.active__annual", "a yearly plan of a user";
    subscription_item_active_free: SubscriptionItemActive = "subscriptionItem.active__free", "the free plan, without an end";
    subscription_item_active_organization: SubscriptionItemActive = "subscriptionItem.active__organization", "a monthly plan of an organization";
    subscription_item_active_trial: SubscriptionItemActive = "subscriptionItem.active__trial", "a free trial of an organization, with prices by seat";
    subscription_item_canceled: SubscriptionItemCanceled = "subscriptionItem.canceled", "a plan that was cancelled and goes on until its period ends";
    subscription_item_canceled_trial: SubscriptionItemCanceled = "subscriptionItem.canceled__trial", "a free trial that was cancelled";
    subscription_item_created: SubscriptionItemCreated = "subscriptionItem.created", "a plan in the form that it had until November 2025";
    subscription_item_ended: SubscriptionItemEnded = "subscriptionItem.ended", "a plan that has ended";
    subscription_item_free_trial_ending: SubscriptionItemFreeTrialEnding = "subscriptionItem.freeTrialEnding", "a free trial that ends in three days";
    subscription_item_incomplete: SubscriptionItemIncomplete = "subscriptionItem.incomplete", "a plan whose first payment is open";
    subscription_item_past_due: SubscriptionItemPastDue = "subscriptionItem.pastDue", "a plan whose payment is overdue";
    subscription_item_upcoming: SubscriptionItemUpcoming = "subscriptionItem.upcoming", "a plan that begins with the next period";
    subscription_item_upcoming_free: SubscriptionItemUpcoming = "subscriptionItem.upcoming__free", "the free plan that follows a cancelled one";
    subscription_item_updated: SubscriptionItemUpdated = "subscriptionItem.updated", "a plan with a discount, a field that this version does not know";
    user_created: UserCreated = "user.created", "a user with a password and a verified e-mail address";
    user_created_as_published: UserCreated = "user.created__as_published", "a user as the examples of Clerk's schema are: a time in seconds, the primary address not among the addresses, metadata `null`";
    user_created_backend_api: UserCreated = "user.created__backend_api", "a user whom the application has created through the Backend API, with an id of its own";
    user_created_before_2024: UserCreated = "user.created__before_2024", "a user as they were sent until 2023, without times, instance and request";
    user_created_minimal: UserCreated = "user.created__minimal", "a user of whom nothing is said but the id";
    user_created_oauth: UserCreated = "user.created__oauth", "a user who has signed up with Google and has failed to connect GitHub";
    user_created_passkey: UserCreated = "user.created__passkey", "a user with a passkey and without a password";
    user_created_phone_only: UserCreated = "user.created__phone_only", "a user who has signed up with a phone number only";
    user_created_saml: UserCreated = "user.created__saml", "a user of a company's directory, by SAML and SCIM";
    user_created_username: UserCreated = "user.created__username", "a user with a name and a password, without address, number and wallet";
    user_created_web3: UserCreated = "user.created__web3", "a user who has signed up with a wallet only";
    user_deleted: UserDeleted = "user.deleted", "a user who is gone, with the id that the application had given";
    user_deleted_without_external_id: UserDeleted = "user.deleted__without_external_id", "a user who is gone and had no id of the application";
    user_deleted_without_id: UserDeleted = "user.deleted__without_id", "a user who is gone and of whom not even the id is said, as the schema allows";
    user_updated: UserUpdated = "user.updated", "a user with almost everything that one can have, locked, and fields that this version does not know";
    user_updated_banned: UserUpdated = "user.updated__banned", "a user who was banned";
    user_updated_deprovisioned: UserUpdated = "user.updated__deprovisioned", "a user whose account a company's directory has withdrawn";
    waitlist_entry_created: WaitlistEntryCreated = "waitlistEntry.created", "somebody who waits";
    waitlist_entry_updated: WaitlistEntryUpdated = "waitlistEntry.updated", "somebody on the waitlist who was invited";
    waitlist_entry_updated_completed: WaitlistEntryUpdated = "waitlistEntry.updated__completed", "somebody on the waitlist who has signed up";
    waitlist_entry_updated_rejected: WaitlistEntryUpdated = "waitlistEntry.updated__rejected", "somebody on the waitlist who was turned down";
}
