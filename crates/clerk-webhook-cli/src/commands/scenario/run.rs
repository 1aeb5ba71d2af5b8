//! Sends a history, and compares what it left behind.

use std::hash::{BuildHasher as _, RandomState};

use super::args::Args;
use super::plan::Plan;
use super::progress::Progress;
use super::report::{announce, print, summarize};
use super::sender::{Sender, Settings};
use super::sync_check::SyncCheck;
use crate::failure::Failure;
use crate::output::Output;
use crate::send::client::{self, Client};
use crate::send::endpoint::Endpoint;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let sync = args.expect_sync.as_deref().map(|url| SyncCheck::new(url, &args.sync_prefix)).transpose()?;
    if let (Some(sync), true) = (&sync, args.to.is_empty()) {
        return compare(&args, output, sync);
    }
    let endpoints = args.to.iter().map(|to| args.remote.endpoint(to)).collect::<Result<Vec<_>, _>>()?;
    let secrets = args.secrets.secrets()?;
    // Short enough to be typed.
    let seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
    let plan = Plan::new(args.history(seed).stream(), seed, args.shuffle, args.duplicate);
    if args.dry_run {
        return print(plan, &secrets);
    }
    // For all of them there is one client, which reads the certificates of the system where one needs them.
    let is_secure = |endpoint: &&Endpoint| endpoint.uri().scheme_str() == Some("https");
    let Some(strictest) = endpoints.iter().find(is_secure).or(endpoints.first()) else {
        return Err(Failure::usage("say with --to where to send it"));
    };
    let client = Client::new(strictest.uri(), args.timeout)?;
    if let Some(sync) = &sync {
        // Better now than after an hour of sending.
        client::block_on(sync.probe())?;
    }
    announce(output, &args, &endpoints, seed)?;
    let settings = Settings {
        secrets,
        concurrency: args.concurrency as usize,
        retry: args.retry.then_some(args.time_scale),
        each: args.each,
        seed,
    };
    let deliveries = args.users.is_none().then(|| args.event_count() * u64::from(args.duplicate));
    let progress = Progress::new(deliveries, args.each && !output.is_json());
    let tally = client::block_on(async {
        let uris = endpoints.iter().map(|endpoint| endpoint.uri().clone());
        Sender::new(client, uris, settings, plan, output, progress).run().await
    })?;
    let summarized = summarize(output, &args, &tally, seed);
    match sync {
        // What Clerk holds is known of a history that was told to its end.
        Some(sync) if tally.is_whole() && matches!(summarized, Ok(()) | Err(Failure::Negative)) => {
            expect(&args, output, &sync, seed).and(summarized)
        }
        _ => summarized,
    }
}

/// Compares without sending anything.
fn compare(args: &Args, output: &Output, sync: &SyncCheck) -> Result<(), Failure> {
    let Some(seed) = args.seed else {
        return Err(Failure::usage(
            "say with --seed which history to compare with, or with --to where to send it",
        ));
    };
    client::block_on(sync.probe())?;
    expect(args, output, sync, seed)
}

fn expect(args: &Args, output: &Output, sync: &SyncCheck, seed: u64) -> Result<(), Failure> {
    let history = args.history(seed).build();
    if client::block_on(sync.run(&history, output))? { Ok(()) } else { Err(Failure::Negative) }
}
