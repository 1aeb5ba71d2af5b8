//! Decodes objects inside other objects.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::read::null_as_default;
use crate::event::named::Named;

/// Decodes an embedded object. Returns `None` if the object lacks the id that its type requires.
pub(super) fn embedded<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Embedded::deserialize(deserializer).map(|Embedded(object)| object)
}

/// Decodes a list of embedded objects, and skips the objects that have no id.
pub(super) fn embedded_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let objects: Vec<Embedded<T>> = null_as_default(deserializer)?;
    Ok(objects.into_iter().filter_map(|Embedded(object)| object).collect())
}

struct Embedded<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Embedded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(EmbeddedVisitor(PhantomData)).map(Self)
    }
}

struct EmbeddedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EmbeddedVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        let mut has_id = false;
        let object = T::deserialize(WithId { inner: deserializer, has_id: &mut has_id })?;
        Ok(has_id.then_some(object))
    }
}

/// The name of the member that [`WithId`] supplies.
const ID: &str = "id";

/// The placeholder for a missing id. It is never visible, because the object is dropped.
const NO_ID: &str = "-";

/// Supplies a placeholder if the id is missing, and records whether the id is present.
///
/// Without the placeholder, a missing id would be an error that stops the decoding of the rest of the event.
struct WithId<'a, D> {
    inner: D,
    has_id: &'a mut bool,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WithId<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(WithId { inner: visitor, has_id: self.has_id })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for WithId<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(MembersWithId {
            members,
            has_id: self.has_id,
            at_id: false,
            was_at_id: false,
            has_ended: false,
        })
    }
}

struct MembersWithId<'a, A> {
    members: A,
    has_id: &'a mut bool,
    /// Whether the next value is the id.
    at_id: bool,
    was_at_id: bool,
    has_ended: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for MembersWithId<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let mut seed = Some(seed);
        self.at_id = false;
        if !self.has_ended {
            let at_id = &mut self.at_id;
            let name = Named { inner: IfAny(&mut seed), see: |name: &str| *at_id = name == ID };
            let key = self.members.next_key_seed(name)?;
            self.was_at_id |= self.at_id;
            if key.is_some() {
                return Ok(key);
            }
            self.has_ended = true;
        }
        match seed {
            Some(seed) if !self.was_at_id => {
                (self.at_id, self.was_at_id) = (true, true);
                seed.deserialize(StrDeserializer::new(ID)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if !self.at_id {
            return self.members.next_value_seed(seed);
        }
        let sent = if self.has_ended { None } else { self.members.next_value::<Option<String>>()? };
        let sent = sent.filter(|id| !id.is_empty());
        *self.has_id = sent.is_some();
        match sent {
            Some(id) => seed.deserialize(id.into_deserializer()),
            None => seed.deserialize(StrDeserializer::new(NO_ID)),
        }
    }
}

/// A seed that is taken out of the `Option` only if a key is decoded. If the object has no more keys, the caller
/// can use the seed again.
struct IfAny<'a, K>(&'a mut Option<K>);

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for IfAny<'_, K> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Value, D::Error> {
        let seed = self.0.take().ok_or_else(|| D::Error::custom("the key was already decoded"))?;
        seed.deserialize(deserializer)
    }
}
