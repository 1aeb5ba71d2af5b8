//! The page, and what it asks for: for a browser on this machine and nobody else.
//!
//! Any page that is open in a browser can send requests to this server, and by a name of its own that leads to 127.0.0.1 it
//! could even read the answers. A tunnel or another user of this machine looks like a browser that runs on it, too. So every
//! request needs the token of this run, 128 random bits that only the printed address has: the page that is opened by it keeps
//! it as a cookie, which no script sees and no other site sends along. The browser that `--open` starts gets another address,
//! see [`entrance`].
//!
//! Besides, and so that a token which has leaked is not enough, a request has to come from this machine, under a name of
//! this machine, through no proxy that says so, and where a browser says from which page it comes, from ours. What is changed
//! by a request needs a header that no foreign page may send.

mod entrance;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use self::entrance::{CODE, Entrance, Entry};
use super::delivery::Delivery;
use super::forward::describe;
use super::live::Line;
use super::redact;
use super::server::{Body, Listener, text, whole};
use super::text::clean;

/// Where the page is.
pub(super) const ROOT: &str = "/_clerk/";

/// What comes before the token in the query.
const TOKEN: &str = "token=";

/// How many pages may follow what arrives at the same time.
const MAX_FOLLOWERS: usize = 16;

/// How often something is sent, so that a connection that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How much of a payload is shown.
const MAX_PAYLOAD: usize = 256 * 1024;

/// How much of an answer is shown.
const MAX_ANSWER: usize = 2000;

/// Nothing but the files of this page, and nothing in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Only our own script sends it: a foreign page would have to ask first, and is told nothing.
const OWN_HEADER: &str = "x-clerk-webhook-page";

/// What a proxy or a tunnel adds, whatever it makes of the host.
const OF_PROXIES: [&str; 7] = [
    "cf-connecting-ip",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What there is once for all pages.
#[derive(Debug)]
pub(super) struct Page {
    /// Numbers of deliveries are those of this run.
    run: String,
    /// What the page shows is for whoever has it.
    token: String,
    once: Entrance,
    followers: Arc<AtomicUsize>,
    /// What a page shows at its top.
    pub(super) endpoint: String,
}

impl Page {
    /// Creates a page with a token of its own; there is none where the system has no random bytes.
    pub(super) fn new(endpoint: String) -> Result<Self, getrandom::Error> {
        let mut run = [0; 8];
        getrandom::fill(&mut run)?;
        let run = format!("{:016x}", u64::from_be_bytes(run));
        Ok(Self { run, token: random()?, once: Entrance::new()?, followers: Arc::default(), endpoint })
    }

    /// Returns where the page is opened the first time.
    pub(super) fn entrance(&self) -> String {
        format!("{ROOT}?{TOKEN}{}", self.token)
    }

    /// Returns the path and query that open the page once, for the arguments of a process.
    pub(super) fn entrance_for_once(&self) -> String {
        format!("{ROOT}?{CODE}{}", self.once.code())
    }

    /// Returns whether a request is for this address.
    fn is_entered_by<B>(&self, request: &Request<B>) -> bool {
        let uri = request.uri();
        let token = uri.query().and_then(|query| query.strip_prefix(TOKEN));
        uri.path() == ROOT && token.is_some_and(|token| is_same(token, &self.token))
    }

    /// Uses up the code of a request, if it has one.
    fn entry<B>(&self, request: &Request<B>) -> Option<Entry<'_>> {
        let uri = request.uri();
        let code = uri.query().and_then(|query| query.strip_prefix(CODE))?;
        if *request.method() != Method::GET || uri.path() != ROOT {
            return None;
        }
        self.once.enter(code)
    }

    /// Returns whether a request has a cookie that was given there.
    pub(super) fn is_open_to<B>(&self, request: &Request<B>, port: u16) -> bool {
        cookies(request, port).any(|cookie| is_same(cookie, &self.token) || self.once.admits(cookie))
    }

    /// Gives a browser a cookie, and leads it to an address that may be seen.
    fn enter(port: u16, value: &str) -> Response<Body> {
        let mut response = text(StatusCode::SEE_OTHER, "");
        let cookie = format!("{}={value}; Path={ROOT}; HttpOnly; SameSite=Strict", cookie(port));
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response.headers_mut().insert(LOCATION, HeaderValue::from_static(ROOT));
        response
    }
}

/// Cookies know no ports, and another listener has a page too.
fn cookie(port: u16) -> String {
    format!("clerk-webhook-page-{port}")
}

/// Returns the values of the cookies of this listener.
fn cookies<B>(request: &Request<B>, port: u16) -> impl Iterator<Item = &str> {
    let name = cookie(port);
    let cookies = request.headers().get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.flat_map(|value| value.split(';')).filter_map(|one| one.trim().split_once('='));
    cookies.filter_map(move |(given, value)| (given == name).then_some(value))
}

/// Returns 128 random bits as text.
fn random() -> Result<String, getrandom::Error> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// Compares in a time that says nothing about where texts of the same length differ.
fn is_same(left: &str, right: &str) -> bool {
    let differences = left.bytes().zip(right.bytes()).fold(0, |found, (left, right)| found | (left ^ right));
    left.len() == right.len() && differences == 0
}

/// Returns whether a path belongs to the page, and so not to deliveries.
pub(super) fn is_for(path: &str) -> bool {
    path == ROOT.trim_end_matches('/') || path.starts_with(ROOT)
}

/// Returns whether a request comes from this machine, to a name of this machine, and through nothing in between.
pub(super) fn is_local<B>(listener: &Listener, peer: SocketAddr, request: &Request<B>) -> bool {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    peer.ip().to_canonical().is_loopback()
        && only(request.headers(), &HOST).is_some_and(|host| is_own_name(listener, host))
        && authority.is_none_or(|host| is_own_name(listener, host))
        && !OF_PROXIES.iter().any(|name| request.headers().contains_key(*name))
}

/// Returns whether a host is one by which this machine reaches this port, and nobody else can mean another one.
fn is_own_name(listener: &Listener, host: &str) -> bool {
    let name = match host.strip_suffix(&format!(":{}", listener.port)) {
        Some(name) => name,
        None if listener.port == 80 => host,
        None => return false,
    };
    let own = match listener.host {
        std::net::IpAddr::V4(own) => own.to_string(),
        std::net::IpAddr::V6(own) => format!("[{own}]"),
    };
    let is_own = listener.host.is_loopback() && name == own;
    is_own || ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost")
}

/// Returns whether the page itself may have sent it, or somebody who has typed the address.
fn is_own_page(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let from_here = match site {
        // Not every browser says so.
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => navigates && *request.method() == Method::GET && request.uri().path() == ROOT,
    };
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    let own = only(headers, &HOST).map(|host| format!("http://{host}"));
    from_here && origin.is_none_or(|origin| own.is_some_and(|own| own.as_bytes() == origin))
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

pub(super) async fn respond(
    listener: &Arc<Listener>,
    peer: SocketAddr,
    request: &Request<Incoming>,
) -> Response<Body> {
    let mut response = if !is_local(listener, peer, request) || !is_own_page(request) {
        text(StatusCode::FORBIDDEN, "this page is for a browser on the machine of clerk-webhook listen\n")
    } else if listener.page.is_entered_by(request) {
        // Another user may have read the code, and the user of the printed address does not need it.
        if listener.page.once.close() {
            let note =
                "the printed address was opened, so the listener closed the page that --open had opened";
            listener.print(Line::Note(note.to_owned())).await;
        }
        Page::enter(listener.port, &listener.page.token)
    } else if let Some(entry) = listener.page.entry(request) {
        enter_once(listener, &entry).await
    } else if listener.page.is_open_to(request, listener.port) {
        route(listener, request).await
    } else {
        let advice =
            "open the address that clerk-webhook listen has printed, whole; each run has another one\n";
        text(StatusCode::FORBIDDEN, advice)
    };
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn enter_once(listener: &Listener, entry: &Entry<'_>) -> Response<Body> {
    let closes = match entry {
        Entry::Pass(pass) => return Page::enter(listener.port, pass),
        Entry::Refused { closes } => *closes,
    };
    if closes {
        let note = "the address that --open gave to the browser was used a second time, so the listener closed the page. \
                    Another user of this machine may have read the address. Open the printed address";
        listener.print(Line::Note(note.to_owned())).await;
    }
    let advice = "this address opens the page once and was used before; open the address that clerk-webhook listen has printed\n";
    text(StatusCode::FORBIDDEN, advice)
}

async fn route(listener: &Arc<Listener>, request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default();
    let of_delivery = path.strip_prefix("deliveries/").and_then(|rest| {
        let (number, action) = rest.split_once('/').unwrap_or((rest, ""));
        Some((number.parse::<u64>().ok()?, action))
    });
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match (path, of_delivery) {
        (_, Some((number, "resend"))) if *request.method() == Method::POST => {
            resend(listener, request, number).await
        }
        (_, Some((_, "resend"))) => not_allowed("POST"),
        _ if !reads => not_allowed("GET"),
        ("", _) => file("text/html; charset=utf-8", include_str!("index.html")),
        ("page.css", _) => file("text/css; charset=utf-8", include_str!("page.css")),
        ("page.js", _) => file("text/javascript; charset=utf-8", include_str!("page.js")),
        ("icon.svg", _) => file("image/svg+xml", include_str!("icon.svg")),
        ("follow", _) => follow(listener, request),
        (_, Some((number, ""))) => match listener.history.find(number) {
            Some(delivery) => json(StatusCode::OK, &detail(&delivery)),
            None => gone(),
        },
        _ => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    }
}

/// Sends what is kept, and then what arrives, as server-sent events.
fn follow(listener: &Arc<Listener>, request: &Request<Incoming>) -> Response<Body> {
    let followers = Arc::clone(&listener.page.followers);
    if followers.fetch_add(1, Ordering::Relaxed) >= MAX_FOLLOWERS {
        followers.fetch_sub(1, Ordering::Relaxed);
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open\n");
    }
    let follower = Follower(followers);
    // A browser that comes back says what it had last; of another run it has nothing.
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.split_once('-'));
    let seen = last.filter(|(run, _)| *run == listener.page.run).and_then(|(_, number)| number.parse().ok());
    let (sender, receiver) = mpsc::channel(4);
    let has_pass = !cookies(request, listener.port).any(|cookie| is_same(cookie, &listener.page.token));
    let listener = Arc::clone(listener);
    tokio::spawn(async move {
        let closed = async {
            if !has_pass {
                std::future::pending::<()>().await;
            }
            listener.page.once.closed().await;
        };
        tokio::select! {
            biased;
            () = closed => {}
            () = send_events(&listener, seen, sender, follower) => {}
        }
    });
    let mut response = Response::new(Body::Events(receiver));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// One page that follows what arrives, until it is dropped.
struct Follower(Arc<AtomicUsize>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn send_events(
    listener: &Listener,
    seen: Option<u64>,
    sender: mpsc::Sender<Bytes>,
    follower: Follower,
) {
    let mut latest = listener.history.watch();
    let hello = json!({
        "endpoint": listener.page.endpoint,
        "secrets": listener.judge.secrets().len(),
        "forward": listener.forward.as_ref().map(|forward| forward.endpoint().to_string()),
        "continues": seen.is_some(),
        "limit": listener.history.limit(),
    });
    let mut sent = seen.unwrap_or_default();
    let mut events = format!("retry: 1000\nevent: hello\ndata: {hello}\n\n");
    let mut caught_up = false;
    loop {
        latest.mark_unchanged();
        for delivery in listener.history.after(sent) {
            sent = delivery.number;
            let Ok(data) = serde_json::to_string(&*delivery) else { continue };
            events.push_str(&format!("id: {}-{sent}\ndata: {data}\n\n", listener.page.run));
            if sender.send(std::mem::take(&mut events).into()).await.is_err() {
                return;
            }
        }
        if !caught_up {
            events.push_str("event: caught-up\ndata: {}\n\n");
            caught_up = true;
        }
        if !events.is_empty() && sender.send(std::mem::take(&mut events).into()).await.is_err() {
            return;
        }
        tokio::select! {
            changed = latest.changed() => if changed.is_err() { break },
            () = sender.closed() => break,
            () = tokio::time::sleep(HEARTBEAT) => events.push_str(": still here\n\n"),
        }
    }
    drop(follower);
}

/// Returns all that may be shown of a delivery.
fn detail(delivery: &Delivery) -> serde_json::Value {
    let shown = |(name, value): &(String, Vec<u8>)| {
        json!([clean(name, 100), redact::header(&name.to_ascii_lowercase(), value)])
    };
    let payload = delivery.payload().and_then(|payload| serde_json::to_string_pretty(&payload).ok());
    let cut = payload.as_ref().is_some_and(|payload| payload.len() > MAX_PAYLOAD);
    json!({
        "delivery": delivery,
        "headers": delivery.capture.headers.iter().map(shown).collect::<Vec<_>>(),
        "payload": payload.map(|payload| payload.chars().take(MAX_PAYLOAD).collect::<String>()),
        "payload_is_cut": cut,
    })
}

async fn resend(listener: &Listener, request: &Request<Incoming>, number: u64) -> Response<Body> {
    if !request.headers().contains_key(OWN_HEADER) {
        return text(StatusCode::FORBIDDEN, "only the page of clerk-webhook may do this\n");
    }
    let Some(forward) = &listener.forward else {
        return text(StatusCode::CONFLICT, "start clerk-webhook listen with --forward URL\n");
    };
    let Some(delivery) = listener.history.find(number) else { return gone() };
    let (signed_anew, result) = forward.resend(&delivery, listener.judge.secrets()).await;
    let body = result.as_ref().ok().map(|answer| clean_answer(&answer.body));
    let answer = json!({ "signed_anew": signed_anew, "result": describe(&result).remark_on(delivery.origin), "body": body });
    json(StatusCode::OK, &answer)
}

fn clean_answer(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    body.chars().filter(|character| *character == '\n' || !character.is_control()).take(MAX_ANSWER).collect()
}

fn file(content_type: &'static str, text: &'static str) -> Response<Body> {
    whole(StatusCode::OK, content_type, text)
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    whole(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

fn gone() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "this delivery is not kept any more\n")
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {method}\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    response
}
