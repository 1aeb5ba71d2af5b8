//! Query parameters.

use std::collections::BTreeSet;

use super::error::ApiError;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 500;

/// The maximum number of values of a parameter.
const MAX_VALUES: usize = 100;

/// The decoded parameters in their order.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

/// The order of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) field: &'static str,
    pub(super) descending: bool,
}

/// Values that an object must have one of, and values that it must not have.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) included: BTreeSet<String>,
    excluded: BTreeSet<String>,
}

impl Query {
    pub(super) fn new(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Returns the first value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn page(&self) -> Result<Page, ApiError> {
        let limit = self.number("limit")?.unwrap_or(DEFAULT_LIMIT as i64);
        let offset = self.number("offset")?.unwrap_or(0);
        match usize::try_from(limit) {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => {
                let offset = usize::try_from(offset);
                let offset = offset.map_err(|_| ApiError::invalid("offset", "offset must be at least 0"))?;
                Ok(Page { limit, offset })
            }
            _ => Err(ApiError::invalid("limit", format!("limit must be between 1 and {MAX_LIMIT}"))),
        }
    }

    /// Returns the order, which is descending by `created_at` by default.
    pub(super) fn order(&self, fields: &[&'static str]) -> Result<Order, ApiError> {
        let Some(text) = self.get("order_by").filter(|text| !text.is_empty()) else {
            return Ok(Order { field: "created_at", descending: true });
        };
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text.strip_prefix('+').unwrap_or(text), false),
        };
        let field = fields.iter().find(|field| **field == name);
        let field = field.ok_or_else(|| {
            ApiError::invalid("order_by", format!("order_by must be one of {}", fields.join(", ")))
        })?;
        Ok(Order { field, descending })
    }

    pub(super) fn number(&self, name: &'static str) -> Result<Option<i64>, ApiError> {
        let number = self.get(name).map(str::parse).transpose();
        number.map_err(|_| ApiError::invalid(name, format!("{name} must be an integer")))
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        let flag = self.get(name).map(str::parse).transpose();
        flag.map_err(|_| ApiError::invalid(name, format!("{name} must be true or false")))
    }

    /// Returns the values of a parameter that may occur several times, or `None` without a value.
    pub(super) fn values(&self, name: &'static str) -> Result<Option<Values>, ApiError> {
        let mut values = Values::default();
        // This parameter separates its values by commas instead of occurring several times.
        let is_separated = name == "enrollment_mode";
        for value in self.all(name).flat_map(|value| value.split(|c| is_separated && c == ',')) {
            match value.strip_prefix('-') {
                Some(value) => values.excluded.insert(value.to_owned()),
                None => values.included.insert(value.strip_prefix('+').unwrap_or(value).to_owned()),
            };
        }
        if values.included.len() + values.excluded.len() > MAX_VALUES {
            return Err(ApiError::invalid(name, format!("{name} accepts at most {MAX_VALUES} values")));
        }
        Ok((!values.included.is_empty() || !values.excluded.is_empty()).then_some(values))
    }
}

impl Values {
    /// Returns whether an object with these values is selected.
    pub(super) fn select<'v>(&self, of_object: impl IntoIterator<Item = &'v str>) -> bool {
        let mut is_included = self.included.is_empty();
        for value in of_object {
            if self.excluded.contains(value) {
                return false;
            }
            is_included = is_included || self.included.contains(value);
        }
        is_included
    }
}
