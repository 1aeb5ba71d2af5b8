//! Runs the listener until Ctrl-C.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{RwLock, watch};

use super::args::Args;
use super::forward::Forward;
use super::history::History;
use super::page::access::PageAccess;
use super::printer::{Line, Printer, say};
use super::record::Folder;
use super::report::{ANY_PATH, introduce, summary};
use super::route::respond;
use super::script::Script;
use super::state::Listener;
use super::verdict::Judge;
use crate::failure::Failure;
use crate::output::Output;
use crate::send::client;
use crate::server::serve::serve;
use crate::server::shutdown::interruption;

/// The maximum duration of the shutdown. Without it, the shutdown waits forever if the terminal does not accept
/// output, for example after Ctrl-S.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    client::block_on(listen(args, output))
}

async fn listen(args: Args, output: &Output) -> Result<(), Failure> {
    let secrets = match args.secrets.sources()?.as_slice() {
        [] => Vec::new(),
        _ => args.secrets.secrets()?,
    };
    let forward = args.forward.as_deref().map(|url| Forward::new(args.remote.endpoint(url)?)).transpose()?;
    if let Some(folder) = &args.record {
        if folder.is_file() {
            return Err(Failure::usage(format_args!("{} is a file: pass a folder", folder.display())));
        }
        fs::create_dir_all(folder)
            .map_err(|error| Failure::usage(format_args!("cannot create {}: {error}", folder.display())))?;
    }
    let socket =
        TcpListener::bind((args.host, args.port)).await.map_err(|error| cannot_listen(&args, &error))?;
    let address = socket.local_addr().map_err(|error| cannot_listen(&args, &error))?;

    if let Some(forward) = forward.as_ref().filter(|forward| forward.leads_to(address)) {
        return Err(Failure::usage(format_args!(
            "{} is this listener: set --forward to your server's endpoint",
            forward.endpoint().redacted()
        )));
    }

    let no_random_bytes = |error: getrandom::Error| {
        Failure::usage(format_args!("the system returned no random bytes: {error}"))
    };
    let page = PageAccess::new(args.host, address.port()).map_err(no_random_bytes)?;
    let run = run_id().map_err(no_random_bytes)?;
    let printer = Printer::start(output.is_json(), secrets.len() > 1);
    let max_body = usize::try_from(args.max_body).unwrap_or(usize::MAX);
    let judge = Judge::new(secrets, max_body).map_err(Failure::usage)?;
    let listener = Arc::new(Listener {
        host: args.host,
        endpoint: endpoint(address, args.path.as_deref()),
        path: args.path,
        max_body,
        judge,
        history: History::new(usize::from(args.limit)),
        script: Script::new(args.respond),
        forward,
        record: args.record.map(|path| Arc::new(Folder::new(path))),
        lines: printer.lines,
        page,
        run,
        followers: Arc::default(),
        underway: RwLock::new(()),
        ends: watch::Sender::new(false),
    });
    let interrupted = interruption();
    introduce(output, &listener)?;
    if args.open
        && let Some(once) = listener.page.url_for_once()
    {
        open(&once);
    }

    let mut end = printer.end;
    let shared = Arc::clone(&listener);
    let serving = move |request, peer, slot| respond(Arc::clone(&shared), request, peer, slot);
    let stopped = tokio::select! {
        () = serve(socket, serving) => Ok(()),
        printed = &mut end => printed.unwrap_or(Ok(())),
        () = interrupted => Ok(()),
    };
    stopped?;
    // Shows the deliveries that have arrived, and then the summary.
    let shutdown = async {
        listener.end().await;
        let summary = summary(&listener.history);
        listener.print(Line::Last(summary.clone())).await;
        let printed = end.await.unwrap_or(Ok(()));
        if output.is_json() {
            say(summary);
        }
        printed
    };
    tokio::time::timeout(SHUTDOWN_TIMEOUT, shutdown).await.unwrap_or(Ok(()))
}

fn cannot_listen(args: &Args, error: &io::Error) -> Failure {
    let address = SocketAddr::new(args.host, args.port);
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::usage(format_args!(
            "port {} is in use: stop the other process, or select another port with --port (--port 0 selects a free one)",
            args.port
        )),
        io::ErrorKind::PermissionDenied => Failure::usage(format_args!(
            "permission denied for port {}: select a port above 1023 with --port",
            args.port
        )),
        io::ErrorKind::AddrNotAvailable => {
            Failure::usage(format_args!("{} is not an address of this machine", args.host))
        }
        _ => Failure::usage(format_args!("cannot listen on {address}: {error}")),
    }
}

/// Returns a random id for this run.
fn run_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// Returns the URL for deliveries, with an address of this machine.
fn endpoint(address: SocketAddr, path: Option<&str>) -> String {
    let path = path.unwrap_or(ANY_PATH);
    if address.ip().is_unspecified() {
        return format!("http://127.0.0.1:{}{path}", address.port());
    }
    format!("http://{address}{path}")
}

/// Opens a URL in the browser, or prints why this failed. Every user of this machine can read the URL,
/// because it is the argument of a process.
fn open(url: &str) {
    let program = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ => "xdg-open",
    };
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        say(format_args!(
            "cannot open a browser with {program}: {error}; open the printed address of the page"
        ));
    }
}
