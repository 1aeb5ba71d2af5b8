//! The one table of event types; everything that knows them is derived from it.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer};

use super::object_only::ObjectOnly;
use super::payload::{
    DeletedObject, Email, Organization, OrganizationDomain, OrganizationInvitation, OrganizationMembership,
    PaymentAttempt, Permission, Role, Session, Sms, Subscription, SubscriptionItem, User, WaitlistEntry,
};
use super::unrecognized::Unrecognized;

/// Derives everything from rows of the form `Variant(Payload) = "event.type", "What happened.";`.
macro_rules! catalogue {
    ($( $variant:ident($payload:ident) = $text:literal, $summary:literal; )+) => {
        /// The type of an event, an open set: a type that this version does not know is a value too.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventType {
            $(
                #[doc = concat!("`", $text, "`: ", $summary)]
                $variant,
            )+
            /// A type that this version does not know; a later one may, so compare it by
            /// [`as_str`](Self::as_str).
            Other(Box<str>),
        }

        impl EventType {
            /// All types that this version knows, in alphabetical order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// Returns the type as Clerk sends it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }

            /// Returns the name of the type of [`EventData`] that the event carries, such as `User`.
            #[must_use]
            pub const fn payload_name(&self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => Some(stringify!($payload)), )+
                    Self::Other(_) => None,
                }
            }

            /// Returns one sentence that says what happened.
            #[must_use]
            pub const fn summary(&self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => Some($summary), )+
                    Self::Other(_) => None,
                }
            }
        }

        /// The known types without the open end, to count them.
        enum Index {
            $( $variant, )+
        }

        impl EventType {
            /// Returns the place of a known type in [`ALL`](Self::ALL).
            pub(super) const fn index(&self) -> Option<u32> {
                match self {
                    $( Self::$variant => Some(Index::$variant as u32), )+
                    Self::Other(_) => None,
                }
            }
        }

        impl From<&str> for EventType {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    other => Self::Other(other.into()),
                }
            }
        }

        /// The data of an event, one variant for each type.
        ///
        /// The size of a variant does not matter: an [`Event`](super::Event) keeps its data behind a pointer.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum EventData {
            $(
                #[doc = concat!("`", $text, "`: ", $summary)]
                $variant($payload),
            )+
            /// The data of an unknown type, or data that does not have the form that its type should have.
            Unrecognized(Unrecognized),
        }

        /// Reads the data of an event whose type is known; of any other type it is an error.
        #[derive(Clone, Copy)]
        pub(super) struct TypedData<'t>(pub(super) &'t EventType);

        impl<'de> DeserializeSeed<'de> for TypedData<'_> {
            type Value = Box<EventData>;

            // Boxed here, because every step that hands it on would move a kilobyte.
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Box<EventData>, D::Error> {
                match self.0 {
                    $( EventType::$variant => {
                        $payload::deserialize(ObjectOnly(deserializer)).map(|payload| Box::new(EventData::$variant(payload)))
                    } )+
                    EventType::Other(_) => Err(serde::de::Error::custom("an unknown event type")),
                }
            }
        }

        mod sealed {
            pub trait Sealed {}
        }

        /// The markers: types that stand for one event type each, named as the variants of [`EventType`].
        pub mod marker {
            $(
                #[doc = concat!("Stands for `", $text, "`: ", $summary)]
                ///
                #[doc = concat!("Its payload is a [`", stringify!($payload), "`](super::payload::", stringify!($payload), ").")]
                #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
                pub struct $variant;
            )+
        }

        $(
            impl sealed::Sealed for marker::$variant {}

            impl EventMarker for marker::$variant {
                type Payload = $payload;
                const EVENT_TYPE: EventType = EventType::$variant;

                fn payload(data: &EventData) -> Option<&$payload> {
                    match data {
                        EventData::$variant(payload) => Some(payload),
                        _ => None,
                    }
                }

                fn into_payload(data: EventData) -> Result<$payload, Box<EventData>> {
                    match data {
                        EventData::$variant(payload) => Ok(payload),
                        data => Err(Box::new(data)),
                    }
                }
            }
        )+
    };
}

/// A type that stands for one event type, so that the type of the payload follows from it.
///
/// The markers are named as the variants of [`EventType`]: [`UserCreated`](marker::UserCreated) for `user.created`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the marker of an event type",
    label = "not a marker",
    note = "the markers are types in `event::marker`, such as `event::marker::UserCreated`; for all other types there is `on_event`"
)]
pub trait EventMarker: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The data of the event.
    type Payload: Clone + fmt::Debug + Send + Sync + 'static;

    /// The event type that it stands for.
    const EVENT_TYPE: EventType;

    /// Returns the payload where the data is that of this event type.
    fn payload(data: &EventData) -> Option<&Self::Payload>;

    /// Returns the payload itself where the data is that of this event type.
    ///
    /// # Errors
    ///
    /// Returns the data where it is not.
    fn into_payload(data: EventData) -> Result<Self::Payload, Box<EventData>>;
}

catalogue! {
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

impl EventType {
    /// Returns whether this version knows the type.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<str> for EventType {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for EventType {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_46_types_in_order_and_each_reads_as_itself() {
        assert_eq!(EventType::ALL.len(), 46);
        assert!(
            EventType::ALL.iter().map(|known| known.as_str().to_lowercase().replace('.', " ")).is_sorted()
        );
        for known in EventType::ALL {
            assert_eq!(EventType::from(known.as_str()), *known);
            assert!(known.is_known() && known.payload_name().is_some());
        }
        // Names that appear in tutorials and are not sent.
        for unknown in ["subscription.past_due", "subscription.canceled", "User.created", "user.created ", ""]
        {
            assert_eq!(EventType::from(unknown), EventType::Other(unknown.into()));
        }
    }

    #[test]
    fn compares_with_and_formats_as_its_text() {
        let deleted = EventType::UserDeleted;
        assert!(deleted == "user.deleted" && deleted == *"user.deleted");
        assert!(deleted != "user.created" && deleted != *"user.created");
        assert_eq!(format!("{deleted:>13}"), " user.deleted");
    }
}
