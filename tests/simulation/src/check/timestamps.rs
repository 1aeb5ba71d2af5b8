//! Judges which timestamps the processes accept.

use std::collections::HashMap;

use super::Checker;
use crate::history::{Record, What};

impl Checker<'_> {
    /// A timestamp is accepted if it differs by at most five minutes, in whole seconds.
    pub(super) fn check_timestamps(&mut self, records: &[Record]) {
        let mut signed = HashMap::new();
        let mut calm = false;
        let seconds = |clock: i64| clock.div_euclid(1000);
        for record in records {
            match record.what {
                What::Send { request, signed: at, .. } => drop(signed.insert(request, at.cast_signed())),
                What::Calm => calm = true,
                What::Verified { request, accepted } => {
                    let process = record.process.unwrap_or_default();
                    let ahead = if calm { 0 } else { self.plan.wall_clocks[process] };
                    let age = seconds(record.at.cast_signed() + ahead) - seconds(signed[&request]);
                    if accepted != ((-300..=300).contains(&age)) {
                        let what = if accepted { "accepted" } else { "rejected" };
                        self.violation(record.at, format!("request {request}, {age} s old, was {what}"));
                    }
                }
                _ => {}
            }
        }
    }
}
