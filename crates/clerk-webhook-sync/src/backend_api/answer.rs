//! The bodies and headers of responses.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::resource::Resource;

/// How far the local clock may differ from Clerk's if a response has no `Date`, in milliseconds.
const CLOCK_ERROR: i64 = 5_000;

/// A Clerk instance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
}

/// An object as the API shows it.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) created_at: i64,
    pub(crate) json: Box<RawValue>,
}

/// A part of a listing.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    /// How many objects Clerk counts.
    pub(crate) total: Option<u64>,
    /// When the answer was read, at the earliest: milliseconds on Clerk's clock.
    pub(crate) read_at: i64,
}

/// The rows in an answer, also the rows without an id.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) objects: Vec<Object>,
    pub(super) without_id: u64,
    pub(super) total: Option<u64>,
}

impl Rows {
    pub(super) fn len(&self) -> u64 {
        self.objects.len() as u64 + self.without_id
    }
}

/// Bounds of the time at which Clerk read its answer, in milliseconds on Clerk's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadAt {
    pub(super) earliest: i64,
    pub(super) latest: i64,
}

impl ReadAt {
    /// Derives the bounds from the `Date` header, which is rounded down to a second, or from the local clock.
    pub(super) fn new(headers: &HeaderMap, started: SystemTime, elapsed: Duration) -> Self {
        let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let date = headers.get(DATE).and_then(|date| date.to_str().ok()).map(httpdate::parse_http_date);
        if let Some(Ok(date)) = date {
            let date = millis(date);
            return Self { earliest: date.saturating_sub(elapsed), latest: date.saturating_add(999) };
        }
        let started = millis(started);
        let latest = started.saturating_add(elapsed).saturating_add(CLOCK_ERROR);
        Self { earliest: started.saturating_sub(CLOCK_ERROR), latest }
    }
}

fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// An answer with a status that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The first error code.
    pub(super) code: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) read_at: ReadAt,
    /// Whether an error code is `resource_not_found`, and the status 404.
    pub(super) is_not_found: bool,
    /// Whether an error code says that a feature is not enabled.
    pub(super) is_not_enabled: bool,
}

impl Refusal {
    pub(super) fn new(status: u16, headers: &HeaderMap, body: &[u8], read_at: ReadAt) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let errors = body.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let codes = || errors.iter().filter_map(|error| error.get("code")?.as_str());
        let trace_id = body.get("clerk_trace_id").and_then(Value::as_str).and_then(short_token);
        let ray = || headers.get("cf-ray")?.to_str().ok().and_then(short_token);
        Self {
            status,
            code: codes().find_map(short_token),
            trace_id: trace_id.or_else(ray),
            read_at,
            retry_after: headers
                .get(RETRY_AFTER)
                .and_then(|value| Some(Duration::from_secs(value.to_str().ok()?.trim().parse().ok()?))),
            is_not_found: status == 404 && codes().any(|code| code == "resource_not_found"),
            is_not_enabled: status < 500 && codes().any(|code| code.contains("_not_enabled")),
        }
    }
}

/// Returns a text that can be shown: a short word, and no other part of a response.
fn short_token(text: &str) -> Option<String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(is_allowed)).then(|| text.to_owned())
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(trace_id) = &self.trace_id {
            write!(f, ", trace id {trace_id}")?;
        }
        Ok(())
    }
}

pub(super) fn instance(body: &[u8]) -> serde_json::Result<Instance> {
    serde_json::from_slice(body)
}

pub(super) fn count(body: &[u8]) -> serde_json::Result<u64> {
    #[derive(Deserialize)]
    struct Body {
        total_count: u64,
    }
    serde_json::from_slice(body).map(|body: Body| body.total_count)
}

/// Reads a list: users are a bare array, all other objects are in `data`.
pub(super) fn rows(body: &[u8], resource: Resource) -> serde_json::Result<Rows> {
    #[derive(Deserialize)]
    struct Body {
        data: Vec<Box<RawValue>>,
        total_count: Option<u64>,
    }
    let is_array = body.trim_ascii_start().starts_with(b"[");
    let Body { data, total_count } = match resource {
        Resource::Users if is_array => Body { data: serde_json::from_slice(body)?, total_count: None },
        _ => serde_json::from_slice(body)?,
    };
    let mut rows = Rows { objects: Vec::with_capacity(data.len()), without_id: 0, total: total_count };
    for json in data {
        match object_of(json) {
            Some(object) => rows.objects.push(object),
            None => rows.without_id += 1,
        }
    }
    if rows.without_id > 0 {
        log_without_id(resource, rows.without_id);
    }
    Ok(rows)
}

/// Reads one object. Returns `None` if it has no id.
pub(super) fn object(body: &[u8]) -> serde_json::Result<Option<Object>> {
    serde_json::from_slice(body).map(object_of)
}

fn object_of(json: Box<RawValue>) -> Option<Object> {
    #[derive(Deserialize)]
    struct Head {
        id: Value,
        #[serde(default)]
        created_at: Value,
    }
    let Head { id, created_at } = serde_json::from_str(json.get()).ok()?;
    let Value::String(id) = id else { return None };
    (!id.is_empty()).then(|| Object { id, created_at: created_at.as_i64().unwrap_or(0), json })
}

#[cfg(feature = "tracing")]
fn log_without_id(resource: Resource, count: u64) {
    tracing::warn!(
        target: "clerk_webhook",
        table = resource.as_str(),
        count,
        "Clerk's API returned objects without an id, which were skipped",
    );
}

#[cfg(not(feature = "tracing"))]
fn log_without_id(_: Resource, _: u64) {}
