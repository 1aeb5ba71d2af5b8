//! The routes of the page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::super::delivery::{Forwarded, ReceivedDelivery};
use super::super::printer::Line;
use super::super::state::Listener;
use super::access::{ROOT, is_own_page};
use super::entrance::Entry;
use crate::output::printable;
use crate::redact;
use crate::server::response::{Body, complete, text};

/// The maximum number of pages that follow the deliveries at the same time.
const MAX_FOLLOWERS: usize = 16;

/// The interval between comments in the event stream, which detect closed connections.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The maximum length of a shown payload, in characters.
const MAX_PAYLOAD: usize = 256 * 1024;

/// The maximum length of a shown response, in characters.
const MAX_ANSWER: usize = 2000;

/// The `Content-Security-Policy` header. It allows only the page's own files, and no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A header that only this page's script sends. Other sites would need CORS permission to send it.
const OWN_HEADER: &str = "x-clerk-webhook-page";

pub(crate) async fn respond(
    listener: &Arc<Listener>,
    peer: SocketAddr,
    request: &Request<Incoming>,
) -> Response<Body> {
    let mut response = if !listener.page.is_local(peer, request) || !is_own_page(request) {
        text(
            StatusCode::FORBIDDEN,
            "this page is available only to a browser on the machine that runs clerk-webhook listen\n",
        )
    } else if listener.page.is_entered_by(request) {
        // Another user might have read the code. It is not needed anymore, because the printed address works
        // as well.
        if listener.page.once().close() {
            let note =
                "the printed address was opened, so the listener closed the page that --open had opened";
            listener.print(Line::Note(note.to_owned())).await;
        }
        enter(&listener.page.token_cookie())
    } else if let Some(entry) = listener.page.entry(request) {
        enter_once(listener, &entry).await
    } else if listener.page.is_open_to(request) {
        route(listener, request).await
    } else {
        let advice =
            "open the complete address that clerk-webhook listen printed; it changes with each run\n";
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

/// Sets the cookie, and redirects to an address without the token.
fn enter(cookie: &str) -> Response<Body> {
    let mut response = text(StatusCode::SEE_OTHER, "");
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(ROOT));
    response
}

async fn enter_once(listener: &Listener, entry: &Entry<'_>) -> Response<Body> {
    let closes = match entry {
        Entry::Pass(pass) => return enter(&listener.page.cookie(pass)),
        Entry::Refused { closes } => *closes,
    };
    if closes {
        let note = "the address from --open was used a second time, so the listener closed the page. Another user of this \
                    machine may have read the address. Open the printed address";
        listener.print(Line::Note(note.to_owned())).await;
    }
    let advice = "this address works only once and was already used; open the address that clerk-webhook listen \
                  printed\n";
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
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// Sends the history and then new deliveries, as server-sent events.
fn follow(listener: &Arc<Listener>, request: &Request<Incoming>) -> Response<Body> {
    let followers = Arc::clone(&listener.followers);
    if followers.fetch_add(1, Ordering::Relaxed) >= MAX_FOLLOWERS {
        followers.fetch_sub(1, Ordering::Relaxed);
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open\n");
    }
    let follower = Follower(followers);
    // A browser that reconnects sends the id of the last event that it received. An id from another run is
    // ignored.
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.split_once('-'));
    let seen = last.filter(|(run, _)| *run == listener.run).and_then(|(_, number)| number.parse().ok());
    let (sender, receiver) = mpsc::channel(4);
    let has_pass = !listener.page.has_token(request);
    let listener = Arc::clone(listener);
    tokio::spawn(async move {
        let closed = async {
            if !has_pass {
                std::future::pending::<()>().await;
            }
            listener.page.once().closed().await;
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

/// A page that follows the deliveries. Dropping it decrements the number of followers.
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
        "endpoint": listener.endpoint,
        "secrets": listener.judge.secrets().len(),
        "forward": listener.forward.as_ref().map(|forward| forward.endpoint().redacted()),
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
            events.push_str(&format!("id: {}-{sent}\ndata: {data}\n\n", listener.run));
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

/// Returns the redacted details of a delivery.
fn detail(delivery: &ReceivedDelivery) -> serde_json::Value {
    let shown = |(name, value): &(String, Vec<u8>)| {
        json!([printable(name, 100), redact::header(&name.to_ascii_lowercase(), value)])
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
        return text(StatusCode::FORBIDDEN, "only the page of clerk-webhook listen can resend deliveries\n");
    }
    let Some(forward) = &listener.forward else {
        return text(
            StatusCode::CONFLICT,
            "to resend deliveries, start clerk-webhook listen with --forward URL\n",
        );
    };
    let Some(delivery) = listener.history.find(number) else { return gone() };
    let (signed_anew, result) = forward.resend(&delivery, listener.judge.secrets()).await;
    let body = result.as_ref().ok().map(|answer| clean_answer(&answer.body));
    let answer = json!({ "signed_anew": signed_anew, "result": Forwarded::of(&result, delivery.origin), "body": body });
    json(StatusCode::OK, &answer)
}

fn clean_answer(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    body.chars().filter(|character| *character == '\n' || !character.is_control()).take(MAX_ANSWER).collect()
}

fn file(content_type: &'static str, text: &'static str) -> Response<Body> {
    complete(StatusCode::OK, content_type, text)
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    complete(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

fn gone() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "this delivery is no longer in the history\n")
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {method}\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    response
}
