//! Selects the events to list or show.

use clerk_webhook_core::EventType;
use clerk_webhook_test::fixture::AnyFixture;

use super::args::Args;
use super::report::{example, list, show};
use crate::args::suggest;
use crate::failure::Failure;
use crate::output::{Output, printable};

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let Some(pattern) = args.pattern else { return list(output, EventType::ALL) };
    if !pattern.is_open() {
        let fixture = AnyFixture::named(pattern.as_str()).ok_or_else(|| unknown(pattern.as_str()))?;
        return if args.example { example(fixture) } else { show(output, fixture) };
    }
    let types: Vec<_> =
        EventType::ALL.iter().filter(|known| pattern.matches(known.as_str())).cloned().collect();
    if types.is_empty() {
        return Err(unknown(pattern.as_str()));
    }
    if args.example {
        return types.iter().filter_map(AnyFixture::of).try_for_each(example);
    }
    list(output, &types)
}

fn unknown(written: &str) -> Failure {
    Failure::usage(format_args!(
        "no event matches {}{}\nRun `clerk-webhook events` to list all events",
        printable(written.as_bytes(), 60),
        suggest::event(written)
    ))
}
