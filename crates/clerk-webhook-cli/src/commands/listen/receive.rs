//! The endpoint: reads, verifies, and records deliveries, and responds to them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clerk_webhook_core::{Answer, Outcome, ReceiveError, Timestamp};
use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;

use super::delivery::{Forwarded, ReceivedDelivery};
use super::forward::{HOP, remove_hop_by_hop};
use super::printer::Line;
use super::record::NotRecorded;
use super::script::Step;
use super::state::Listener;
use super::verdict::{DeliveryVerdict, Origin};
use crate::capture::Capture;
use crate::output::printable;
use crate::send::client::{self, SendErrorKind};
use crate::send::svix;
use crate::server::limits::BODY_TIMEOUT;
use crate::server::response::{Body, NoResponse, complete, text};

/// How long `--respond timeout` keeps a request open without a response. This is longer than the sender
/// waits.
const SILENCE: Duration = Duration::from_secs(svix::TIMEOUT.as_secs() * 2);

/// The reply to a request.
enum Reply {
    Now(Box<Response<Body>>),
    Never,
}

pub(super) async fn respond(
    listener: Arc<Listener>,
    request: Request<Incoming>,
) -> Result<Response<Body>, NoResponse> {
    if let Some(path) = listener.path.as_deref().filter(|path| *path != request.uri().path()) {
        let note = format!(
            "ignored a POST to {}: deliveries are accepted only at {path}",
            printable(request.uri().path(), 120)
        );
        let answer = text(StatusCode::NOT_FOUND, format!("deliveries are accepted only at {path}\n"));
        listener.print(Line::Note(note)).await;
        return Ok(answer);
    }
    if listener.forward.is_some() && request.headers().contains_key(HOP) {
        let note = "ignored a forwarded POST: forwarding it again could form a loop of listeners";
        let answer = text(StatusCode::LOOP_DETECTED, "a listener has already forwarded this request\n");
        listener.print(Line::Note(note.to_owned())).await;
        return Ok(answer);
    }
    // If the client disconnects, this future is dropped. The spawned task still forwards, records, and shows
    // the delivery.
    let (sender, reply) = oneshot::channel();
    tokio::spawn(receive(listener, request, sender));
    match reply.await {
        Ok(Reply::Now(response)) => Ok(*response),
        Ok(Reply::Never) => {
            tokio::time::sleep(SILENCE).await;
            Err(NoResponse)
        }
        Err(_) => Err(NoResponse),
    }
}

async fn receive(listener: Arc<Listener>, request: Request<Incoming>, sender: oneshot::Sender<Reply>) {
    let received_at = Timestamp::now();
    let (head, body) = request.into_parts();
    let read = read(&head.headers, body, listener.max_body).await;
    let _underway = match &read {
        Ok(_) => Some(listener.underway.read().await),
        Err(_) => None,
    };
    let capture = Capture {
        place: "the network".to_owned(),
        target: head.uri.path_and_query().map(ToString::to_string),
        headers: fields(&head.headers),
        body: read.clone().unwrap_or_default(),
        ..Capture::default()
    };
    let verdict = match &read {
        Ok(_) => listener.judge.judge(&capture),
        Err(error) => DeliveryVerdict::refused(error),
    };
    let answer = verdict.answer;
    let is_unexplained = verdict.is_unexplained;
    let mut delivery = ReceivedDelivery::new(capture, received_at, verdict);
    if read.is_ok() {
        delivery = listener.record(delivery).await;
    }
    let mut reply = match (&listener.script, delivery.origin) {
        (Some(script), Origin::Authentic | Origin::Unverified) => script.next().map(scripted),
        _ => None,
    };
    if let (Some(forward), Ok(_)) = (&listener.forward, &read) {
        let result = listener.before_the_end(forward.pass_on(&delivery.capture)).await;
        delivery.forwarded = Some(match &result {
            Some(result) => Forwarded::of(result, delivery.origin),
            None => Forwarded::unanswered(),
        });
        // With `--respond`, the endpoint's response is shown, but not returned to the sender.
        let is_fixed = listener.script.is_some();
        if !is_fixed {
            reply = Some(result.map_or(Reply::Never, |result| Reply::Now(Box::new(forwarded(result)))));
        }
    }
    let reply = reply.unwrap_or_else(|| Reply::Now(Box::new(own(answer))));
    if let Reply::Now(response) = &reply {
        delivery.status = Some(response.status().as_u16());
    }
    let Some(permit) = is_unexplained.then(|| listener.judge.diagnosis_permit()).flatten() else {
        listener.show(delivery).await;
        // If the client has disconnected, nothing receives the reply.
        let _ = sender.send(reply);
        return;
    };
    // Replies before the diagnosis, so that the client does not wait for it.
    let _ = sender.send(reply);
    let found = listener.before_the_end(listener.judge.diagnose(&delivery.capture, permit)).await.flatten();
    // Holds the permit until this delivery has been shown, so that diagnoses do not accumulate.
    let _permit = found.map(|(diagnosis, permit)| {
        delivery.explain(diagnosis);
        permit
    });
    listener.show(delivery).await;
}

/// Reads a body, with limits on its size and on the time that it takes to arrive.
async fn read(headers: &HeaderMap, mut body: Incoming, limit: usize) -> Result<Bytes, ReceiveError> {
    let claimed = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if claimed.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |bytes| bytes > limit)) {
        return Err(ReceiveError::body_too_large(limit));
    }
    let reading = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(ReceiveError::body_failed)?.into_data() else { continue };
            if data.len() > limit - whole.len() {
                return Err(ReceiveError::body_too_large(limit));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or_else(|_| Err(ReceiveError::body_timeout()))
}

/// Returns the headers without `Transfer-Encoding`, because the body is no longer chunked.
fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
    headers.iter().filter(|(name, _)| *name != TRANSFER_ENCODING).map(field).collect()
}

impl Listener {
    async fn show(&self, delivery: ReceivedDelivery) {
        let delivery = self.history.add(delivery);
        self.print(Line::Delivery(delivery)).await;
    }

    /// Records a delivery, if `--record` is set.
    async fn record(&self, mut delivery: ReceivedDelivery) -> ReceivedDelivery {
        let Some(folder) = self.record.clone() else { return delivery };
        let write = move || {
            let error = match folder.write(&delivery) {
                Ok(path) => {
                    delivery.recorded = Some(path);
                    None
                }
                Err(NotRecorded::Failed(error)) => {
                    Some(format!("cannot write to {}: {error}", folder.path().display()))
                }
                Err(NotRecorded::Full(reason)) => Some(reason.to_owned()),
                // The limit is reported only once, for the first delivery that is not recorded.
                Err(NotRecorded::StillFull) => None,
            };
            delivery.record_error = error;
            delivery
        };
        // Uses a blocking thread, because a slow disk must not block other deliveries.
        match tokio::task::spawn_blocking(write).await {
            Ok(delivery) => delivery,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// Returns the library's response, or 200 with the `unverified` outcome if there is no secret.
fn own(answer: Option<Answer>) -> Response<Body> {
    let Some(answer) = answer else {
        return complete(StatusCode::OK, "application/json", r#"{"outcome":"unverified"}"#);
    };
    let status = StatusCode::from_u16(answer.status()).unwrap_or_default();
    complete(status, answer.content_type(), answer.body())
}

fn scripted(step: Step) -> Reply {
    let Step::Status { status, retry_after } = step else { return Reply::Never };
    let outcome = match status {
        200..=299 => Outcome::Processed,
        409 => Outcome::InProgress,
        422 => Outcome::Rejected,
        503 => Outcome::StoreUnavailable,
        _ => Outcome::Failed,
    };
    // hyper omits the body for statuses that do not allow one.
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let mut response = complete(status, "application/json", Answer::from(outcome).body());
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    Reply::Now(Box::new(response))
}

/// Returns the endpoint's response, or an error status if the endpoint did not respond.
fn forwarded(result: Result<client::Answer, client::SendError>) -> Response<Body> {
    match result {
        Ok(answer) => {
            let mut response = complete(answer.status, "text/plain", answer.body);
            let mut headers = answer.headers;
            remove_hop_by_hop(&mut headers);
            response.headers_mut().remove(CONTENT_TYPE);
            response.headers_mut().extend(headers);
            // HTML of the endpoint must not run as a part of the listener's page, which has the same origin.
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
            response
        }
        Err(error) => {
            let status = match error.kind {
                SendErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            };
            let title = status.canonical_reason().unwrap_or_default();
            let body = format!(r#"{{"title":"{title}","status":{}}}"#, status.as_u16());
            complete(status, "application/problem+json", body)
        }
    }
}
