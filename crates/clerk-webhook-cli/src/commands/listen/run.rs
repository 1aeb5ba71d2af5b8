//! `clerk-webhook listen`.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{RwLock, watch};

use super::forward::Forward;
use super::history::History;
use super::live::{Line, Printer, say};
use super::page::Page;
use super::record::Folder;
use super::respond::{Script, Step};
use super::server::Listener;
use super::verdict::Judge;
use super::{page, server};
use crate::args::secrets::SecretArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::{ODD, QUIET, STRONG};
use crate::send::client;
use crate::send::endpoint::RemoteArgs;

/// How long the end may take, when a terminal may have been stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The path that is shown where any will do: that of the examples.
const ANY_PATH: &str = "/webhooks/clerk";

const EXAMPLES: &str = "\
Examples:
  clerk-webhook listen
  clerk-webhook listen --open --forward http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook listen --respond 500,500,200 --record captures
  clerk-webhook --json listen | jq -r 'select(.origin == \"refused\") | .reason'

Nothing is fetched from Clerk: send something with `clerk-webhook trigger`, or let Clerk reach this machine by \
`clerk webhooks listen --forward-to URL` or a tunnel. One-time codes, messages, secret links and private metadata are \
never shown, only recorded.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    secrets: SecretArgs,

    /// Port to listen on; 0 takes a free one
    #[arg(long, short, default_value_t = 4000)]
    port: u16,

    /// Address to listen on; with one that is not of loopback others can send, but not see the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,

    /// Only path that deliveries are taken at [default: any]
    #[arg(long, value_parser = path)]
    path: Option<String>,

    /// Folder for a .http file of each delivery, which holds personal data: at most 256 MiB in a run, of which 64 MiB of
    /// what is refused
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,

    /// Answers to what is authentic, one after the other, the last one for all that follow: a status, one with
    /// Retry-After in seconds such as 409:30, or timeout
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    respond: Vec<Step>,

    /// Endpoint that each delivery is passed on to, whose answer the sender gets
    #[arg(long, value_name = "URL")]
    forward: Option<String>,

    #[command(flatten)]
    remote: RemoteArgs,

    /// Open the page in a browser, by an address that works once, since others on this machine can see it in the list of
    /// processes
    #[arg(long)]
    open: bool,

    /// Deliveries that are kept for the page and compared with, at most 64 MiB of them
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,

    /// Largest body that is taken, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1..=64 * 1024 * 1024))]
    max_body: u32,
}

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        client::block_on(self.listen(output))
    }

    async fn listen(self, output: &Output) -> Result<(), Failure> {
        let secrets = match self.secrets.sources()?.as_slice() {
            [] => Vec::new(),
            _ => self.secrets.secrets()?,
        };
        let forward =
            self.forward.as_deref().map(|url| Forward::new(self.remote.endpoint(url)?)).transpose()?;
        if let Some(folder) = &self.record {
            fs::create_dir_all(folder)
                .map_err(|error| Failure::usage(format_args!("cannot make {}: {error}", folder.display())))?;
        }
        let socket =
            TcpListener::bind((self.host, self.port)).await.map_err(|error| self.cannot_listen(&error))?;
        let address = socket.local_addr().map_err(|error| self.cannot_listen(&error))?;

        if let Some(forward) = forward.as_ref().filter(|forward| forward.leads_to(address)) {
            return Err(Failure::usage(format_args!(
                "{} is this listener itself: forward to the endpoint of your server",
                forward.endpoint()
            )));
        }

        let page = Page::new(endpoint(address, self.path.as_deref())).map_err(|error| {
            Failure::usage(format_args!("the system has no random bytes to give: {error}"))
        })?;
        let printer = Printer::start(output.is_json(), secrets.len() > 1);
        let max_body = usize::try_from(self.max_body).unwrap_or(usize::MAX);
        let judge = Judge::new(secrets, max_body).map_err(Failure::usage)?;
        let listener = Arc::new(Listener {
            host: self.host,
            port: address.port(),
            path: self.path,
            max_body,
            judge,
            history: History::new(usize::from(self.limit)),
            script: Script::new(self.respond),
            forward,
            record: self.record.map(|path| Arc::new(Folder::new(path))),
            lines: printer.lines,
            page,
            underway: RwLock::new(()),
            ends: watch::Sender::new(false),
        });
        let interrupted = interruption();
        introduce(output, &listener)?;
        if self.open
            && let Some(once) = page_url(&listener, &listener.page.entrance_for_once())
        {
            open(&once);
        }

        let mut end = printer.end;
        let stopped = tokio::select! {
            () = server::serve(socket, Arc::clone(&listener)) => Ok(()),
            printed = &mut end => printed.unwrap_or(Ok(())),
            () = interrupted => Ok(()),
        };
        stopped?;
        // What has arrived is shown, as far as the terminal takes it, and then the end.
        let last_words = async {
            listener.end().await;
            let summary = summary(&listener.history);
            listener.print(Line::Last(summary.clone())).await;
            let printed = end.await.unwrap_or(Ok(()));
            if output.is_json() {
                say(summary);
            }
            printed
        };
        tokio::time::timeout(LAST_WORDS, last_words).await.unwrap_or(Ok(()))
    }

    fn cannot_listen(&self, error: &io::Error) -> Failure {
        let address = SocketAddr::new(self.host, self.port);
        match error.kind() {
            io::ErrorKind::AddrInUse => Failure::usage(format_args!(
                "port {} is in use: end what listens there, or give another one with --port; --port 0 takes a free one",
                self.port
            )),
            io::ErrorKind::PermissionDenied => Failure::usage(format_args!(
                "this user may not listen on port {}: give one above 1023 with --port",
                self.port
            )),
            io::ErrorKind::AddrNotAvailable => {
                Failure::usage(format_args!("{} is no address of this machine", self.host))
            }
            _ => Failure::usage(format_args!("cannot listen on {address}: {error}")),
        }
    }
}

fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.contains(['?', '#']) || text.parse::<http::Uri>().is_err() {
        return Err("a path begins with a slash, such as /webhooks/clerk".to_owned());
    }
    if page::is_for(text) {
        return Err(format!("{} is the page's", page::ROOT));
    }
    Ok(text.to_owned())
}

/// Returns the URL that deliveries go to, by an address that leads here.
fn endpoint(address: SocketAddr, path: Option<&str>) -> String {
    let path = path.unwrap_or(ANY_PATH);
    if address.ip().is_unspecified() {
        return format!("http://127.0.0.1:{}{path}", address.port());
    }
    format!("http://{address}{path}")
}

/// Returns the URL of an entrance to the page; none where it listens on no address of loopback, which the page is only for.
fn page_url(listener: &Listener, entrance: &str) -> Option<String> {
    let host = match listener.host {
        host if host.is_unspecified() => "127.0.0.1".to_owned(),
        host if !host.is_loopback() => return None,
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    };
    Some(format!("http://{host}:{}{entrance}", listener.port))
}

fn verifies(secrets: usize) -> String {
    match secrets {
        0 => "nothing: no signing secret was given".to_owned(),
        1 => "with one signing secret".to_owned(),
        several => format!("with {several} signing secrets"),
    }
}

/// Says where it listens and what it does; with `--json` on standard error.
fn introduce(output: &Output, listener: &Listener) -> Result<(), Failure> {
    let endpoint = &listener.page.endpoint;
    let taken = if listener.judge.secrets().is_empty() { "every event" } else { "what is authentic" };
    let answers = match (&listener.script, &listener.forward) {
        (Some(script), _) => format!("{script} to {taken}, 400 to all else"),
        (None, Some(forward)) => format!("what {} answers", forward.endpoint()),
        (None, None) => format!("200 to {taken}, 400 to all else"),
    };
    let any = if listener.path.is_none() { "  (or any other path)" } else { "" };
    let mut lines = vec![
        format!("endpoint  {STRONG}{endpoint}{STRONG:#}{QUIET}{any}{QUIET:#}"),
        match page_url(listener, &listener.page.entrance()) {
            Some(page) => format!("page      {STRONG}{page}{STRONG:#}"),
            None => {
                "page      none: it is for this machine only, so listen on 127.0.0.1 or 0.0.0.0".to_owned()
            }
        },
        format!("verifies  {}", verifies(listener.judge.secrets().len())),
    ];
    if listener.judge.secrets().is_empty() {
        lines.push(format!(
            "{ODD}          Set CLERK_WEBHOOK_SIGNING_SECRET, or give --secret or --secret-file, to verify.{ODD:#}"
        ));
    }
    lines.push(format!("answers   {answers}"));
    if let (Some(_), Some(forward)) = (&listener.script, &listener.forward) {
        lines.push(format!("forwards  to {}", forward.endpoint()));
    }
    if let Some(folder) = &listener.record {
        lines.push(format!("records   into {}, personal data as it is", folder.path().display()));
    }
    if !listener.host.is_loopback() {
        lines.push(format!(
            "{ODD}Whoever reaches {} can send deliveries here; the page is for this machine only.{ODD:#}",
            listener.host
        ));
    }
    lines.push(String::new());
    lines.push(format!("{QUIET}Nothing is fetched from Clerk. Send something:{QUIET:#}"));
    lines.push(format!("  clerk-webhook trigger user.created --to {endpoint}"));
    lines.push(format!("  clerk webhooks listen --forward-to {endpoint}"));
    let origin = endpoint.strip_suffix(listener.path.as_deref().unwrap_or(ANY_PATH)).unwrap_or(endpoint);
    lines.push(format!("  cloudflared tunnel --url {origin}"));
    lines.push(format!("{QUIET}Ctrl-C ends it.{QUIET:#}\n"));
    for line in lines {
        if output.is_json() {
            say(line);
        } else {
            output.line(line)?;
        }
    }
    Ok(())
}

/// Returns how many deliveries there were, and what became of them.
fn summary(history: &History) -> String {
    let outcomes = history.outcomes();
    let all: u64 = outcomes.values().sum();
    let each: Vec<_> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    match all {
        0 => "no delivery".to_owned(),
        1 => format!("1 delivery: {}", outcomes.keys().copied().collect::<String>()),
        _ => format!("{all} deliveries: {}", each.join(", ")),
    }
}

/// Waits for Ctrl-C, or for the SIGTERM of whatever has started this; both are caught from the call on.
#[cfg(unix)]
fn interruption() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};

    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        match signals {
            [Ok(mut interrupt), Ok(mut terminate)] => {
                tokio::select!(_ = interrupt.recv() => {}, _ = terminate.recv() => {});
            }
            // Then they do what they do to every process.
            _ => std::future::pending().await,
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn interruption() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Opens a page in the browser, or says that this did not work. Every user of this machine can read the URL.
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
            "cannot open a browser with {program}: {error}; open the address of the page above"
        ));
    }
}
