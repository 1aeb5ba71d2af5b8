//! Verifies the captured requests.

use clerk_webhook_core::Timestamp;

use super::args::Args;
use super::report::{self, JudgedCapture};
use crate::capture::Captures;
use crate::diagnosis::{self, CaptureVerdict, Terms};
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let secrets = args.secrets.secrets()?;
    let Captures { requests, unreadable } = args.input.captures()?;
    let tolerance = (!args.any_age).then_some(args.tolerance);
    let now = args.now.map_or_else(Timestamp::now, |moment| moment.0);
    let mut refused = 0;
    for (index, capture) in requests.iter().enumerate() {
        let received_at = capture.recorded.received_at.filter(|_| args.now.is_none());
        let terms = Terms { now: received_at.unwrap_or(now), tolerance };
        let verdict = diagnosis::diagnose_under(terms, capture, &secrets);
        refused += usize::from(matches!(verdict, CaptureVerdict::Refused(_)));
        if index > 0 {
            output.line("")?;
        }
        let (at, is_recorded) = (terms.now, received_at.is_some());
        let judged = JudgedCapture { capture, verdict, at, is_age_checked: tolerance.is_some(), is_recorded };
        report::write(output, &judged, secrets.len(), requests.len() > 1)?;
    }
    for file in &unreadable {
        report::write_unreadable(output, file)?;
    }
    if requests.len() + unreadable.len() > 1 {
        report::write_sum(output, requests.len(), refused, unreadable.len())?;
    }
    if refused + unreadable.len() > 0 { Err(Failure::Negative) } else { Ok(()) }
}
