//! The objects that exist at Clerk after the events of a history so far.
//!
//! An event describes its own object. The other changes that the event's cause makes at Clerk have no events: a new member
//! changes the organization's count and time, and a deletion ends what belonged to the deleted object.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::history::{HistoryEvent, ObjectKind};

/// The kinds of objects that the API serves.
const SERVED: [ObjectKind; 8] = [
    ObjectKind::User,
    ObjectKind::Organization,
    ObjectKind::OrganizationMembership,
    ObjectKind::OrganizationInvitation,
    ObjectKind::OrganizationDomain,
    ObjectKind::Role,
    ObjectKind::Permission,
    ObjectKind::WaitlistEntry,
];

/// The position of an object in the order of creation. Objects with the same `created_at` are ordered by their first events.
pub(super) type Place = (i64, u64);

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) id: String,
    /// The `data` of the last event about the object.
    pub(super) data: Bytes,
    pub(super) organization_id: Option<String>,
    pub(super) user_id: Option<String>,
    is_pending: bool,
}

/// What changes an organization without an event about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) members: i64,
    pub(super) pending_invitations: i64,
    pub(super) updated_at: i64,
    slug: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct World {
    shelves: BTreeMap<ObjectKind, Shelf>,
    tallies: HashMap<String, Tally>,
    /// The objects that end with a user or an organization, by the id of this owner.
    owned: HashMap<String, BTreeSet<(ObjectKind, Place)>>,
    created: u64,
}

#[derive(Clone, Debug, Default)]
struct Shelf {
    objects: BTreeMap<Place, Object>,
    places: HashMap<String, Place>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The fields that connect and order objects.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Facts {
    created_at: i64,
    updated_at: i64,
    members_count: i64,
    organization: Option<OrganizationCopy>,
    organization_id: Option<String>,
    public_user_data: Option<UserCopy>,
    slug: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct OrganizationCopy {
    id: String,
    members_count: i64,
    updated_at: i64,
}

#[derive(Deserialize)]
struct UserCopy {
    user_id: String,
}

impl World {
    /// Makes the changes that an event reports, and the changes that follow from them.
    pub(super) fn apply(&mut self, event: &HistoryEvent) {
        let Some(change) = event.change.as_ref().filter(|change| SERVED.contains(&change.kind)) else {
            return;
        };
        // Every body of a history is a valid event.
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&event.body) else { return };
        let data = event.body.slice_ref(envelope.data.get().as_bytes());
        let facts: Facts = serde_json::from_slice(&data).unwrap_or_default();
        if let Some(copy) = &facts.organization
            && let Some(tally) = self.tallies.get_mut(&copy.id)
        {
            tally.members = copy.members_count;
            tally.updated_at = tally.updated_at.max(copy.updated_at);
        }
        if change.deleted {
            self.delete(change.kind, &change.id);
        } else {
            self.write(change.kind, &change.id, data, facts);
        }
    }

    fn write(&mut self, kind: ObjectKind, id: &str, data: Bytes, facts: Facts) {
        if kind == ObjectKind::Organization {
            let tally = self.tallies.entry(id.to_owned()).or_default();
            tally.members = facts.members_count;
            tally.updated_at = tally.updated_at.max(facts.updated_at);
            tally.slug = facts.slug.unwrap_or_default();
        }
        let object = Object {
            id: id.to_owned(),
            data,
            organization_id: facts.organization.map(|copy| copy.id).or(facts.organization_id),
            user_id: facts.public_user_data.map(|copy| copy.user_id),
            is_pending: kind == ObjectKind::OrganizationInvitation
                && facts.status.as_deref() == Some("pending"),
        };
        let shelf = self.shelves.entry(kind).or_default();
        let place = shelf.places.get(id).copied().unwrap_or_else(|| {
            self.created += 1;
            (facts.created_at, self.created)
        });
        let is_pending = i64::from(object.is_pending);
        let owners = [object.organization_id.clone(), object.user_id.clone()];
        let organization = object.organization_id.clone();
        shelf.places.insert(id.to_owned(), place);
        let before = shelf.objects.insert(place, object);
        let was_pending = i64::from(before.is_some_and(|before| before.is_pending));
        if let Some(tally) = organization.and_then(|id| self.tallies.get_mut(&id)) {
            tally.pending_invitations += is_pending - was_pending;
        }
        for owner in owners.into_iter().flatten() {
            self.owned.entry(owner).or_default().insert((kind, place));
        }
    }

    fn delete(&mut self, kind: ObjectKind, id: &str) {
        let place = self.shelves.get_mut(&kind).and_then(|shelf| shelf.places.remove(id));
        if let Some(place) = place {
            self.remove(kind, place);
        }
        self.tallies.remove(id);
        for (kind, place) in self.owned.remove(id).unwrap_or_default() {
            self.remove(kind, place);
        }
    }

    /// Removes an object that does not own others.
    fn remove(&mut self, kind: ObjectKind, place: Place) {
        let Some(shelf) = self.shelves.get_mut(&kind) else { return };
        let Some(object) = shelf.objects.remove(&place) else { return };
        shelf.places.remove(&object.id);
        for owner in [&object.organization_id, &object.user_id].into_iter().flatten() {
            if let Some(owned) = self.owned.get_mut(owner) {
                owned.remove(&(kind, place));
            }
        }
        if let Some(tally) = object.organization_id.and_then(|id| self.tallies.get_mut(&id)) {
            tally.members -= i64::from(kind == ObjectKind::OrganizationMembership);
            tally.pending_invitations -= i64::from(object.is_pending);
        }
    }

    pub(super) fn get(&self, kind: ObjectKind, id: &str) -> Option<&Object> {
        let shelf = self.shelves.get(&kind)?;
        shelf.objects.get(shelf.places.get(id)?)
    }

    pub(super) fn place(&self, kind: ObjectKind, id: &str) -> Option<Place> {
        self.shelves.get(&kind)?.places.get(id).copied()
    }

    pub(super) fn count(&self, kind: ObjectKind) -> usize {
        self.shelves.get(&kind).map_or(0, |shelf| shelf.objects.len())
    }

    pub(super) fn at(&self, kind: ObjectKind, place: Place) -> Option<&Object> {
        self.shelves.get(&kind)?.objects.get(&place)
    }

    /// Returns the objects of a kind from the oldest to the newest.
    pub(super) fn all(&self, kind: ObjectKind) -> impl DoubleEndedIterator<Item = &Object> {
        self.range(kind, Bound::Unbounded, Bound::Unbounded)
    }

    /// Returns the objects that are older than the place, from the oldest to the newest.
    pub(super) fn before(&self, kind: ObjectKind, place: Place) -> impl DoubleEndedIterator<Item = &Object> {
        self.range(kind, Bound::Unbounded, Bound::Excluded(place))
    }

    /// Returns the objects that are newer than the place, from the oldest to the newest.
    pub(super) fn after(&self, kind: ObjectKind, place: Place) -> impl DoubleEndedIterator<Item = &Object> {
        self.range(kind, Bound::Excluded(place), Bound::Unbounded)
    }

    fn range(
        &self,
        kind: ObjectKind,
        from: Bound<Place>,
        to: Bound<Place>,
    ) -> impl DoubleEndedIterator<Item = &Object> {
        let shelf = self.shelves.get(&kind).into_iter();
        shelf.flat_map(move |shelf| shelf.objects.range((from, to)).map(|(_, object)| object))
    }

    /// Returns the objects of a kind that belong to a user or an organization, from the oldest to the newest.
    pub(super) fn owned_by(&self, owner: &str, kind: ObjectKind) -> Vec<&Object> {
        let owned = self.owned.get(owner).into_iter().flatten().filter(|(other, _)| *other == kind);
        owned.filter_map(|(_, place)| self.shelves.get(&kind)?.objects.get(place)).collect()
    }

    pub(super) fn tally(&self, organization: &str) -> Tally {
        self.tallies.get(organization).cloned().unwrap_or_default()
    }

    /// Returns an organization by its id or its slug.
    pub(super) fn organization(&self, id_or_slug: &str) -> Option<&Object> {
        self.get(ObjectKind::Organization, id_or_slug).or_else(|| {
            let (id, _) = self.tallies.iter().find(|(_, tally)| tally.slug == id_or_slug)?;
            self.get(ObjectKind::Organization, id)
        })
    }
}
