//! The result of a comparison.

use crate::library::Library;
use crate::rules::Rule;
use crate::verdict::LibraryVerdict;

/// The verdicts of the candidate and of a peer about one delivery, and the rules that explain them.
#[derive(Debug)]
pub struct Judgement {
    /// The peer.
    pub peer: Library,
    /// The verdict of the candidate.
    pub ours: LibraryVerdict,
    /// The verdict of the peer.
    pub theirs: LibraryVerdict,
    /// The rules that apply.
    pub rules: Vec<&'static Rule>,
    /// Whether the peer accepts a message that was not signed.
    pub is_forged: bool,
}
