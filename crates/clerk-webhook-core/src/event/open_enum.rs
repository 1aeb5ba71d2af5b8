//! Enumerations that Clerk may extend at any time.

/// Declares an enumeration of strings in which an unknown string is a value and not an error, and so is `null`.
///
/// The default is `Unknown`, for fields that are absent.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = concat!("`", $text, "`.")]
                $(#[$variant_meta])*
                $variant,
            )+
            /// A string that this version does not know; a later one may, so compare it by
            /// [`as_str`](Self::as_str).
            Other(Box<str>),
            /// Clerk has sent nothing: the field is absent, `null` or an empty string.
            #[default]
            Unknown,
        }

        impl $name {
            /// Returns the string that Clerk sends, and an empty string for [`Unknown`](Self::Unknown).
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                    Self::Unknown => "",
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    "" => Self::Unknown,
                    other => Self::Other(other.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::Unknown => serializer.serialize_none(),
                    known => serializer.serialize_some(known.as_str()),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_option($crate::event::open_enum::OrDefaultVisitor::<Self>::new())
            }
        }
    };
}

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserializer, Visitor};

pub(crate) use open_enum;

/// Reads a string into anything that every string is a value of, without an allocation for known strings.
pub(crate) struct FromStrVisitor<T>(PhantomData<T>);

impl<T> FromStrVisitor<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: for<'a> From<&'a str>> Visitor<'_> for FromStrVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text))
    }
}

/// Reads `null` as the default, and a string as [`FromStrVisitor`] does.
pub(crate) struct OrDefaultVisitor<T>(PhantomData<T>);

impl<T> OrDefaultVisitor<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Default + for<'a> From<&'a str>> Visitor<'de> for OrDefaultVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E: de::Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(FromStrVisitor::new())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(unreachable_pub, reason = "the enumerations of the crate are public")]

    open_enum! {
        /// A light.
        Light { Red = "red", Green = "green", }
    }

    #[test]
    fn unknown_strings_survive_a_round_trip() {
        for (json, expected) in [("\"red\"", Light::Red), ("\"blue\"", Light::Other("blue".into()))] {
            let light: Light = serde_json::from_str(json).unwrap();
            assert_eq!(light, expected);
            assert_eq!(serde_json::to_string(&light).unwrap(), json);
        }
        assert!(serde_json::from_str::<Light>("1").is_err());
    }

    #[test]
    fn null_and_an_empty_string_are_unknown() {
        for json in ["null", "\"\""] {
            assert_eq!(serde_json::from_str::<Light>(json).unwrap(), Light::Unknown);
        }
        assert_eq!(Light::default(), "");
        let text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new("green");
        assert_eq!(<Light as serde::Deserialize>::deserialize(text).unwrap(), Light::Green);
        assert_eq!(serde_json::to_string(&Light::Unknown).unwrap(), "null");
    }

    #[test]
    fn compares_with_and_formats_as_its_string() {
        assert_eq!(Light::Green, "green");
        assert_eq!(format!("{:>7}", Light::Green), "  green");
    }
}
