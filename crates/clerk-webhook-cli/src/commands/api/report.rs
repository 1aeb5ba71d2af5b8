//! The introduction, and a line for each request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use clerk_webhook_test::{FakeBackendApi, ObjectKind};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::args::Args;
use crate::args::moment::Moment;
use crate::failure::Failure;
use crate::output::style::{BAD, GOOD, ODD, QUIET, STRONG};
use crate::output::{Output, note, printable};
use crate::text::{size, time};

/// The number of requests that can wait for a slow or stopped terminal.
const QUEUE: usize = 256;

/// The maximum length of a printed path, in characters.
const MAX_TARGET: usize = 200;

/// The kinds of served objects, and their names.
const KINDS: [(ObjectKind, &str, &str); 8] = [
    (ObjectKind::User, "user", "users"),
    (ObjectKind::Organization, "organization", "organizations"),
    (ObjectKind::OrganizationMembership, "membership", "memberships"),
    (ObjectKind::OrganizationInvitation, "invitation", "invitations"),
    (ObjectKind::OrganizationDomain, "domain", "domains"),
    (ObjectKind::Role, "role", "roles"),
    (ObjectKind::Permission, "permission", "permissions"),
    (ObjectKind::WaitlistEntry, "waitlist entry", "waitlist entries"),
];

/// A request and its response.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) method: Method,
    /// The path and the query.
    pub(super) target: String,
    pub(super) status: StatusCode,
    pub(super) bytes: usize,
    pub(super) delay: Option<Duration>,
    pub(super) is_cut: bool,
}

/// Prints on a separate thread, so that a stopped terminal does not delay Ctrl-C.
#[derive(Debug)]
pub(super) struct Printer {
    pub(super) lines: mpsc::Sender<Line>,
    /// Completes when printing fails.
    pub(super) end: oneshot::Receiver<Result<(), Failure>>,
}

impl Printer {
    pub(super) fn start(json: bool) -> Self {
        let (lines, mut receiver) = mpsc::channel::<Line>(QUEUE);
        let (done, end) = oneshot::channel();
        thread::spawn(move || {
            let output = Output::new(json);
            let mut print = || {
                while let Some(line) = receiver.blocking_recv() {
                    line.print(&output)?;
                }
                Ok(())
            };
            // Nobody waits for the result if the command ends.
            let _ = done.send(print());
        });
        Self { lines, end }
    }
}

impl Line {
    fn print(&self, output: &Output) -> Result<(), Failure> {
        output.object(&json!({
            "type": "request",
            "method": self.method.as_str(),
            "path": self.target,
            "status": self.status.as_u16(),
            "bytes": self.bytes,
            "delay_milliseconds": self.delay.map(|delay| delay.as_millis()),
            "cut_off": self.is_cut,
        }))?;
        let style = if self.status.is_success() { GOOD } else { BAD };
        let mut line = format!(
            "{style}{}{style:#}  {} {}  {QUIET}{}{QUIET:#}",
            self.status.as_u16(),
            self.method,
            printable(&self.target, MAX_TARGET),
            size(self.bytes)
        );
        if let Some(delay) = self.delay {
            line += &format!("  {ODD}after {}{ODD:#}", time(delay));
        }
        if self.is_cut {
            line += &format!("  {ODD}cut off{ODD:#}");
        }
        output.line(line)
    }
}

/// Prints the address, the key, and what the API serves.
pub(super) fn introduce(
    output: &Output,
    args: &Args,
    api: &FakeBackendApi,
    address: SocketAddr,
    seed: u64,
) -> Result<(), Failure> {
    // `backfill` refuses the address of all interfaces.
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = format!("http://{}/v1", SocketAddr::new(ip, address.port()));
    let (key, scenario) = (FakeBackendApi::SECRET_KEY, args.scenario.name());
    let is_served = |kind| !args.without.iter().any(|feature| feature.serves(kind));
    let kinds = KINDS.iter().filter(|(kind, ..)| is_served(*kind));
    let counts: Vec<_> = kinds.map(|(kind, one, several)| (one, several, api.count(*kind))).collect();
    let by_name = counts.iter().map(|(_, several, count)| (several.replace(' ', "_"), (*count).into()));
    output.object(&json!({
        "type": "start",
        "url": url,
        "secret_key": key,
        "instance_id": api.instance_id(),
        "scenario": scenario,
        "seed": seed,
        "position": api.position(),
        "without": args.without.iter().map(|feature| feature.name()).collect::<Vec<_>>(),
        "objects": by_name.collect::<serde_json::Map<_, _>>(),
    }))?;
    let served = counts.iter().map(|(one, several, count)| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    });
    let served: Vec<_> = served.collect();
    let disabled: Vec<_> = args.without.iter().map(|feature| feature.name()).collect();
    let disabled =
        if disabled.is_empty() { String::new() } else { format!(", without {}", disabled.join(", ")) };
    let history = format!("{scenario} --seed {seed}{}", options(args, api.position()));
    for line in [
        format!("api       {STRONG}{url}{STRONG:#}"),
        format!("key       {key}{QUIET}  (public, and the only one that is accepted){QUIET:#}"),
        format!("instance  {}", api.instance_id()),
        format!("history   {history}, after event {}", api.position()),
        format!("serves    {}{disabled}", served.join(", ")),
        String::new(),
        format!("{QUIET}Import these objects, or send the events that created them:{QUIET:#}"),
        format!("  CLERK_SECRET_KEY={key} clerk-webhook backfill --api-url {url} --database sqlite:app.db"),
        format!("  clerk-webhook scenario {history}"),
        format!("{QUIET}Press Ctrl-C to stop.{QUIET:#}\n"),
    ] {
        output.line(line)?;
    }
    if !address.ip().is_loopback() {
        note(format_args!("other machines can read the objects at {address}"));
    }
    Ok(())
}

/// Returns the options of the history besides its seed, for the command line of `scenario`.
fn options(args: &Args, position: usize) -> String {
    let history = &args.history;
    let mut options = match history.users {
        Some(users) => format!(" --users {users}"),
        // The first events of a history do not depend on its length.
        None => format!(" --events {position}"),
    };
    if let Some(start) =
        history.start.and_then(|Moment(start)| jiff::Timestamp::from_millisecond(start.as_millis()).ok())
    {
        options += &format!(" --start {start}");
    }
    if history.ties {
        options += " --ties";
    }
    options
}
