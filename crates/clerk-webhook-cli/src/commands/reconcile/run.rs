//! Compares the tables, or refreshes single rows.

use std::sync::Arc;

use clerk_webhook_sync::{BackendApi, ImportError, ReconcileOptions, Refreshed};
use serde_json::json;

use super::args::Args;
use crate::failure::Failure;
use crate::output::style::{GOOD, ODD, STRONG};
use crate::output::{Output, printable};
use crate::send::client;
use crate::server::shutdown::interruption;
use crate::sync::{self, Display, IfMissing, Kind, Selection, Target};

/// The maximum length of a printed id. Clerk's ids have at most 40 characters.
const LONGEST_ID: usize = 64;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let selection = Selection::of(&args.tables)?;
    let has_waitlist = selection.has_waitlist() || args.ids.iter().any(|id| id.starts_with("wle_"));
    let api = sync::api(&args.api)?;
    client::block_on(async {
        let target = Target::open(&args.database, IfMissing::Fail).await?;
        let target = target.with_settings(&args.api, has_waitlist)?;
        target.check_version().await?;
        let display = Arc::new(Display::new(output));
        let of_waits = Arc::clone(&display);
        let api = api.on_event(move |event| of_waits.event(event));
        let done = if args.ids.is_empty() {
            compare(&args, selection, &target, &api, &display, output).await
        } else {
            refresh(&args.ids, &target, &api, output).await
        };
        target.close().await;
        done
    })
}

async fn compare(
    args: &Args,
    selection: Selection,
    target: &Target,
    api: &BackendApi,
    display: &Arc<Display>,
    output: &Output,
) -> Result<(), Failure> {
    let of_pages = Arc::clone(display);
    let mut options = ReconcileOptions::default()
        .dry_run(args.dry_run)
        .max_tombstones(args.max_tombstones)
        .force(args.force)
        .until(interruption())
        .on_progress(move |progress| of_pages.page(progress));
    if let Some(resources) = selection.resources() {
        options = options.resources(resources);
    }
    let done = target.reconcile(api, options).await;
    display.finish();
    match done {
        Ok(report) => {
            let kind = Kind::Comparison { is_dry: args.dry_run };
            sync::report(output, &report, kind, &target.prefix)
        }
        Err(ImportError::Stopped) => sync::interrupted(output, "run `clerk-webhook reconcile` again"),
        Err(error) => Err(sync::explain(&error, &target.prefix, target.instance.as_deref())),
    }
}

/// Reads single objects. Fails if a row is in doubt.
async fn refresh(ids: &[String], target: &Target, api: &BackendApi, output: &Output) -> Result<(), Failure> {
    let mut is_certain = true;
    for id in ids {
        let shown = printable(id, LONGEST_ID);
        let result = match sync::until_interrupted(target.refresh(api, id)).await {
            Some(Ok(result)) => result,
            Some(Err(ImportError::UnknownId)) => {
                return Err(Failure::usage(format_args!(
                    "{shown} is not the id of an object in these tables. Pass an id that begins with user_, org_, \
                     orgmem_, orginv_, orgdmn_, role_, perm_, or wle_."
                )));
            }
            Some(Err(error)) => {
                return Err(sync::explain(&error, &target.prefix, target.instance.as_deref()));
            }
            None => return sync::interrupted(output, "run `clerk-webhook reconcile` again"),
        };
        is_certain &= result != Refreshed::Unconfirmed;
        output.object(&json!({ "type": "object", "id": shown, "result": result.as_str() }))?;
        let (style, word) = if result == Refreshed::Unconfirmed { (ODD, "kept") } else { (GOOD, "ok") };
        output
            .line(format_args!("{style}{word:5}{style:#} {STRONG}{shown}{STRONG:#}  {}", sentence(result)))?;
    }
    if is_certain { Ok(()) } else { Err(Failure::Negative) }
}

fn sentence(result: Refreshed) -> &'static str {
    match result {
        Refreshed::Inserted => "inserted",
        Refreshed::Updated => "updated",
        Refreshed::Unchanged => "unchanged",
        Refreshed::Tombstoned => "deleted, because Clerk no longer holds the object",
        Refreshed::Erased => "already deleted here",
        Refreshed::NotFound => "Clerk does not hold the object, and it has no row",
        Refreshed::NotKept => "the application does not store these objects",
        Refreshed::Unconfirmed => {
            "Clerk's answer does not prove that the object was deleted, or the row has changed within the last 10 \
             minutes. Run the command again later"
        }
        _ => result.as_str(),
    }
}
