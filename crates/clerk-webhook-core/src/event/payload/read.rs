//! Functions for decoding payload fields.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected};

/// Decodes a required id. An empty id is an error.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.is_empty() {
        return Err(D::Error::invalid_value(Unexpected::Str(""), &"a string that is not empty"));
    }
    Ok(id)
}

/// Decodes `""` as `None`, because Clerk Billing sends `""` for a missing value.
pub(super) fn empty_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.filter(|text| !text.is_empty()))
}

/// Decodes `null` as the default. For missing fields, `#[serde(default)]` is also needed.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
