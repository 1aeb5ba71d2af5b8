//! Statistics over many comparisons.

use std::fmt;

use crate::case::Case;
use crate::judgement::Judgement;
use crate::library::Library;
use crate::rules::{POINTS, Rule};

/// Counts agreements, and disagreements by rule.
#[derive(Debug)]
pub struct Report {
    candidate: Library,
    deliveries: u64,
    accepted: u64,
    peers: Vec<Agreement>,
    rules: Vec<&'static Rule>,
    points: [u64; POINTS.len()],
}

/// The counts for one peer.
#[derive(Debug)]
struct Agreement {
    peer: Library,
    asked: u64,
    agreed: u64,
    /// Disagreements to which several rules apply.
    by_several: u64,
    /// One count for each rule.
    counts: Vec<Count>,
}

/// The disagreements with one peer that one rule explains alone.
#[derive(Clone, Debug, Default)]
struct Count {
    peer_accepts: u64,
    candidate_accepts: u64,
    other_reason: u64,
    /// Unsigned messages that the peer accepts, even if other rules also apply.
    forged: u64,
}

impl Count {
    fn disagreements(&self) -> u64 {
        self.peer_accepts + self.candidate_accepts + self.other_reason
    }
}

impl Report {
    /// Returns an empty report.
    #[must_use]
    pub fn new(candidate: Library, peers: &[Library], rules: &[&'static Rule]) -> Self {
        let agreement = |peer: &Library| {
            let counts = vec![Count::default(); rules.len()];
            Agreement { peer: *peer, asked: 0, agreed: 0, by_several: 0, counts }
        };
        Self {
            candidate,
            deliveries: 0,
            accepted: 0,
            peers: peers.iter().map(agreement).collect(),
            rules: rules.to_vec(),
            points: [0; POINTS.len()],
        }
    }

    /// Adds the judgements about one delivery.
    pub fn add(&mut self, case: &Case, judgements: &[Judgement]) {
        self.deliveries += 1;
        self.accepted += u64::from(judgements.iter().any(|judgement| judgement.ours.is_accepted()));
        let mut of_today = judgements.iter().filter(|judgement| judgement.peer != Library::VulnerableSvix);
        if of_today.all(|judgement| judgement.rules.is_empty()) {
            for (point, count) in POINTS.iter().zip(&mut self.points) {
                *count += u64::from(point.applies(case));
            }
        }
        for judgement in judgements {
            for agreement in self.peers.iter_mut().filter(|agreement| agreement.peer == judgement.peer) {
                agreement.add(&self.rules, judgement);
            }
        }
    }

    /// Returns the rules that did not explain any disagreement alone, and the points that no delivery without
    /// rules reached. Such a rule is obsolete, or the recipes no longer test it.
    #[must_use]
    pub fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        for agreement in &self.peers {
            for (rule, count) in self.rules.iter().zip(&agreement.counts) {
                if rule.peers.contains(&agreement.peer) && count.disagreements() == 0 {
                    unseen.push(format!("rule {} {}, {}", rule.number, rule.name, agreement.peer));
                }
            }
        }
        let points = POINTS.iter().zip(self.points).filter(|(_, count)| *count == 0);
        unseen.extend(points.map(|(point, _)| format!("point {} {}", point.number, point.name)));
        unseen
    }

    /// Returns the numbers of the rules that explain why a peer accepted unsigned messages.
    #[must_use]
    pub fn forged(&self, peer: Library) -> Vec<&'static str> {
        let of_peer = self.peers.iter().filter(|agreement| agreement.peer == peer);
        let counts = of_peer.flat_map(|agreement| self.rules.iter().zip(&agreement.counts));
        counts.filter(|(_, count)| count.forged > 0).map(|(rule, _)| rule.number).collect()
    }
}

impl Agreement {
    fn add(&mut self, rules: &[&Rule], judgement: &Judgement) {
        let Judgement { ours, theirs, .. } = *judgement;
        self.asked += 1;
        if ours == theirs {
            self.agreed += 1;
            return;
        }
        let is_alone = judgement.rules.len() == 1;
        self.by_several += u64::from(!is_alone);
        for (rule, count) in rules.iter().zip(&mut self.counts) {
            if !judgement.rules.iter().any(|applied| applied.is(rule)) {
                continue;
            }
            count.forged += u64::from(judgement.is_forged && rule.lets_in);
            if is_alone {
                count.peer_accepts += u64::from(theirs.is_accepted());
                count.candidate_accepts += u64::from(ours.is_accepted());
                count.other_reason += u64::from(!theirs.is_accepted() && !ours.is_accepted());
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { candidate, deliveries, accepted, .. } = self;
        writeln!(f, "differential: {deliveries} deliveries, {candidate} accepts {accepted}")?;
        let row = |f: &mut fmt::Formatter<'_>, title: &str, cell: &dyn Fn(&Agreement) -> String| {
            write!(f, "  {title:<36}")?;
            self.peers.iter().try_for_each(|agreement| write!(f, "{:>24}", cell(agreement)))?;
            writeln!(f)
        };
        row(f, "", &|agreement| agreement.peer.to_string())?;
        row(f, "compared", &|agreement| agreement.asked.to_string())?;
        row(f, "same verdict", &|agreement| agreement.agreed.to_string())?;
        row(f, "explained by several rules", &|agreement| agreement.by_several.to_string())?;
        writeln!(
            f,
            "explained by one rule: only the peer accepts / only {candidate} accepts / different reasons"
        )?;
        for (index, rule) in self.rules.iter().enumerate() {
            row(f, &format!("{:>2} {}", rule.number, rule.name), &|agreement| {
                let Count { peer_accepts, candidate_accepts, other_reason, .. } = agreement.counts[index];
                if rule.peers.contains(&agreement.peer) {
                    format!("{peer_accepts} / {candidate_accepts} / {other_reason}")
                } else {
                    String::new()
                }
            })?;
        }
        writeln!(f, "unsigned messages that were accepted, by rule")?;
        for (index, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.lets_in) {
            let cell = |agreement: &Agreement| agreement.counts[index].forged.to_string();
            row(f, &format!("{:>2} {}", rule.number, rule.name), &cell)?;
        }
        write!(f, "same verdict without a rule")?;
        for (point, count) in POINTS.iter().zip(self.points) {
            write!(f, "\n  {:>2} {:<40}{count:>7}", point.number, point.name)?;
        }
        Ok(())
    }
}
