//! Enumerations that Clerk can extend at any time.

/// Declares an enumeration of strings that decodes an unknown string as `Other` and `null` as `Unknown`.
///
/// The default is `Unknown`, so missing fields are decoded as `Unknown`.
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
            /// A string that this version of the crate does not know.
            ///
            /// A later version may add a variant for it. To keep your code working, compare
            /// [`as_str`](Self::as_str).
            Other(Box<str>),
            /// The field is missing, `null` or an empty string.
            #[default]
            Unknown,
        }

        impl $name {
            /// Returns the string in Clerk's spelling; empty for [`Unknown`](Self::Unknown).
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

/// Decodes a string into a type that implements `From<&str>`, without allocating the string first.
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

/// Decodes `null` as the default value, and strings in the same way as [`FromStrVisitor`].
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
    #![allow(unreachable_pub, reason = "the crate's enumerations are public")]

    open_enum! {
        /// A traffic light.
        Light { Red = "red", Green = "green", }
    }

    #[test]
    fn preserves_unknown_strings() {
        for (json, expected) in [("\"red\"", Light::Red), ("\"blue\"", Light::Other("blue".into()))] {
            let light: Light = serde_json::from_str(json).unwrap();
            assert_eq!(light, expected);
            assert_eq!(serde_json::to_string(&light).unwrap(), json);
        }
        assert!(serde_json::from_str::<Light>("1").is_err());
    }

    #[test]
    fn decodes_null_and_an_empty_string_as_unknown() {
        for json in ["null", "\"\""] {
            assert_eq!(serde_json::from_str::<Light>(json).unwrap(), Light::Unknown);
        }
        assert_eq!(Light::default(), "");
        let text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new("green");
        assert_eq!(<Light as serde::Deserialize>::deserialize(text).unwrap(), Light::Green);
        assert_eq!(serde_json::to_string(&Light::Unknown).unwrap(), "null");
    }

    #[test]
    fn compares_with_text_and_formats_like_it() {
        assert_eq!(Light::Green, "green");
        assert_eq!(format!("{:>7}", Light::Green), "  green");
    }
}
