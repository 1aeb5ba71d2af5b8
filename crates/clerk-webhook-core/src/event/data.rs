//! The data of each event type, and the marker types.

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
        /// The data of an event, with one variant for each event type.
        ///
        /// An [`Event`](super::Event) stores its data in a `Box`, so large variants do not make events
        /// larger.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum EventData {
            $(
                #[doc = concat!("`", $text, "`: ", $summary)]
                $variant($payload),
            )+
            /// The data of an unknown event type, or data that does not match its payload type.
            Unrecognized(Unrecognized),
        }

        /// Decodes the data of a known event type. Returns an error for an unknown type.
        #[derive(Clone, Copy)]
        pub(super) struct TypedData<'t>(pub(super) &'t EventType);

        impl<'de> DeserializeSeed<'de> for TypedData<'_> {
            type Value = Box<EventData>;

            // The data is boxed here, because otherwise the callers would move its kilobyte several times.
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

        /// The markers for the event types.
        ///
        /// Each marker has the same name as a variant of [`EventType`].
        pub mod marker {
            $(
                #[doc = concat!("The marker for `", $text, "`: ", $summary)]
                ///
                #[doc = concat!("The payload is [`", stringify!($payload), "`](crate::event::payload::", stringify!($payload), ").")]
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

/// A type that represents one event type and determines the type of its payload.
///
/// The types in [`marker`](mod@marker) implement this trait, such as [`UserCreated`](marker::UserCreated) for
/// `user.created`. You cannot implement it for other types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event type marker",
    label = "not a marker",
    note = "the markers are types in `event::marker`, such as `event::marker::UserCreated`; use `on_event` for all other event types"
)]
pub trait EventMarker: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The type of the event data.
    type Payload: Clone + fmt::Debug + Send + Sync + 'static;

    /// The event type.
    const EVENT_TYPE: EventType;

    /// Returns the payload, or `None` if the data belongs to a different event type.
    fn payload(data: &EventData) -> Option<&Self::Payload>;

    /// Converts the data into the payload.
    ///
    /// # Errors
    ///
    /// Returns the data unchanged if it belongs to a different event type.
    fn into_payload(data: EventData) -> Result<Self::Payload, Box<EventData>>;
}

catalogue!(data);
