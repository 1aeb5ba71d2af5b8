//! The state at Clerk after a history.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clerk_webhook_core::Timestamp;
use serde_json::Value;

use super::event::HistoryEvent;
use super::kind::ObjectKind;

/// The state at Clerk after a history.
///
/// A copy of Clerk's objects must reach this state in any order of arrival.
///
/// Each object has the data of the last event about this object. Copies inside other events are ignored,
/// although they can be newer, such as the organization inside a membership.
///
/// ```
/// use clerk_webhook_test::{History, Scenario};
///
/// let history = History::builder().scenario(Scenario::Churn).seed(7).events(500).build();
/// let truth = history.truth();
/// assert!(!truth.users().is_empty());
/// assert!(truth.users().keys().all(|id| !truth.deleted_users().contains_key(id)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    live: BTreeMap<ObjectKind, BTreeMap<String, Value>>,
    deleted: BTreeMap<ObjectKind, BTreeMap<String, Timestamp>>,
}

// Empty maps that are returned by reference for kinds without objects.
static NO_OBJECTS: BTreeMap<String, Value> = BTreeMap::new();
static NO_DELETIONS: BTreeMap<String, Timestamp> = BTreeMap::new();

impl Truth {
    pub(super) fn of(events: &[HistoryEvent]) -> Self {
        let mut last: HashMap<(ObjectKind, &str), &HistoryEvent> = HashMap::new();
        let mut truth = Self::default();
        for event in events {
            let Some(change) = &event.change else { continue };
            if change.deleted {
                last.remove(&(change.kind, change.id.as_str()));
                let deleted = truth.deleted.entry(change.kind).or_default();
                deleted.insert(change.id.clone(), event.occurred_at());
            } else {
                last.insert((change.kind, &change.id), event);
            }
        }
        for ((kind, id), event) in last {
            let data = event.json()["data"].take();
            truth.live.entry(kind).or_default().insert(id.to_owned(), data);
        }
        truth.end_what_belonged_to_the_deleted();
        truth
    }

    fn end_what_belonged_to_the_deleted(&mut self) {
        let ids = |kind| self.deleted(kind).keys().cloned().collect::<BTreeSet<_>>();
        let (users, organizations) = (ids(ObjectKind::User), ids(ObjectKind::Organization));
        let is_of = |ids: &BTreeSet<String>, owner: &Value| owner.as_str().is_some_and(|id| ids.contains(id));
        for (kind, objects) in &mut self.live {
            objects.retain(|_, data| match kind {
                ObjectKind::OrganizationMembership => {
                    !is_of(&organizations, &data["organization"]["id"])
                        && !is_of(&users, &data["public_user_data"]["user_id"])
                }
                ObjectKind::OrganizationInvitation | ObjectKind::OrganizationDomain => {
                    !is_of(&organizations, &data["organization_id"])
                }
                ObjectKind::Session => !is_of(&users, &data["user_id"]),
                _ => true,
            });
        }
    }

    /// Returns the objects of a kind by id. The value is the `data` of the last event about the object.
    ///
    /// Objects of a deleted organization or user are not included, even without an event about their end:
    /// memberships of both, domains and invitations of an organization, and sessions of a user.
    #[must_use]
    pub fn live(&self, kind: ObjectKind) -> &BTreeMap<String, Value> {
        self.live.get(&kind).unwrap_or(&NO_OBJECTS)
    }

    /// Returns the ids of the objects that have a deletion event, with the time when each was deleted.
    #[must_use]
    pub fn deleted(&self, kind: ObjectKind) -> &BTreeMap<String, Timestamp> {
        self.deleted.get(&kind).unwrap_or(&NO_DELETIONS)
    }

    /// Returns the users.
    #[must_use]
    pub fn users(&self) -> &BTreeMap<String, Value> {
        self.live(ObjectKind::User)
    }

    /// Returns the organizations.
    #[must_use]
    pub fn organizations(&self) -> &BTreeMap<String, Value> {
        self.live(ObjectKind::Organization)
    }

    /// Returns the memberships.
    #[must_use]
    pub fn memberships(&self) -> &BTreeMap<String, Value> {
        self.live(ObjectKind::OrganizationMembership)
    }

    /// Returns the ids of deleted users, with the time when each was deleted.
    #[must_use]
    pub fn deleted_users(&self) -> &BTreeMap<String, Timestamp> {
        self.deleted(ObjectKind::User)
    }

    /// Returns the ids of deleted organizations, with the time when each was deleted.
    #[must_use]
    pub fn deleted_organizations(&self) -> &BTreeMap<String, Timestamp> {
        self.deleted(ObjectKind::Organization)
    }

    /// Returns the ids of memberships that have a deletion event, with the time when each was deleted.
    #[must_use]
    pub fn deleted_memberships(&self) -> &BTreeMap<String, Timestamp> {
        self.deleted(ObjectKind::OrganizationMembership)
    }
}
