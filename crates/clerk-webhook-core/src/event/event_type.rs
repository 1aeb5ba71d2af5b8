//! The event types.

use std::fmt;

use super::catalogue::catalogue;

macro_rules! event_type {
    ($( $variant:ident($payload:ident) = $text:literal, $summary:literal; )+) => {
        /// The type of an event. An unknown type is decoded as [`Other`](Self::Other).
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventType {
            $(
                #[doc = concat!("`", $text, "`: ", $summary)]
                $variant,
            )+
            /// A type that this version of the crate does not know.
            ///
            /// A later version may add a variant for it. To keep your code working, compare
            /// [`as_str`](Self::as_str).
            Other(Box<str>),
        }

        impl EventType {
            /// All known types, in alphabetical order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// Returns the type in Clerk's spelling, such as `user.created`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }

            /// Returns the name of the payload type, such as `User`, or `None` for an unknown type.
            #[must_use]
            pub const fn payload_name(&self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => Some(stringify!($payload)), )+
                    Self::Other(_) => None,
                }
            }

            /// Returns a sentence that describes the event, or `None` for an unknown type.
            #[must_use]
            pub const fn summary(&self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => Some($summary), )+
                    Self::Other(_) => None,
                }
            }
        }

        /// The known types without `Other`. The discriminants are the indices in `ALL`.
        enum Index {
            $( $variant, )+
        }

        impl EventType {
            /// Returns the index of a known type in [`ALL`](Self::ALL).
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
    /// Returns whether this version of the crate knows the event type.
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
    fn parses_each_of_the_46_types_and_sorts_them() {
        assert_eq!(EventType::ALL.len(), 46);
        assert!(
            EventType::ALL.iter().map(|known| known.as_str().to_lowercase().replace('.', " ")).is_sorted()
        );
        for known in EventType::ALL {
            assert_eq!(EventType::from(known.as_str()), *known);
            assert!(known.is_known() && known.payload_name().is_some());
        }
        // Names that appear in tutorials, but that Clerk does not send.
        for unknown in ["subscription.past_due", "subscription.canceled", "User.created", "user.created ", ""]
        {
            assert_eq!(EventType::from(unknown), EventType::Other(unknown.into()));
        }
    }

    #[test]
    fn compares_with_text_and_formats_like_it() {
        let deleted = EventType::UserDeleted;
        assert!(deleted == "user.deleted" && deleted == *"user.deleted");
        assert!(deleted != "user.created" && deleted != *"user.created");
        assert_eq!(format!("{deleted:>13}"), " user.deleted");
    }
}
