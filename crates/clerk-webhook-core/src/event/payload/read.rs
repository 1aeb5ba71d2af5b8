//! How the fields of payloads are read.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected};

/// Reads an id without which the object cannot be told from others; an empty one is none.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.is_empty() {
        return Err(D::Error::invalid_value(Unexpected::Str(""), &"a string that is not empty"));
    }
    Ok(id)
}

/// Reads `""`, which Clerk Billing sends for "no value", as `None`.
pub(super) fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.filter(|text| !text.is_empty()))
}

/// Reads `null` as the default; an absent field needs `#[serde(default)]` beside it.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
