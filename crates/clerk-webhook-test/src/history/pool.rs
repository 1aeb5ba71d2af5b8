//! A collection with access by key and random choice.

use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

use super::random::Random;

/// A collection of items. Keys are never reused.
#[derive(Debug)]
pub(super) struct Pool<T> {
    items: BTreeMap<u32, T>,
    /// The keys, for random choice in constant time.
    keys: Vec<u32>,
    next: u32,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), keys: Vec::new(), next: 0 }
    }
}

impl<T> Pool<T> {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn insert(&mut self, item: T) -> u32 {
        let key = self.next;
        self.next += 1;
        self.items.insert(key, item);
        self.keys.push(key);
        key
    }

    /// Returns a random key.
    pub(super) fn any(&self, random: &mut Random) -> Option<u32> {
        if self.keys.is_empty() { None } else { Some(self.keys[random.index(self.keys.len())]) }
    }

    /// Returns the key of a random item for which `has` returns true. Gives up after 16 attempts.
    pub(super) fn any_with(&self, random: &mut Random, has: impl Fn(&T) -> bool) -> Option<u32> {
        (0..16).find_map(|_| self.any(random).filter(|key| has(&self[*key])))
    }

    pub(super) fn get(&self, key: u32) -> Option<&T> {
        self.items.get(&key)
    }

    pub(super) fn remove(&mut self, key: u32) -> Option<T> {
        let item = self.items.remove(&key)?;
        self.keys.retain(|other| *other != key);
        Some(item)
    }
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    fn index(&self, key: u32) -> &T {
        &self.items[&key]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    fn index_mut(&mut self, key: u32) -> &mut T {
        #[expect(clippy::expect_used, reason = "callers use only keys of existing items")]
        self.items.get_mut(&key).expect("the key exists")
    }
}
