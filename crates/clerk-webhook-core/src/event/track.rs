//! Finds the path at which data does not match a type.

use std::cell::RefCell;
use std::{fmt, mem};

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::named::{Named, forward_methods};

/// The replacement for map keys, which can be personal data such as email addresses.
const ANY_NAME: &str = "*";

/// The path of the value that is being decoded. After an error, it is the path of the value that caused the
/// error.
#[derive(Default)]
pub(super) struct Path(RefCell<Vec<Step>>);

enum Step {
    /// A field of a type.
    Field(String),
    /// A map entry, whose key is part of the data.
    AnyName,
    Element(usize),
}

impl Path {
    /// Removes all steps from the path.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// Adds the name of a missing field to the path.
    pub(super) fn push_field(&self, name: &str) {
        self.0.borrow_mut().push(Step::Field(name.to_owned()));
    }

    /// Decodes a value with one more step in the path. If decoding fails, the step remains in the path.
    fn within<T, E>(&self, step: Step, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.0.borrow_mut().push(step);
        let value = read()?;
        self.0.borrow_mut().pop();
        Ok(value)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")?;
        self.0.borrow().iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, ".{name}"),
            Step::AnyName => write!(f, ".{ANY_NAME}"),
            Step::Element(index) => write!(f, "[{index}]"),
        })
    }
}

/// Decodes values and records the [`Path`] of the current value.
pub(super) struct Tracked<'p, T> {
    pub(super) inner: T,
    pub(super) path: &'p Path,
}

macro_rules! track_methods {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(
            fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
                self.inner.$method($($argument,)* Tracked { inner: visitor, path: self.path })
            }
        )*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tracked<'_, D> {
    type Error = D::Error;

    track_methods! {
        deserialize_any() deserialize_option() deserialize_newtype_struct(name: &'static str) deserialize_seq()
        deserialize_tuple(len: usize) deserialize_tuple_struct(name: &'static str, len: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }
    forward_methods! { scalars }
    forward_methods! { deserialize_identifier() }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Tracked<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Tracked { inner: deserializer, path: self.path })
    }
}

macro_rules! forward_visits {
    ($($method:ident($($type:ty)?))*) => {
        $(
            fn $method<E: Error>(self, $(value: $type)?) -> Result<V::Value, E> {
                self.inner.$method($({ let value: $type = value; value })?)
            }
        )*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Tracked<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward_visits! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128) visit_f64(f64)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String) visit_unit() visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Tracked { inner: deserializer, path: self.path })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Tracked { inner: deserializer, path: self.path })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Elements { elements, index: 0, path: self.path })
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Members { members, step: Step::AnyName, path: self.path })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(variant)
    }
}

struct Elements<'p, A> {
    elements: A,
    index: usize,
    path: &'p Path,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let (step, path) = (Step::Element(self.index), self.path);
        self.index += 1;
        path.within(step, || self.elements.next_element_seed(Tracked { inner: seed, path }))
    }

    fn size_hint(&self) -> Option<usize> {
        self.elements.size_hint()
    }
}

struct Members<'p, A> {
    members: A,
    /// The step from the object to its next value.
    step: Step,
    path: &'p Path,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.step = Step::AnyName;
        let see = |name: &str| self.step = Step::Field(name.to_owned());
        self.members.next_key_seed(Named { inner: seed, see })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let (step, path) = (mem::replace(&mut self.step, Step::AnyName), self.path);
        path.within(step, || self.members.next_value_seed(Tracked { inner: seed, path }))
    }

    fn size_hint(&self) -> Option<usize> {
        self.members.size_hint()
    }
}
