//! What an event says of rows. Without I/O, and a function of the event alone.

mod access;
mod billing;
pub(crate) mod canonical;
mod organization;
mod session;
#[cfg(test)]
mod tests;
mod user;
mod waitlist;

use std::borrow::Cow;
use std::collections::HashMap;

use clerk_webhook_core::event::payload::DeletedObject;
use clerk_webhook_core::{Event, EventData, Timestamp};
use serde::de::IgnoredAny;

use crate::apply::applied::IgnoredReason;
use crate::error::SyncError;
use crate::observe::canonical::{Leave, canonical};
use crate::schema::tables::Entity;
use crate::settings::{RawColumn, Settings};
use crate::value::{Value, clean, digest};

/// How much later than its event a change may seem to be, in milliseconds: a day, for clocks that differ.
const LATEST_CHANGE: i64 = 24 * 60 * 60 * 1000;

/// What an event says of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) entity: Entity,
    pub(crate) id: String,
    pub(crate) observed: Observed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    /// The row is this, unless a newer version is known.
    Version {
        order: Order,
        /// In the order of the table's columns.
        columns: Vec<Value>,
        /// Those of each child table. None for a copy, which says nothing of them.
        children: Option<Vec<Children>>,
    },
    /// There is no such object any more.
    Deleted {
        at: i64,
        /// In the order of the columns that the table keeps.
        kept: Vec<Value>,
    },
}

/// The rows of a child table that belong to a row: their ids, and their columns in the order of the table's.
pub(crate) type Children = Vec<(String, Vec<Value>)>;

/// Which version of an object is the newest: compared from the top.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) rank: Rank,
    /// Since when the object is as it is.
    pub(crate) updated_at: i64,
    /// When the event occurred that tells it.
    pub(crate) event_at: i64,
    /// Of what is the same until here one counts, whichever; the same one everywhere.
    pub(crate) tie: String,
}

/// How much of an object was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// What another object shows of it.
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

/// Returns what an event says, that of its own object last: first users, then organizations, then all others, and of one
/// kind by their ids, so that transactions take rows in the same order.
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
        // An event of a type that is kept must not get lost.
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
    /// Returns when the event occurred; without that in the envelope, when the object changed, which was just before.
    fn event_at(&self, updated_at: Option<Timestamp>) -> i64 {
        self.event.occurred_at().or(updated_at.map(recognized)).map_or(0, Timestamp::as_millis)
    }

    /// Returns a time of the data, in whatever unit it was sent, unless the event had to be earlier.
    ///
    /// A row with a time far in the future would be newer than each real change, and never change again. The envelope of
    /// the event is the measure, because each delivery has the same one.
    fn believable(&self, at: impl Into<Option<Timestamp>>) -> Option<Timestamp> {
        let at = recognized(at.into()?);
        let is_late = |event: Timestamp| at.as_millis() > event.as_millis().saturating_add(LATEST_CHANGE);
        Some(at).filter(|_| !self.event.occurred_at().is_some_and(is_late))
    }

    /// Returns since when an object is as the event says, for its order.
    fn changed_at(&self, updated_at: impl Into<Option<Timestamp>>) -> i64 {
        let updated_at = updated_at.into();
        self.believable(updated_at).map_or_else(|| self.event_at(updated_at), Timestamp::as_millis)
    }

    /// Makes a version of the event's own object. Data without the essential key is incomplete and counts as a copy.
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
            tie: digest(&canonical(data, Leave::In, &[])),
        };
        let mut columns = table.row(columns);
        if let Some(raw) = columns.last_mut() {
            *raw = self.raw(entity);
        }
        let children = is_whole.then(|| vec![Children::new(); table.children.len()]);
        Observation { entity, id: clean(id), observed: Observed::Version { order, columns, children } }
    }

    /// Makes a version of an object that the event shows a copy of.
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

    /// Writes the column `raw`.
    fn raw(&self, entity: Entity) -> Value {
        let mut without = entity.table().not_in_raw.to_vec();
        let leave = match self.raw {
            RawColumn::Full => Leave::In,
            RawColumn::Redacted => Leave::OutPrivate,
            RawColumn::Off => return Value::Json(None),
        };
        if leave == Leave::OutPrivate && entity == Entity::Invitations {
            // The link lets its reader in as the person who was invited.
            without.push("url");
        }
        Value::Json(Some(canonical(self.event.raw_data(), leave, &without)))
    }

    /// Makes a tombstone of what is left of a deleted object.
    fn deleted(&self, entity: Entity, object: &DeletedObject) -> Result<Vec<Observation>, IgnoredReason> {
        let id = object.id.as_deref().ok_or(IgnoredReason::WithoutId)?;
        // Clerk writes into every envelope when it was; a delivery that is older than its own signing there is none.
        let at = self.event.occurred_at().unwrap_or_else(|| self.event.attempted_at()).as_millis();
        Ok(vec![Observation { entity, id: clean(id), observed: Observed::Deleted { at, kept: Vec::new() } }])
    }
}

/// Returns whether an object in JSON has a key, also if it has it twice.
fn has_key(json: &str, key: &str) -> bool {
    serde_json::from_str::<HashMap<Cow<'_, str>, IgnoredAny>>(json).is_ok_and(|keys| keys.contains_key(key))
}

/// Returns the value of a state, null if it is not known.
fn status(text: &str) -> Value {
    Some(text).filter(|text| !text.is_empty()).into()
}

/// Reads a time of the data, which may be in seconds, as the time of the envelope.
fn recognized(at: Timestamp) -> Timestamp {
    Timestamp::from_secs_or_millis(at.as_millis())
}

fn json(json: Cow<'_, str>) -> Value {
    Value::Json(Some(canonical(&json, Leave::In, &[])))
}
