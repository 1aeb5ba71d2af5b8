//! Sends a history.

use super::args::Args;
use super::plan::Plan;
use super::report::{announce, print, summarize};
use super::sender::{Sender, Settings};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;
use crate::send::client::{self, Client};
use crate::send::endpoint::Endpoint;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
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
    summarize(output, &args, &tally, seed)
}
