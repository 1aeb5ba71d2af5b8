//! Derives observations of objects from an event. The result depends only on the event and the settings.

mod access;
mod billing;
pub(crate) mod canonical;
#[cfg(feature = "backend-api")]
pub(crate) mod listed;
mod organization;
mod session;
#[cfg(test)]
mod tests;
mod user;
mod waitlist;

use std::borrow::Cow;
use std::fmt;

use clerk_webhook_core::event::payload::DeletedObject;
use clerk_webhook_core::{Event, EventData, Timestamp};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::apply::applied::IgnoredReason;
use crate::error::SyncError;
use crate::observe::canonical::{Leave, canonical, canonical_of_valid};
use crate::schema::tables::Entity;
use crate::settings::{RawColumn, Settings};
use crate::value::{Value, clean, digest};

/// The maximum time by which a change may be later than its event, in milliseconds: one day, because clocks
/// differ.
const LATEST_CHANGE: i64 = 24 * 60 * 60 * 1000;

/// The information about one object that an event contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) entity: Entity,
    pub(crate) id: String,
    pub(crate) observed: Observed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    /// The object has these values, unless a newer version is known.
    Version {
        order: Order,
        /// The values, in the order of the table's columns.
        columns: Vec<Value>,
        /// The rows of each child table; `None` for a copy, which does not contain them.
        children: Option<Vec<Children>>,
    },
    /// The object was deleted.
    Deleted {
        at: i64,
        /// The values of the kept columns, in the order of the table's columns.
        kept: Vec<Value>,
    },
}

/// The rows of a child table that belong to one row: their ids, and their values in the order of the table's
/// columns.
pub(crate) type Children = Vec<(String, Vec<Value>)>;

/// The order of an object's versions. The fields are compared from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) rank: Rank,
    /// When the object last changed.
    pub(crate) updated_at: i64,
    /// When the event occurred.
    pub(crate) event_at: i64,
    /// A digest of the data. It decides between versions that are equal otherwise, with the same result
    /// everywhere.
    pub(crate) tie: String,
}

/// How complete the object in an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// A copy inside another object, or data without an essential key.
    Copy,
    /// The object itself.
    Whole,
}

impl Rank {
    pub(crate) const fn as_number(self) -> i64 {
        match self {
            Self::Copy => 0,
            Self::Whole => 1,
        }
    }
}

/// Returns an event's observations.
///
/// Users come first, then organizations, then all others, and objects of one kind are sorted by id, so that
/// all transactions lock rows in the same order. The last observation is about the event's own object.
pub(crate) fn observe(
    event: &Event,
    settings: &Settings,
) -> Result<Result<Vec<Observation>, IgnoredReason>, SyncError> {
    if let (Some(expected), Some(instance)) = (&settings.instance_id, event.instance_id())
        && **expected != *instance
    {
        return Ok(Err(IgnoredReason::OtherInstance));
    }
    if !settings.keep(event.event_type().as_str()) {
        return Ok(Err(IgnoredReason::NotKept));
    }
    let observer = Observer { event, raw: settings.raw };
    Ok(match event.data() {
        EventData::UserCreated(user) | EventData::UserUpdated(user) => Ok(vec![observer.user(user)]),
        EventData::OrganizationCreated(organization) | EventData::OrganizationUpdated(organization) => {
            Ok(vec![observer.organization(organization)])
        }
        EventData::OrganizationMembershipCreated(membership)
        | EventData::OrganizationMembershipUpdated(membership) => Ok(observer.membership(membership)?),
        EventData::OrganizationMembershipDeleted(membership) => {
            Ok(vec![observer.deleted_membership(membership)])
        }
        EventData::OrganizationInvitationCreated(invitation)
        | EventData::OrganizationInvitationAccepted(invitation)
        | EventData::OrganizationInvitationRevoked(invitation) => Ok(vec![observer.invitation(invitation)]),
        EventData::OrganizationDomainCreated(domain) | EventData::OrganizationDomainUpdated(domain) => {
            Ok(vec![observer.domain(domain)])
        }
        EventData::RoleCreated(role) | EventData::RoleUpdated(role) => Ok(vec![observer.role(role)]),
        EventData::PermissionCreated(permission) | EventData::PermissionUpdated(permission) => {
            observer.permission(permission)
        }
        EventData::UserDeleted(object) => observer.deleted(Entity::Users, object),
        EventData::OrganizationDeleted(object) => observer.deleted(Entity::Organizations, object),
        EventData::OrganizationDomainDeleted(object) => observer.deleted(Entity::Domains, object),
        EventData::RoleDeleted(object) => observer.deleted(Entity::Roles, object),
        EventData::PermissionDeleted(object) => observer.deleted(Entity::Permissions, object),
        EventData::SessionCreated(session)
        | EventData::SessionPending(session)
        | EventData::SessionEnded(session)
        | EventData::SessionRemoved(session)
        | EventData::SessionRevoked(session) => Ok(vec![observer.session(session)]),
        EventData::SubscriptionCreated(subscription)
        | EventData::SubscriptionUpdated(subscription)
        | EventData::SubscriptionActive(subscription)
        | EventData::SubscriptionPastDue(subscription) => Ok(observer.subscription(subscription)),
        EventData::SubscriptionItemCreated(item)
        | EventData::SubscriptionItemUpdated(item)
        | EventData::SubscriptionItemActive(item)
        | EventData::SubscriptionItemUpcoming(item)
        | EventData::SubscriptionItemIncomplete(item)
        | EventData::SubscriptionItemAbandoned(item)
        | EventData::SubscriptionItemPastDue(item)
        | EventData::SubscriptionItemFreeTrialEnding(item)
        | EventData::SubscriptionItemCanceled(item)
        | EventData::SubscriptionItemEnded(item) => observer.subscription_item(item),
        EventData::WaitlistEntryCreated(entry) | EventData::WaitlistEntryUpdated(entry) => {
            Ok(vec![observer.waitlist_entry(entry)])
        }
        // The sender must retry an event of a stored type that cannot be decoded, so that it is not lost.
        EventData::Unrecognized(data) if event.event_type().is_known() => {
            return Err(SyncError::undecodable(data.reason().to_string()));
        }
        _ => Err(IgnoredReason::NotKept),
    })
}

struct Observer<'a> {
    event: &'a Event,
    raw: RawColumn,
}

impl Observer<'_> {
    /// Returns when the event occurred. If the envelope has no time, returns when the object changed.
    fn event_at(&self, updated_at: Option<Timestamp>) -> i64 {
        self.event.occurred_at().or(updated_at.map(recognized)).map_or(0, Timestamp::as_millis)
    }

    /// Returns a time from the data, in seconds or milliseconds, unless it is more than a day later than the
    /// event.
    ///
    /// A row with a time far in the future would be newer than every real change and would never change
    /// again. The time is compared with the event's envelope, because all deliveries of a message have the
    /// same envelope.
    fn believable(&self, at: impl Into<Option<Timestamp>>) -> Option<Timestamp> {
        let at = recognized(at.into()?);
        let is_late = |event: Timestamp| at.as_millis() > event.as_millis().saturating_add(LATEST_CHANGE);
        Some(at).filter(|_| !self.event.occurred_at().is_some_and(is_late))
    }

    /// Returns when the object changed, for the order of its versions. If this time is missing or too long
    /// after the event, returns the event's time.
    fn changed_at(&self, updated_at: impl Into<Option<Timestamp>>) -> i64 {
        let updated_at = updated_at.into();
        self.believable(updated_at).map_or_else(|| self.event_at(updated_at), Timestamp::as_millis)
    }

    /// Creates a version of the event's own object. Data without the essential key is incomplete and treated
    /// as a copy.
    fn whole<const N: usize>(
        &self,
        entity: Entity,
        id: &str,
        updated_at: Option<Timestamp>,
        columns: [(&'static str, Value); N],
    ) -> Observation {
        let table = entity.table();
        let (data, event_at) = (self.event.raw_data(), self.event_at(updated_at));
        let is_whole = table.essential.is_none_or(|key| has_key(data, key));
        let order = Order {
            rank: if is_whole { Rank::Whole } else { Rank::Copy },
            updated_at: self.changed_at(updated_at),
            event_at,
            tie: digest(&canonical_of_valid(data, Leave::In, &[])),
        };
        let mut columns = table.row(columns);
        if let Some(raw) = columns.last_mut() {
            *raw = self.raw(entity);
        }
        let children = is_whole.then(|| vec![Children::new(); table.children.len()]);
        Observation { entity, id: clean(id), observed: Observed::Version { order, columns, children } }
    }

    /// Creates a version from a copy of another object that the event contains.
    fn copy<const N: usize>(
        &self,
        entity: Entity,
        id: &str,
        (updated_at, event_at): (i64, i64),
        tie: String,
        columns: [(&'static str, Value); N],
    ) -> Observation {
        let order = Order { rank: Rank::Copy, updated_at, event_at, tie };
        let observed = Observed::Version { order, columns: entity.table().row(columns), children: None };
        Observation { entity, id: clean(id), observed }
    }

    /// Returns the value of the `raw` column.
    fn raw(&self, entity: Entity) -> Value {
        let mut without = entity.table().not_in_raw.to_vec();
        let leave = match self.raw {
            RawColumn::Full => Leave::In,
            RawColumn::Redacted => Leave::OutPrivate,
            RawColumn::Off => return Value::Json(None),
        };
        if leave == Leave::OutPrivate && entity == Entity::Invitations {
            // The link lets a reader sign in as the invited person.
            without.push("url");
        }
        Value::Json(Some(canonical_of_valid(self.event.raw_data(), leave, &without)))
    }

    /// Creates a tombstone from a deletion's data.
    fn deleted(&self, entity: Entity, object: &DeletedObject) -> Result<Vec<Observation>, IgnoredReason> {
        let id = object.id.as_deref().ok_or(IgnoredReason::WithoutId)?;
        // Envelopes from 2024 lack a time. The delivery's time is then the best upper bound.
        let at = self.event.occurred_at().unwrap_or_else(|| self.event.attempted_at()).as_millis();
        Ok(vec![Observation { entity, id: clean(id), observed: Observed::Deleted { at, kept: Vec::new() } }])
    }
}

/// Returns whether a JSON object has a key at least once.
fn has_key(json: &str, key: &str) -> bool {
    struct Keys<'k>(&'k str);

    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
            let mut found = false;
            while let Some((key, IgnoredAny)) = members.next_entry::<Cow<'de, str>, _>()? {
                found |= key == self.0;
            }
            Ok(found)
        }
    }

    serde_json::Deserializer::from_str(json).deserialize_map(Keys(key)).unwrap_or(false)
}

/// Returns a status as a column value. An empty status is unknown and becomes null.
fn status(text: &str) -> Value {
    Some(text).filter(|text| !text.is_empty()).into()
}

/// Converts a time from the data, which may be in seconds. The envelope's time is converted in the same way.
fn recognized(at: Timestamp) -> Timestamp {
    Timestamp::from_secs_or_millis(at.as_millis())
}

fn json(json: Cow<'_, str>) -> Value {
    Value::Json(Some(canonical(&json, Leave::In, &[])))
}
