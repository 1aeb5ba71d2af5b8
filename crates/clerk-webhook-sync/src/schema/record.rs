//! A row before it is converted into its type.

use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::{
    BillingInterval, Metadata, SessionStatus, SubscriptionItemStatus, SubscriptionStatus, WaitlistEntryStatus,
};

use crate::value::{Kind, Value};

/// A row's values by column name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record(Vec<(&'static str, Value)>);

impl Record {
    pub(crate) fn insert(&mut self, column: &'static str, value: Value) {
        self.0.push((column, value));
    }

    /// Returns a column's value.
    pub(crate) fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| *name == column).map(|(_, value)| value)
    }

    /// Takes a column's value and leaves a null.
    pub(crate) fn take<T: Field>(&mut self, column: &str) -> T {
        let found = self.0.iter_mut().find(|(name, _)| *name == column);
        T::from_value(found.map_or(T::KIND.null(), |(_, value)| std::mem::replace(value, T::KIND.null())))
    }
}

/// The type of a field in a row.
pub(crate) trait Field {
    const KIND: Kind;

    fn from_value(value: Value) -> Self;
}

impl Field for Option<String> {
    const KIND: Kind = Kind::Text;

    fn from_value(value: Value) -> Self {
        match value {
            Value::Text(text) | Value::Json(text) => text,
            _ => None,
        }
    }
}

impl Field for Option<i64> {
    const KIND: Kind = Kind::Integer;

    fn from_value(value: Value) -> Self {
        match value {
            Value::Integer(number) => number,
            _ => None,
        }
    }
}

impl Field for Option<Timestamp> {
    const KIND: Kind = Kind::Integer;

    fn from_value(value: Value) -> Self {
        Option::<i64>::from_value(value).map(Timestamp::from_millis)
    }
}

impl Field for bool {
    const KIND: Kind = Kind::Boolean;

    fn from_value(value: Value) -> Self {
        value == Value::Boolean(Some(true))
    }
}

/// Types that are stored as JSON text.
macro_rules! json {
    ($($type:ty),+) => { $(
        impl Field for $type {
            const KIND: Kind = Kind::Json;

            fn from_value(value: Value) -> Self {
                let json = Option::<String>::from_value(value);
                json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
            }
        }
    )+ };
}

/// Statuses, which are stored by name.
macro_rules! state {
    ($($type:ty),+) => { $(
        impl Field for $type {
            const KIND: Kind = Kind::Text;

            fn from_value(value: Value) -> Self {
                Option::<String>::from_value(value).unwrap_or_default().as_str().into()
            }
        }
    )+ };
}

json!(Metadata, Vec<String>);
state!(SessionStatus, SubscriptionItemStatus, SubscriptionStatus, WaitlistEntryStatus);

impl Field for Option<BillingInterval> {
    const KIND: Kind = Kind::Text;

    fn from_value(value: Value) -> Self {
        Option::<String>::from_value(value).map(|name| name.as_str().into())
    }
}
