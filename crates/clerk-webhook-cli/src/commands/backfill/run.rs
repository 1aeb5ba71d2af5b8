//! Imports the objects.

use std::sync::Arc;

use clerk_webhook_sync::{BackfillOptions, ImportError};

use super::args::Args;
use crate::failure::Failure;
use crate::output::Output;
use crate::send::client;
use crate::server::shutdown::interruption;
use crate::sync::{self, Display, IfMissing, Kind, Selection, Target};

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let selection = Selection::of(&args.tables)?;
    let api = sync::api(&args.api)?;
    client::block_on(async {
        let target = Target::open(&args.database, IfMissing::Fail).await?;
        let target = target.with_settings(&args.api, selection.has_waitlist())?;
        target.check_version().await?;
        let display = Arc::new(Display::new(output));
        let (of_pages, of_waits) = (Arc::clone(&display), Arc::clone(&display));
        let api = api.on_event(move |event| of_waits.event(event));
        let mut options = BackfillOptions::default()
            .dry_run(args.dry_run)
            .restart(args.restart)
            .until(interruption())
            .on_progress(move |progress| of_pages.page(progress));
        if let Some(resources) = selection.resources() {
            options = options.resources(resources);
        }
        let done = target.backfill(&api, options).await;
        display.finish();
        target.close().await;
        match done {
            Ok(report) => {
                let kind = Kind::Import { is_dry: args.dry_run };
                sync::report(output, &report, kind, &target.prefix)
            }
            Err(ImportError::Stopped) => {
                sync::interrupted(output, "run `clerk-webhook backfill` again to continue")
            }
            Err(error) => Err(sync::explain(&error, &target.prefix, target.instance.as_deref())),
        }
    })
}
