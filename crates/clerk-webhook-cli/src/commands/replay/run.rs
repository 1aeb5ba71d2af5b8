//! Selects the captured requests to send.

use super::args::Args;
use super::plan::{Plan, Signatures, signed_at};
use super::report::{list, note_age, show_unsent};
use super::send::{self, Pace};
use crate::args::moment::Moment;
use crate::capture::{self, Capture, Captures};
use crate::failure::Failure;
use crate::output::Output;
use crate::send::client::block_on;
use crate::text::event_type;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let endpoint = args.endpoint.endpoint()?;
    let signatures = if args.verbatim {
        Signatures::Captured
    } else {
        let secrets = args.secrets.secrets()?;
        Signatures::New { secrets, new_ids: args.new_ids, include_refused: args.include_refused }
    };
    let mut captures = Captures::default();
    for file in &args.files {
        captures.extend(capture::read(file)?);
    }
    let Captures { mut requests, unreadable } = captures.require_any()?;
    let all = requests.len();
    requests.retain(|capture| is_wanted(&args, capture));
    if requests.is_empty() {
        return Err(Failure::usage(format_args!(
            "none of the {all} captured requests matches --only, --since, and --until"
        )));
    }
    let plan = Plan::new(&requests, unreadable, &signatures);
    if args.verbatim {
        note_age(&plan.items);
    }
    show_unsent(output, &plan)?;
    if args.dry_run {
        return list(output, &plan);
    }
    let pace = Pace { rate: args.rate.map(|rate| rate.0), concurrency: usize::from(args.concurrency) };
    block_on(async { send::send(output, &endpoint, args.endpoint.client(&endpoint)?, plan, pace).await })
}

/// Returns whether a capture matches the filters. Its event type and its time are not verified yet.
fn is_wanted(args: &Args, capture: &Capture) -> bool {
    let event_type = event_type(&capture.body);
    let event_type = event_type.as_deref().unwrap_or_default();
    let signed_at = signed_at(capture);
    let after = |moment: Moment| signed_at.is_some_and(|at| at >= moment.0);
    (args.only.is_empty() || args.only.iter().any(|pattern| pattern.matches(event_type)))
        && args.since.is_none_or(after)
        && args.until.is_none_or(|moment| signed_at.is_some() && !after(moment))
}
