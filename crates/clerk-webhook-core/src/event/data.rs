//! The data of events by type, and the markers that stand for the types.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer};

use super::catalogue::catalogue;
use super::event_type::EventType;
use super::object_only::ObjectOnly;
use super::payload::{
    DeletedObject, Email, Organization, OrganizationDomain, OrganizationInvitation, OrganizationMembership,
    PaymentAttempt, Permission, Role, Session, Sms, Subscription, SubscriptionItem, User, WaitlistEntry,
};
use super::unrecognized::Unrecognized;

macro_rules! data {
    ($( $variant:ident($payload:ident) = $text:literal, $summary:literal; )+) => {
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

        /// The markers: one type for each event type, with the name of the variant of [`EventType`].
        pub mod marker {
            $(
                #[doc = concat!("Stands for `", $text, "`: ", $summary)]
                ///
                #[doc = concat!("Its payload is a [`", stringify!($payload), "`](crate::event::payload::", stringify!($payload), ").")]
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

catalogue!(data);
