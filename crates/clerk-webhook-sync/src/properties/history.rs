//! The test kit's histories with more difficult times and gaps, and the objects that are live after them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use clerk_webhook_core::{Event, MessageId, Timestamp};
use clerk_webhook_test::{History, Scenario};
use serde_json::Value;

/// How each envelope's time compares with the time of the previous envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Each time is later than the previous one.
    Increasing,
    /// Many times are equal, so the order of two changes can be unknown.
    Tied,
}

/// The events that Clerk sent, and the order in which they arrive.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) events: Vec<Event>,
    /// The same events in another order, some of them more than once.
    pub(super) arrivals: Vec<Event>,
    /// A line for each object that is live at the end.
    pub(super) truth: BTreeSet<String>,
}

impl Case {
    /// Creates the history for a seed, with at most `length` events.
    ///
    /// - Most histories round the times in the data down, so that many changes have equal times.
    /// - The first events or all events of some subscription items are missing, as if the endpoint did not
    ///   subscribe to them.
    /// - Some payers are organizations. In the test kit, all payers are users.
    pub(super) fn new(seed: u64, length: usize, clock: Clock) -> Self {
        let scenario = if seed.is_multiple_of(2) { Scenario::Churn } else { Scenario::All };
        let history = History::builder().scenario(scenario).seed(seed).events(length).build();
        let resolution = [1, 1_000, 60_000, 3_600_000][seed as usize / 2 % 4];
        let mut bodies: Vec<Value> = history.events().iter().map(|event| event.json()).collect();
        let organizations: Vec<String> = bodies
            .iter()
            .filter(|body| body["type"] == "organization.created")
            .map(|body| text(&body["data"]["id"]).to_owned())
            .collect();
        for body in &mut bodies {
            round(&mut body["data"], resolution);
            if clock == Clock::Tied
                && let Some(at) = body["timestamp"].as_i64()
            {
                body["timestamp"] = rounded(at, resolution.max(1_000)).into();
            }
            let data = &mut body["data"];
            let payers = data["items"].as_array_mut().into_iter().flatten().map(|item| &mut item["payer"]);
            payers.for_each(|payer| change_payer(payer, &organizations));
            change_payer(&mut data["payer"], &organizations);
        }
        let is_kept = is_kept(&bodies);
        let events = history.events().iter().zip(&bodies).zip(is_kept).filter(|(_, kept)| *kept);
        let events: Vec<(&MessageId, &Value)> =
            events.map(|((event, body), _)| (event.message_id(), body)).collect();
        let truth = truth(events.iter().map(|(_, body)| *body));
        let by_id: HashMap<&MessageId, Event> = events
            .iter()
            .map(|(id, body)| {
                let event = Event::from_trusted((*id).clone(), Timestamp::now(), body.to_string().into());
                (*id, event.unwrap())
            })
            .collect();
        let arrivals = history.arrivals(seed).duplicated(1 + seed as usize % 2);
        let arrivals =
            if seed.is_multiple_of(3) { arrivals.shuffled_within(20) } else { arrivals.shuffled() };
        let arrivals = arrivals.events().filter_map(|event| by_id.get(event.message_id()).cloned()).collect();
        let events = events.iter().map(|(id, _)| by_id[id].clone()).collect();
        Self { events, arrivals, truth }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn object(body: &Value) -> &str {
    text(&body["type"]).split('.').next().unwrap_or_default()
}

/// Returns a number that depends only on the text.
fn number(text: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish() as usize
}

fn rounded(at: i64, resolution: i64) -> i64 {
    at - at % resolution
}

/// Rounds all times in the data down.
fn round(data: &mut Value, resolution: i64) {
    match data {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_i64() {
                    Some(at) if name.ends_with("_at") => *member = rounded(at, resolution).into(),
                    _ => round(member, resolution),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| round(element, resolution)),
        _ => {}
    }
}

/// Replaces some paying users with organizations.
fn change_payer(payer: &mut Value, organizations: &[String]) {
    let number = number(text(&payer["id"]));
    if payer.is_object() && number.is_multiple_of(2) && !organizations.is_empty() {
        payer["user_id"] = "".into();
        payer["organization_id"] = organizations[number / 2 % organizations.len()].as_str().into();
    }
}

/// Returns for each event whether the history keeps it. It drops emails, text messages, payment attempts and
/// the first events of some items.
fn is_kept(bodies: &[Value]) -> Vec<bool> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for body in bodies.iter().filter(|body| object(body) == "subscriptionItem") {
        *counts.entry(text(&body["data"]["id"])).or_default() += 1;
    }
    let mut missing: HashMap<&str, usize> = HashMap::new();
    for (id, count) in counts {
        let number = number(id);
        missing.insert(id, if number.is_multiple_of(2) { number / 2 % (count + 1) } else { 0 });
    }
    let kept = |body: &Value| match object(body) {
        "email" | "sms" | "paymentAttempt" => false,
        "subscriptionItem" => {
            let missing = missing.get_mut(text(&body["data"]["id"]));
            let missing = missing.filter(|missing| **missing > 0);
            missing.map(|missing| *missing -= 1).is_none()
        }
        _ => true,
    };
    bodies.iter().map(kept).collect()
}

/// Returns a line for each live object after these events.
fn truth<'a>(bodies: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut live: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    let mut deleted = BTreeSet::new();
    for body in bodies {
        let id = text(&body["data"]["id"]);
        if text(&body["type"]).ends_with(".deleted") {
            deleted.insert(id);
            live.remove(&(object(body), id));
        } else {
            live.insert((object(body), id), &body["data"]);
        }
    }
    // An item whose events are missing has the values from the newest version of its subscription.
    let shown: Vec<&Value> = live
        .iter()
        .filter(|((object, _), _)| *object == "subscription")
        .flat_map(|(_, data)| data["items"].as_array().into_iter().flatten())
        .collect();
    for item in shown {
        live.entry(("subscriptionItem", text(&item["id"]))).or_insert(item);
    }
    let mut lines = BTreeSet::new();
    for ((object, id), data) in live {
        let get = |path: &str| data.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
        let show = |path: &str| get(path).unwrap_or("-");
        let has_ended = |path: &str| get(path).is_some_and(|id| deleted.contains(id));
        let is_live = match object {
            "organizationMembership" => {
                !has_ended("/organization/id") && !has_ended("/public_user_data/user_id")
            }
            "organizationInvitation" | "organizationDomain" => !has_ended("/organization_id"),
            "session" => show("/status") == "active" && !has_ended("/user_id"),
            "subscription" | "subscriptionItem" => {
                ["active", "canceled", "past_due"].contains(&show("/status"))
                    && !has_ended("/payer/user_id")
                    && !has_ended("/payer/organization_id")
            }
            _ => true,
        };
        if !is_live {
            continue;
        }
        let fields: &[&str] = match object {
            "user" => {
                lines.extend(emails(data));
                let primary = primary(data);
                let address = primary.map_or("-", |email| text(&email["email_address"]));
                let verified = primary.map_or("-".to_owned(), |email| is_verified(email).to_string());
                lines.insert(format!("user {id} {} {address} {verified}", show("/first_name")));
                continue;
            }
            "organization" => &["/name", "/created_by"],
            "organizationMembership" => &["/organization/id", "/public_user_data/user_id", "/role"],
            "organizationInvitation" => &["/organization_id", "/status"],
            "organizationDomain" => &["/organization_id", "/enrollment_mode"],
            "role" | "permission" => &["/name"],
            "session" => &["/user_id"],
            "subscription" => &["/payer/user_id", "/payer/organization_id", "/status"],
            "subscriptionItem" => {
                &["/subscription_id", "/payer/user_id", "/payer/organization_id", "/plan/slug", "/status"]
            }
            "waitlistEntry" => &["/email_address", "/status"],
            object => panic!("{object}"),
        };
        let fields: Vec<_> = fields.iter().map(|path| show(path)).collect();
        lines.insert(format!("{object} {id} {}", fields.join(" ")));
    }
    lines
}

fn primary(user: &Value) -> Option<&Value> {
    let id = user["primary_email_address_id"].as_str()?;
    user["email_addresses"].as_array()?.iter().find(|email| email["id"] == id)
}

fn is_verified(email: &Value) -> bool {
    email["verification"]["status"] == "verified"
}

fn emails(user: &Value) -> Vec<String> {
    let primary = primary(user);
    let emails = user["email_addresses"].as_array().into_iter().flatten();
    let line = |email: &Value| {
        let (user, address) = (text(&user["id"]), text(&email["email_address"]));
        format!("email {user} {address} {} {}", is_verified(email), Some(email) == primary)
    };
    emails.map(line).collect()
}
