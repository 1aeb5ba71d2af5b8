//! Observes field names while a type is decoded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// Forwards methods of a [`Deserializer`] without wrapping the visitor.
macro_rules! forward_methods {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(
            fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
                self.inner.$method($($argument,)* visitor)
            }
        )*
    };
    // The methods that do not read lists, objects or field names.
    (scalars) => {
        forward_methods! {
            deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
            deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
            deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
            deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_unit()
            deserialize_unit_struct(name: &'static str) deserialize_ignored_any()
            deserialize_enum(name: &'static str, variants: &'static [&'static str])
        }
    };
}

pub(super) use forward_methods;

/// Decodes a name and calls `see` with it if it is a field name. It does not pass map keys to `see`.
pub(super) struct Named<T, F> {
    pub(super) inner: T,
    pub(super) see: F,
}

impl<'de, S: DeserializeSeed<'de>, F: FnMut(&str)> DeserializeSeed<'de> for Named<S, F> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Named { inner: deserializer, see: self.see })
    }
}

impl<'de, D: Deserializer<'de>, F: FnMut(&str)> Deserializer<'de> for Named<D, F> {
    type Error = D::Error;

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_identifier(Named { inner: visitor, see: self.see })
    }

    forward_methods! { scalars }
    forward_methods! {
        deserialize_any() deserialize_option() deserialize_newtype_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }
}

impl<'de, V: Visitor<'de>, F: FnMut(&str)> Visitor<'de> for Named<V, F> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_str<E: Error>(mut self, name: &str) -> Result<V::Value, E> {
        (self.see)(name);
        self.inner.visit_str(name)
    }
}
