//! The types of events.

use std::fmt;

use super::catalogue::catalogue;

macro_rules! event_type {
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

            /// Returns the name of the type of [`EventData`](super::EventData) that the event carries, such as `User`.
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
    };
}

catalogue!(event_type);

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
