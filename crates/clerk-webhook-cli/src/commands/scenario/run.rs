//! Sends a history, and compares the resulting tables.

use super::args::Args;
use super::plan::Plan;
use super::report::{announce, print, summarize};
use super::sender::{Sender, Settings};
use super::sync_check::SyncCheck;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::send::client::{self, Client};
use crate::send::endpoint::Endpoint;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let sync = args.expect_sync.as_deref().map(|url| SyncCheck::new(url, &args.sync_prefix)).transpose()?;
    if let (Some(sync), true) = (&sync, args.to.is_empty()) {
        return compare(&args, output, sync);
    }
    let secrets = args.secrets.secrets()?;
    let seed = args.history.seed_or_new();
    let history = args.history.history(args.scenario, seed).stream();
    let plan = Plan::new(history, seed, args.shuffle, args.duplicate);
    if args.dry_run {
        return print(plan, &secrets);
    }
    let mut endpoints = args.to.iter().map(|to| args.remote.endpoint(to)).collect::<Result<Vec<_>, _>>()?;
    if endpoints.is_empty() {
        endpoints.push(args.remote.allow(Endpoint::of_environment("--to")?)?);
    }
    // One client for all URLs. It loads the system's certificates if any URL is https.
    let is_secure = |endpoint: &&Endpoint| endpoint.uri().scheme_str() == Some("https");
    let Some(strictest) = endpoints.iter().find(is_secure).or(endpoints.first()) else {
        return Err(Failure::usage("no URL: pass the URL of the endpoint with --to"));
    };
    let client = Client::new(strictest.uri(), args.timeout)?.with_user_agent(args.agent.user_agent.clone());
    if let Some(sync) = &sync {
        // If a table is missing, the command fails before it sends the history, instead of an hour later.
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
    let events = args.history.users.is_none().then(|| args.history.event_count());
    let deliveries = events.map(|events| events * u64::from(args.duplicate));
    let progress = Progress::new(deliveries);
    let tally = client::block_on(async {
        let uris = endpoints.iter().map(|endpoint| endpoint.uri().clone());
        Sender::new(client, uris, settings, plan, output, progress).run().await
    })?;
    let summarized = summarize(output, &args, &tally, seed);
    match sync {
        // The tables can match the final state only if the history was sent completely.
        Some(sync) if tally.is_whole() && matches!(summarized, Ok(()) | Err(Failure::Negative)) => {
            expect(&args, output, &sync, seed).and(summarized)
        }
        _ => summarized,
    }
}

/// Compares the tables without sending.
fn compare(args: &Args, output: &Output, sync: &SyncCheck) -> Result<(), Failure> {
    let Some(seed) = args.history.seed else {
        return Err(Failure::usage(
            "no history: pass its seed with --seed to compare only, or a URL with --to to send a history",
        ));
    };
    client::block_on(sync.probe())?;
    expect(args, output, sync, seed)
}

fn expect(args: &Args, output: &Output, sync: &SyncCheck, seed: u64) -> Result<(), Failure> {
    let history = args.history.history(args.scenario, seed).build();
    if client::block_on(sync.run(&history, output))? { Ok(()) } else { Err(Failure::Negative) }
}
