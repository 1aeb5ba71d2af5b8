//! Events of numbered users, made from the fixtures by replacing ids, addresses and times.

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_test::fixture::AnyFixture;
use serde_json::{Value, json};

use crate::apply::Fallible;

/// The time of the first version of each user, in milliseconds.
const BEGINNING: u64 = 1_760_000_000_000;

/// The templates of the events.
pub struct People {
    created: Value,
    updated: Value,
    deleted: Value,
    /// Added to the version of each listed user.
    version: u64,
}

impl People {
    pub fn new() -> Fallible<Self> {
        let [created, updated, deleted] = ["user.created", "user.updated", "user.deleted"].map(fixture);
        Ok(Self { created: created?, updated: updated?, deleted: deleted?, version: 0 })
    }

    /// Returns the event for a new user with one email address.
    pub fn created(&self, number: u64) -> Fallible<Event> {
        self.written(&self.created, number, 0)
    }

    /// Returns an event for a changed user. A higher version has a later time.
    pub fn updated(&self, number: u64, version: u64) -> Fallible<Event> {
        self.written(&self.updated, number, version)
    }

    /// Returns the same users with a later version.
    pub fn later(self) -> Self {
        Self { version: self.version + 1, ..self }
    }

    /// Returns a user as Clerk's Backend API lists it. The id ends with the number.
    pub fn listed(&self, number: u64) -> String {
        let mut user = self.created["data"].clone();
        let at = BEGINNING + number + 1_000_000_000 * self.version;
        user["id"] = json!(format!("user_{number:027}"));
        user["created_at"] = json!(BEGINNING + number);
        user["updated_at"] = json!(at);
        user["email_addresses"][0]["email_address"] = json!(address(number));
        user.to_string()
    }

    pub fn deleted(&self, number: u64) -> Fallible<Event> {
        let mut body = self.deleted.clone();
        body["data"]["id"] = json!(id("user", number));
        body["timestamp"] = json!(BEGINNING + 1_000_000_000);
        event(&body, number)
    }

    fn written(&self, template: &Value, number: u64, version: u64) -> Fallible<Event> {
        let mut body = template.clone();
        let (at, address_id) = (BEGINNING + version, id("idn", number));
        let data = &mut body["data"];
        data["id"] = json!(id("user", number));
        data["primary_email_address_id"] = json!(address_id);
        data["updated_at"] = json!(at);
        let addresses = data["email_addresses"].as_array_mut().ok_or("the fixture has no email addresses")?;
        addresses.truncate(1);
        addresses[0]["id"] = json!(address_id);
        addresses[0]["email_address"] = json!(address(number));
        body["timestamp"] = json!(at);
        event(&body, number)
    }
}

/// Returns a fixture's event with a different object id and time.
pub fn variant(fixture: &Value, number: u64, version: u64) -> Fallible<Event> {
    let mut body = fixture.clone();
    let old = body["data"]["id"].as_str().ok_or("the fixture has no id")?;
    let prefix = old.split('_').next().unwrap_or_default().to_owned();
    body["data"]["id"] = json!(id(&prefix, number));
    if body["data"].get("updated_at").is_some() {
        body["data"]["updated_at"] = json!(BEGINNING + version);
    }
    event(&body, number)
}

pub fn fixture(name: &str) -> Fallible<Value> {
    Ok(AnyFixture::named(name).ok_or_else(|| format!("unknown fixture {name}"))?.json())
}

fn event(body: &Value, number: u64) -> Fallible<Event> {
    let message = format!("msg_{number:027}").parse()?;
    Ok(Event::from_trusted(message, Timestamp::now(), body.to_string().into())?)
}

/// Returns an id of 27 letters and digits. As in Clerk's ids, the first characters rise with time and the
/// others are random, so that an index on them grows at its end.
fn id(prefix: &str, number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    let rising = [5, 4, 3, 2, 1, 0].map(|place| number / 62_u64.pow(place) % 62);
    let chance = std::iter::repeat_with(|| random.u64(..62)).take(19);
    let digits = [2, 40].into_iter().chain(rising).chain(chance);
    [prefix, "_"].into_iter().flat_map(str::chars).chain(digits.map(digit)).collect()
}

/// Returns an email address. Consecutive numbers give addresses that are far apart in an index.
fn address(number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    let name: String = std::iter::repeat_with(|| random.lowercase()).take(12).collect();
    format!("{name}.{number}@example.com")
}

fn digit(value: u64) -> char {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char::from(DIGITS[value as usize])
}
