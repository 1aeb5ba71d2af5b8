//! Searches for the changes that make a signature match, from few changes to many.

use clerk_webhook_core::SigningSecret;

use super::cause::{Cause, Finding};
use super::changes::{Candidate, MAX_CHANGES};
use super::headers::Attempt;
use super::signing::{Key, Layout, keys, layouts};

/// The maximum number of MACs that a diagnosis computes. Together with `MAX_BODY`, it bounds the work: a
/// diagnosis hashes at most 512 MiB, and about 200 KiB for a body of usual size.
pub(super) const MAX_MACS: usize = 2048;

/// The changes that make a signature match.
pub(super) struct Match<'s> {
    /// The changes to the delivery that must be undone for the signature to match.
    pub(super) findings: Vec<Finding>,
    pub(super) attempt: &'s Attempt,
    pub(super) secret_index: usize,
}

/// A search and its progress.
pub(super) struct Search<'s> {
    attempts: Vec<(&'s Attempt, Vec<Layout>)>,
    keys: Vec<Key>,
    /// The number of MACs that were computed.
    pub(super) macs: usize,
}

impl<'s> Search<'s> {
    pub(super) fn new(attempts: &'s [Attempt], secrets: &[SigningSecret]) -> Self {
        let attempts = attempts.iter().map(|attempt| (attempt, layouts(attempt))).collect();
        Self { attempts, keys: keys(secrets), macs: 0 }
    }

    /// Tries the bodies, which are sorted by their number of changes, each with the correct key and layout.
    /// After a change that a body shows, also tries wrong keys and wrong layouts.
    pub(super) fn run(&mut self, bodies: &[Candidate]) -> Option<Match<'s>> {
        for changes in 0..=MAX_CHANGES {
            let mut alone = bodies.iter().filter(|body| body.findings.len() == changes);
            let mut beside = bodies.iter().filter(|body| body.is_shown && body.findings.len() + 1 == changes);
            let found = alone.find_map(|body| self.find(body, |key, layout| !key && !layout));
            let found =
                found.or_else(|| beside.find_map(|body| self.find(body, |key, layout| key != layout)));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Tries a body with the keys and layouts that `is_tried` selects by whether each of them is wrong.
    fn find(&mut self, body: &Candidate, is_tried: impl Fn(bool, bool) -> bool) -> Option<Match<'s>> {
        for key in &self.keys {
            for (attempt, layouts) in &self.attempts {
                for layout in layouts {
                    if !is_tried(key.finding.is_some(), layout.finding.is_some()) || self.macs == MAX_MACS {
                        continue;
                    }
                    self.macs += 1;
                    let mac = key.mac(layout, &body.bytes);
                    let tokens = attempt.tokens.iter().filter(|token| token.mac == Some(mac));
                    let findings = tokens.map(|token| {
                        let of_signing = layout.finding.iter().chain(&key.finding);
                        let findings = attempt.findings.iter().chain(&token.flaws).chain(of_signing);
                        findings.chain(&body.findings).cloned().collect::<Vec<_>>()
                    });
                    if let Some(findings) =
                        findings.min_by_key(Vec::len).filter(|it| causes(it) <= MAX_CHANGES)
                    {
                        return Some(Match { findings, attempt, secret_index: key.secret_index });
                    }
                }
            }
        }
        None
    }
}

/// Returns the number of different causes. A proxy that repeats all three headers is one cause.
fn causes(findings: &[Finding]) -> usize {
    let mut causes: Vec<Cause> = findings.iter().map(|finding| finding.cause).collect();
    causes.sort_by_key(|cause| cause.code());
    causes.dedup();
    causes.len()
}
