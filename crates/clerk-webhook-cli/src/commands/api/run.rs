//! Serves the API until Ctrl-C.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_test::{FakeBackendApi, Faults};
use tokio::net::TcpListener;

use super::args::Args;
use super::report::{Printer, introduce};
use super::server::Server;
use crate::failure::Failure;
use crate::output::Output;
use crate::send::client;
use crate::server::serve::serve;
use crate::server::shutdown::interruption;

/// The window of Clerk's rate limits.
const WINDOW: Duration = Duration::from_secs(10);

/// The time since the last event at the end of a history. A comparison with the API ignores recent changes.
const REST: Duration = Duration::from_secs(3600);

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    client::block_on(listen(&args, output))
}

async fn listen(args: &Args, output: &Output) -> Result<(), Failure> {
    let socket = TcpListener::bind(args.listen).await.map_err(|error| cannot_listen(args, &error))?;
    let address = socket.local_addr().map_err(|error| cannot_listen(args, &error))?;
    let interrupted = interruption();
    let seed = args.history.seed_or_new();
    let api = api(args, seed);
    introduce(output, args, &api, address, seed)?;

    let printer = Printer::start(output.is_json());
    let server = Arc::new(Server::new(api, printer.lines));
    let serving = move |request, _, _| Arc::clone(&server).respond(request);
    tokio::select! {
        () = serve(socket, serving) => Ok(()),
        printed = printer.end => printed.unwrap_or(Ok(())),
        () = interrupted => Ok(()),
    }
}

fn api(args: &Args, seed: u64) -> FakeBackendApi {
    let events = args.history.history(args.scenario, seed).stream();
    let api = match args.at {
        Some(position) => FakeBackendApi::from_events(events.take(position)),
        None => FakeBackendApi::from_events(events),
    };
    api.advance_to(usize::MAX);
    if args.at.is_none() {
        api.pass(REST);
    }
    let api = args.without.iter().fold(api, |api, feature| api.without(feature.kind()));
    let api = match args.rate_limit {
        Some(requests) => api.with_rate_limit(requests, WINDOW),
        None => api,
    };
    match args.faults {
        Some(seed) => api.with_faults(Faults::new(seed)),
        None => api,
    }
}

fn cannot_listen(args: &Args, error: &io::Error) -> Failure {
    let address = args.listen;
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::usage(format_args!(
            "port {} is in use: stop the other process, or select another address with --listen, such as 127.0.0.1:0 for a free port",
            address.port()
        )),
        io::ErrorKind::PermissionDenied => Failure::usage(format_args!(
            "permission denied for port {}: select a port above 1023 with --listen",
            address.port()
        )),
        io::ErrorKind::AddrNotAvailable => {
            Failure::usage(format_args!("{} is not an address of this machine", address.ip()))
        }
        _ => Failure::usage(format_args!("cannot listen on {address}: {error}")),
    }
}
