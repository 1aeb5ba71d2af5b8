//! The differences between two versions of an object.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::output::printable;
use crate::redact::redact;

/// The maximum number of differences that are listed.
const MAX_CHANGES: usize = 200;

/// The maximum length of a listed value, in characters.
const MAX_VALUE: usize = 200;

/// The maximum length of a listed path, in characters.
const MAX_PATH: usize = 200;

/// A difference between two versions, with redacted values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) path: String,
    /// The old value as JSON, or `None` if the member was added.
    pub(super) before: Option<String>,
    /// The new value as JSON, or `None` if the member was removed.
    pub(super) after: Option<String>,
}

/// All differences between two versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    pub(super) list: Vec<Change>,
    /// The number of differences that are not in the list.
    pub(super) more: usize,
}

/// Compares the data of two events. Sensitive values are compared too, but not shown.
pub(super) fn compare(before: &Value, after: &Value) -> Changes {
    let (shown_before, shown_after) = (redact(before), redact(after));
    let mut changes = Changes::default();
    let before = Side { value: &before["data"], shown: &shown_before["data"] };
    let after = Side { value: &after["data"], shown: &shown_after["data"] };
    changes.walk(String::new(), before, after);
    changes
}

/// A value and its redacted copy, which has the same shape except for the redacted parts.
#[derive(Clone, Copy)]
struct Side<'v> {
    value: &'v Value,
    shown: &'v Value,
}

impl Changes {
    /// Returns the approximate size of the differences in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let change = |change: &Change| change.path.len() + text(&change.before) + text(&change.after);
        self.list.iter().map(change).sum::<usize>() + self.list.len() * size_of::<Change>()
    }

    fn walk(&mut self, path: String, before: Side<'_>, after: Side<'_>) {
        if before.value == after.value {
            return;
        }
        match (before.shown, after.shown) {
            (Value::Object(old), Value::Object(new)) => self.members(&path, before, after, old, new),
            (Value::Array(old), Value::Array(new)) => self.elements(&path, before, after, old, new),
            _ => self.push(path, Some(before), Some(after)),
        }
    }

    fn members(
        &mut self,
        path: &str,
        before: Side<'_>,
        after: Side<'_>,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) {
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            self.pair(member(path, name), before.member(name), after.member(name));
        }
    }

    /// Matches elements by id if all elements have unique ids, or else by position.
    fn elements(&mut self, path: &str, before: Side<'_>, after: Side<'_>, old: &[Value], new: &[Value]) {
        let (Some(old_ids), Some(new_ids)) = (ids(old), ids(new)) else {
            for index in 0..old.len().max(new.len()) {
                self.pair(format!("{path}[{index}]"), before.element(index), after.element(index));
            }
            return;
        };
        for (id, index) in sorted(&old_ids) {
            let same = new_ids.get(id).and_then(|index| after.element(*index));
            self.pair(element(path, id), before.element(index), same);
        }
        for (id, index) in sorted(&new_ids) {
            if !old_ids.contains_key(id) {
                self.pair(element(path, id), None, after.element(index));
            }
        }
    }

    fn pair(&mut self, path: String, before: Option<Side<'_>>, after: Option<Side<'_>>) {
        match (before, after) {
            (Some(before), Some(after)) => self.walk(path, before, after),
            (None, None) => {}
            (before, after) => self.push(path, before, after),
        }
    }

    fn push(&mut self, path: String, before: Option<Side<'_>>, after: Option<Side<'_>>) {
        if self.list.len() == MAX_CHANGES {
            self.more += 1;
            return;
        }
        let text = |side: Side<'_>| printable(side.shown.to_string(), MAX_VALUE);
        let path = if path.is_empty() { "data".to_owned() } else { printable(&path, MAX_PATH) };
        self.list.push(Change { path, before: before.map(text), after: after.map(text) });
    }
}

impl<'v> Side<'v> {
    fn member(self, name: &str) -> Option<Self> {
        Some(Self { value: self.value.get(name)?, shown: self.shown.get(name)? })
    }

    fn element(self, index: usize) -> Option<Self> {
        Some(Self { value: self.value.get(index)?, shown: self.shown.get(index)? })
    }
}

/// Returns the position of each id, or `None` if an id is missing or repeated.
fn ids(elements: &[Value]) -> Option<HashMap<&str, usize>> {
    let mut ids = HashMap::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        if ids.insert(element.get("id")?.as_str()?, index).is_some() {
            return None;
        }
    }
    Some(ids)
}

fn sorted<'i>(ids: &HashMap<&'i str, usize>) -> Vec<(&'i str, usize)> {
    let mut sorted: Vec<_> = ids.iter().map(|(id, index)| (*id, *index)).collect();
    sorted.sort_by_key(|(_, index)| *index);
    sorted
}

fn member(path: &str, name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    match (is_plain && !name.is_empty(), path.is_empty()) {
        (true, true) => name.to_owned(),
        (true, false) => format!("{path}.{name}"),
        (false, _) => format!("{path}[{}]", Value::from(name)),
    }
}

fn element(path: &str, id: &str) -> String {
    format!("{path}[{}]", printable(id, 40))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(before: Value, after: Value) -> Vec<String> {
        let event = |data| json!({ "type": "user.updated", "data": data });
        let changes = compare(&event(before), &event(after));
        assert_eq!(changes.more, 0);
        let line = |change: Change| match (change.before, change.after) {
            (None, Some(after)) => format!("+ {}: {after}", change.path),
            (Some(before), None) => format!("- {}: {before}", change.path),
            (before, after) => {
                format!("{}: {} → {}", change.path, before.unwrap_or_default(), after.unwrap_or_default())
            }
        };
        changes.list.into_iter().map(line).collect()
    }

    #[test]
    fn lists_added_removed_and_changed_members() {
        assert_eq!(
            lines(
                json!({ "a": 1, "b": { "c": [1, 2], "d": null }, "e f": "x", "g": true }),
                json!({ "a": 1, "b": { "c": [1, 3, 4], "d": {} }, "e f": "y", "h": "new" }),
            ),
            [
                "b.c[1]: 2 → 3",
                "+ b.c[2]: 4",
                "b.d: null → {}",
                r#"["e f"]: "x" → "y""#,
                "- g: true",
                r#"+ h: "new""#,
            ]
        );
        assert_eq!(lines(json!({ "a": 1 }), json!({ "a": 1 })), [""; 0]);
        assert_eq!(lines(json!({}), json!(null)), ["data: {} → null"]);
    }

    #[test]
    fn matches_elements_by_their_ids() {
        assert_eq!(
            lines(
                json!({ "list": [{ "id": "idn_1", "v": 1 }, { "id": "idn_2", "v": 2 }] }),
                json!({ "list": [{ "id": "idn_3", "v": 3 }, { "id": "idn_2", "v": 4 }] }),
            ),
            [
                r#"- list[idn_1]: {"id":"idn_1","v":1}"#,
                "list[idn_2].v: 2 → 4",
                r#"+ list[idn_3]: {"id":"idn_3","v":3}"#
            ]
        );
        // Elements with repeated ids are matched by position.
        assert_eq!(
            lines(
                json!({ "list": [{ "id": "a", "v": 1 }, { "id": "a", "v": 2 }] }),
                json!({ "list": [{ "id": "a", "v": 1 }, { "id": "a", "v": 3 }] }),
            ),
            ["list[1].v: 2 → 3"]
        );
    }

    #[test]
    fn names_a_changed_secret_without_its_value() {
        assert_eq!(
            lines(
                json!({ "private_metadata": { "ssn": "078051120" }, "reset_token": "abc" }),
                json!({ "private_metadata": { "ssn": "219099999" }, "reset_token": "abcd" }),
            ),
            [
                r#"private_metadata: "[redacted]" → "[redacted]""#,
                r#"reset_token: "[redacted: 3 characters]" → "[redacted: 4 characters]""#,
            ]
        );
    }

    #[test]
    fn limits_the_number_and_the_length_of_changes() {
        let many = |offset: usize| json!({ "data": (0..500).map(|n| n + offset).collect::<Vec<_>>() });
        let changes = compare(&json!({ "data": many(0) }), &json!({ "data": many(1) }));
        assert_eq!((changes.list.len(), changes.more), (MAX_CHANGES, 500 - MAX_CHANGES));
        let long = compare(&json!({ "data": { "a": "" } }), &json!({ "data": { "a": "x".repeat(10_000) } }));
        assert!(long.list[0].after.as_ref().unwrap().len() < 300);
    }
}
