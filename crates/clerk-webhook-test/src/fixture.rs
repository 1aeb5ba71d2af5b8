//! Fixtures: at least one event of each type.
//!
//! The fixtures follow the webhook schema and the documentation that Clerk publishes, and contain no captured
//! data: all ids, names and addresses are made up. Deliveries for your instance can have more fields and
//! other values.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use clerk_webhook_core::EventData;
use clerk_webhook_core::event::{self, EventMarker};
use clerk_webhook_core::{Event, EventType, Timestamp};
use serde_json::Value;

/// An event whose type is known at compile time.
///
/// For other types, use [`AnyFixture`].
pub struct Fixture<M> {
    any: AnyFixture,
    marker: PhantomData<M>,
}

impl<M: EventMarker> Fixture<M> {
    /// Returns the name, such as `user.created`, or `user.created__saml` for a variant.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.any.name()
    }

    /// Returns a description, such as "a user who signed up with a phone number only".
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.any.description()
    }

    /// Returns the event's data as the payload of its event type.
    ///
    /// ```
    /// use clerk_webhook_test::fixture;
    ///
    /// let user = fixture::user_created_phone_only().payload();
    /// assert_eq!(user.primary_email_address(), None);
    /// ```
    #[must_use]
    pub fn payload(&self) -> M::Payload {
        #[expect(clippy::expect_used, reason = "a test decodes every fixture")]
        M::into_payload(self.any.data()).expect("a fixture has the payload of its type")
    }

    /// Returns the body of a delivery: JSON on one line with keys in alphabetical order, like Clerk's bodies.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.any.body()
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        self.any.json()
    }

    /// Returns the verified event, with a new message id.
    ///
    /// For another id or other data, use [`Delivery::event`](crate::Delivery::event).
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
    /// Returns the fixture for an event type, or `None` if the type is unknown.
    #[must_use]
    pub fn of(event_type: &EventType) -> Option<Self> {
        Self::named(event_type.as_str())
    }

    /// Returns the fixture with a name, such as `user.created__saml`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|fixture| fixture.name == name).copied()
    }

    /// Returns all fixtures, sorted by name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        ALL.iter().copied()
    }

    /// Returns the name, such as `user.created`, or `user.created__saml` for a variant.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns a description, such as "a user who signed up with a phone number only".
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// Returns the event type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        self.name.split_once("__").map_or(self.name, |(event_type, _)| event_type).into()
    }

    /// Returns the body of a delivery: JSON on one line with keys in alphabetical order, like Clerk's bodies.
    #[must_use]
    pub fn body(&self) -> Bytes {
        Bytes::from_static(self.body.as_bytes())
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        #[expect(clippy::expect_used, reason = "a test decodes every fixture")]
        serde_json::from_str(self.body).expect("a fixture is JSON")
    }

    /// Returns the decoded data of the event.
    #[must_use]
    pub fn data(&self) -> EventData {
        self.event().into_data()
    }

    /// Returns the verified event, with a new message id.
    #[must_use]
    pub fn event(&self) -> Event {
        #[expect(clippy::expect_used, reason = "a test decodes every fixture")]
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

/// Generates a function for each row of the form `function: Marker = "name", "description";`.
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
            #[doc = concat!("Its name is `", $name, "`. It follows Clerk's published schema and contains no captured data.")]
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
            fn every_function_returns_an_event_of_its_marker() {
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
    email_created: EmailCreated = "email.created", "an email with a sign-in code that Clerk does not deliver, so the application must deliver it";
    email_created_delivered_by_clerk: EmailCreated = "email.created__delivered_by_clerk", "an email with a sign-in code that Clerk delivers itself";
    organization_created: OrganizationCreated = "organization.created", "an organization with one member";
    organization_deleted: OrganizationDeleted = "organization.deleted", "a deleted organization, with its slug";
    organization_updated: OrganizationUpdated = "organization.updated", "an organization with all fields and without a membership limit";
    organization_domain_created: OrganizationDomainCreated = "organizationDomain.created", "an unverified domain";
    organization_domain_deleted: OrganizationDomainDeleted = "organizationDomain.deleted", "a deleted domain";
    organization_domain_updated: OrganizationDomainUpdated = "organizationDomain.updated", "a domain that is verified by email and not yet by DNS";
    organization_invitation_accepted: OrganizationInvitationAccepted = "organizationInvitation.accepted", "an accepted invitation, with the user who accepted it";
    organization_invitation_accepted_nested: OrganizationInvitationAccepted = "organizationInvitation.accepted__nested", "an accepted invitation with the organization inside `data.data`, as in the schema";
    organization_invitation_created: OrganizationInvitationCreated = "organizationInvitation.created", "a pending invitation";
    organization_invitation_revoked: OrganizationInvitationRevoked = "organizationInvitation.revoked", "a revoked invitation";
    organization_membership_created: OrganizationMembershipCreated = "organizationMembership.created", "an administrator of an organization";
    organization_membership_created_custom_role: OrganizationMembershipCreated = "organizationMembership.created__custom_role", "a member with one of the application's custom roles";
    organization_membership_created_legacy_role: OrganizationMembershipCreated = "organizationMembership.created__legacy_role", "a member with a role name that was used until 2024, `basic_member`";
    organization_membership_created_member: OrganizationMembershipCreated = "organizationMembership.created__member", "an ordinary member of an organization";
    organization_membership_deleted: OrganizationMembershipDeleted = "organizationMembership.deleted", "a deleted membership, which unlike other deleted objects has all fields";
    organization_membership_updated: OrganizationMembershipUpdated = "organizationMembership.updated", "a membership with a changed role and changed metadata";
    payment_attempt_created: PaymentAttemptCreated = "paymentAttempt.created", "a pending payment at checkout";
    payment_attempt_updated: PaymentAttemptUpdated = "paymentAttempt.updated", "a successful payment at checkout";
    payment_attempt_updated_failed: PaymentAttemptUpdated = "paymentAttempt.updated__failed", "an organization's renewal that the bank declined";
    payment_attempt_updated_recurring: PaymentAttemptUpdated = "paymentAttempt.updated__recurring", "an organization's successful renewal";
    permission_created: PermissionCreated = "permission.created", "a permission";
    permission_deleted: PermissionDeleted = "permission.deleted", "a deleted permission";
    permission_updated: PermissionUpdated = "permission.updated", "a permission with a changed name and description";
    role_created: RoleCreated = "role.created", "a role with two permissions";
    role_deleted: RoleDeleted = "role.deleted", "a deleted role, whose slug is `null`";
    role_updated: RoleUpdated = "role.updated", "a role without a description and without permissions";
    session_created: SessionCreated = "session.created", "a session with its user and device";
    session_created_impersonated: SessionCreated = "session.created__impersonated", "a session in which another person impersonates the user";
    session_ended: SessionEnded = "session.ended", "an impersonated user's ended session";
    session_pending: SessionPending = "session.pending", "a session with pending tasks for the user";
    session_removed: SessionRemoved = "session.removed", "a session that was removed from its client";
    session_revoked: SessionRevoked = "session.revoked", "a revoked session in the format that was used until November 2025, without its user";
    sms_created: SmsCreated = "sms.created", "a text message with a sign-in code that Clerk delivers itself";
    sms_created_both_times: SmsCreated = "sms.created__both_times", "a text message without a user, with its creation time in both `created_at` and `created_at_ms`";
    sms_created_not_delivered_by_clerk: SmsCreated = "sms.created__not_delivered_by_clerk", "a text message that Clerk does not deliver, so the application must deliver it";
    subscription_active: SubscriptionActive = "subscription.active", "an organization's subscription that became active";
    subscription_created: SubscriptionCreated = "subscription.created", "a user's new subscription";
    subscription_past_due: SubscriptionPastDue = "subscription.pastDue", "a subscription whose payment is overdue";
    subscription_updated: SubscriptionUpdated = "subscription.updated", "a canceled subscription that has ended";
    subscription_item_abandoned: SubscriptionItemAbandoned = "subscriptionItem.abandoned", "a plan that was never paid for";
    subscription_item_active: SubscriptionItemActive = "subscriptionItem.active", "a user's monthly plan";
    subscription_item_active_annual: SubscriptionItemActive = "subscriptionItem.active__annual", "a user's yearly plan";
    subscription_item_active_free: SubscriptionItemActive = "subscriptionItem.active__free", "the free plan, which has no end";
    subscription_item_active_organization: SubscriptionItemActive = "subscriptionItem.active__organization", "an organization's monthly plan";
    subscription_item_active_trial: SubscriptionItemActive = "subscriptionItem.active__trial", "an organization's free trial, with prices per seat";
    subscription_item_canceled: SubscriptionItemCanceled = "subscriptionItem.canceled", "a canceled plan that remains active until the end of its period";
    subscription_item_canceled_trial: SubscriptionItemCanceled = "subscriptionItem.canceled__trial", "a canceled free trial";
    subscription_item_created: SubscriptionItemCreated = "subscriptionItem.created", "a plan in the format that was used until November 2025";
    subscription_item_ended: SubscriptionItemEnded = "subscriptionItem.ended", "a plan that has ended";
    subscription_item_free_trial_ending: SubscriptionItemFreeTrialEnding = "subscriptionItem.freeTrialEnding", "a free trial that ends in three days";
    subscription_item_incomplete: SubscriptionItemIncomplete = "subscriptionItem.incomplete", "a plan whose first payment is pending";
    subscription_item_past_due: SubscriptionItemPastDue = "subscriptionItem.pastDue", "a plan whose payment is overdue";
    subscription_item_upcoming: SubscriptionItemUpcoming = "subscriptionItem.upcoming", "a plan that begins with the next period";
    subscription_item_upcoming_free: SubscriptionItemUpcoming = "subscriptionItem.upcoming__free", "the free plan that follows a canceled plan";
    subscription_item_updated: SubscriptionItemUpdated = "subscriptionItem.updated", "a plan with a discount, a field that this version does not know";
    user_created: UserCreated = "user.created", "a user with a password and a verified email address";
    user_created_as_published: UserCreated = "user.created__as_published", "a user like the examples in Clerk's schema: a time in seconds, a primary address that is not in the list of addresses, metadata `null`";
    user_created_backend_api: UserCreated = "user.created__backend_api", "a user that the application created through the Backend API, with an external id";
    user_created_before_2024: UserCreated = "user.created__before_2024", "a user in the format that was used until 2023, without times, instance and request";
    user_created_minimal: UserCreated = "user.created__minimal", "a user with no data except the id";
    user_created_oauth: UserCreated = "user.created__oauth", "a user who signed up with Google and failed to connect GitHub";
    user_created_passkey: UserCreated = "user.created__passkey", "a user with a passkey and without a password";
    user_created_phone_only: UserCreated = "user.created__phone_only", "a user who signed up with a phone number only";
    user_created_saml: UserCreated = "user.created__saml", "a user from a company's directory, through SAML and SCIM";
    user_created_username: UserCreated = "user.created__username", "a user with a username and a password, without an email address, phone number or wallet";
    user_created_web3: UserCreated = "user.created__web3", "a user who signed up with a wallet only";
    user_deleted: UserDeleted = "user.deleted", "a deleted user, with the application's external id";
    user_deleted_without_external_id: UserDeleted = "user.deleted__without_external_id", "a deleted user without an external id";
    user_deleted_without_id: UserDeleted = "user.deleted__without_id", "a deleted user without an id, as the schema allows";
    user_updated: UserUpdated = "user.updated", "a locked user with nearly all fields, and with fields that this version does not know";
    user_updated_banned: UserUpdated = "user.updated__banned", "a banned user";
    user_updated_deprovisioned: UserUpdated = "user.updated__deprovisioned", "a user whom a company's directory deprovisioned";
    waitlist_entry_created: WaitlistEntryCreated = "waitlistEntry.created", "a person on the waitlist";
    waitlist_entry_updated: WaitlistEntryUpdated = "waitlistEntry.updated", "a person on the waitlist who was invited";
    waitlist_entry_updated_completed: WaitlistEntryUpdated = "waitlistEntry.updated__completed", "a person on the waitlist who signed up";
    waitlist_entry_updated_rejected: WaitlistEntryUpdated = "waitlistEntry.updated__rejected", "a person on the waitlist who was rejected";
}
