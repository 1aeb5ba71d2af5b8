//! What a comparison found out.

use crate::library::Library;
use crate::rules::Rule;
use crate::verdict::LibraryVerdict;

/// The verdicts of the candidate and of a peer over one delivery, and the rules that explain them.
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
    /// Whether the peer accepts what nobody signed.
    pub is_forged: bool,
}
