//! The ids of a listing.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::value;

/// The ids that a listing has seen: 16 bytes of the SHA-256 of each id, and the last pass that contained it.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<[u8; 16], u8>);

impl Seen {
    /// Remembers an id. Returns the last pass that contained it before, if one did.
    pub(super) fn insert(&mut self, id: &str, pass: u8) -> Option<u8> {
        self.0.insert(hash(id), pass)
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.0.contains_key(&hash(id))
    }

    pub(super) fn is_in_pass(&self, id: &str, pass: u8) -> bool {
        self.0.get(&hash(id)) == Some(&pass)
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Hashes an id in the form in which the tables store it.
fn hash(id: &str) -> [u8; 16] {
    let digest = Sha256::digest(value::id(id));
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}
