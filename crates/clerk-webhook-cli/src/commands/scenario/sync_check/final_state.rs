//! The final state of a history: the objects in Clerk, and the last event of each object.

use std::collections::{BTreeMap, HashMap};

use clerk_webhook_test::History;
use clerk_webhook_test::{HistoryEvent, ObjectKind, Truth};
use serde_json::Value;

use super::kinds::KINDS;

/// The expected content of the tables.
#[derive(Debug, Default)]
pub(super) struct FinalState {
    pub(super) truth: Truth,
    last: BTreeMap<ObjectKind, BTreeMap<String, LastEvent>>,
}

/// The last event about an object.
#[derive(Debug)]
pub(super) struct LastEvent {
    /// The event's timestamp, in milliseconds.
    pub(super) at: i64,
    /// The event's data, or null if the object is live and therefore part of the truth.
    pub(super) data: Value,
    is_deletion: bool,
}

impl FinalState {
    pub(super) fn of(history: &History) -> Self {
        let truth = history.truth();
        let mut events: HashMap<(ObjectKind, String), &HistoryEvent> = HashMap::new();
        for event in history.events() {
            let event_type = event.event_type();
            let object = event_type.as_str().split_once('.').map_or("", |(object, _)| object);
            let Some(kind) = KINDS.iter().find(|kind| kind.events == object) else { continue };
            if let Value::String(id) = event.json()["data"]["id"].take() {
                events.insert((kind.object, id), event);
            }
        }
        let mut last: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((kind, id), event) in events {
            let is_live = truth.live(kind).contains_key(&id);
            let data = if is_live { Value::Null } else { event.json()["data"].take() };
            let is_deletion = truth.deleted(kind).contains_key(&id);
            let at = event.occurred_at().as_millis();
            last.entry(kind).or_default().insert(id, LastEvent { at, data, is_deletion });
        }
        Self { truth, last }
    }

    pub(super) fn last_event(&self, kind: ObjectKind, id: &str) -> Option<&LastEvent> {
        self.last.get(&kind)?.get(id)
    }

    /// Returns the hidden objects: no event deleted them, but their organization or user was deleted.
    pub(super) fn hidden(&self, kind: ObjectKind) -> impl Iterator<Item = (&String, &LastEvent)> {
        let objects = self.last.get(&kind).into_iter().flatten();
        objects.filter(move |(id, last)| !last.is_deletion && !self.truth.live(kind).contains_key(*id))
    }
}
