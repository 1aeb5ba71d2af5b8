//! `clerk-webhook serve`.

mod access;
mod api;
mod args;
mod config;
mod deliver;
mod forward;
mod health;
mod listeners;
mod log;
mod metrics;
mod migrate;
mod notify;
mod page;
mod process;
mod purge;
mod quiet;
mod reload;
mod routes;
mod run;
mod shutdown;
mod start;
mod status;
mod storage;
mod sweep_log;
mod sweeps;
mod systemd;
mod tables;
mod traces;

use std::pin::pin;

use clerk_webhook_core::Timestamp;

pub(crate) use self::args::Args;
pub(crate) use self::config::listeners;
pub(crate) use self::migrate::migrate;
use crate::failure::Failure;
use crate::output::Output;
use crate::server::shutdown::interruption;

/// Loads the configuration, runs the checks, and serves until a signal ends the process.
pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let config::Loaded { shown, config } = config::load(&args);
    if args.print_config {
        config::print(&shown, output)?;
        return config.map(drop);
    }
    let config = config?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::network(format_args!("cannot start the runtime: {error}")))?;
    let traces = traces::Traces::from_env(runtime.handle())?;
    log::start(&config, traces.as_ref())?;
    let served = runtime.block_on(async {
        // Before the checks, which send the first requests to Clerk.
        let metrics = metrics::Metrics::install(Timestamp::now())?;
        let mut interrupted = pin!(interruption());
        let opened = tokio::select! {
            opened = start::open(&config) => opened?,
            // The start can wait for the database, and without a handler, the first process of a container ignores signals.
            () = &mut interrupted => return Err(Failure::Negative),
        };
        if config.check {
            output.object(&serde_json::json!({ "result": "ok" }))?;
            return output.line("The configuration and the database are ready.");
        }
        run::serve(config, opened, traces, metrics, interrupted).await
    });
    // A handler that a second signal interrupted must not delay the end of the process.
    runtime.shutdown_background();
    served
}
