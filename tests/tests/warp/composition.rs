//! Combinations with other filters.

use std::convert::Infallible;
use std::sync::Arc;

use clerk_webhook_core::{Event, Outcome, Verifier};
use clerk_webhook_tests::request::{self, BODY, collect, verifier};
use clerk_webhook_tests::{OTHER_SECRET, message_id};
use clerk_webhook_tower::VerifyWebhookLayer;
use clerk_webhook_warp::{clerk_event, clerk_event_or_reply, handle_rejection, optional_clerk_event};
use tower::{Layer as _, ServiceExt as _};
use warp::http::StatusCode;
use warp::{Filter, Rejection, Reply};

use super::support::{assert_accepted, assert_rejected, delivery, event_type, forged, stale, unsigned};

#[derive(Clone)]
struct Database(Arc<str>);

fn with(database: Database) -> impl Filter<Extract = (Database,), Error = Infallible> + Clone {
    warp::any().map(move || database.clone())
}

#[tokio::test]
async fn combines_with_path_method_state_and_headers() {
    let routes = warp::path!("webhooks" / String)
        .and(warp::post())
        .and(with(Database("database".into())))
        .and(clerk_event(verifier()))
        .and(warp::header("host"))
        .map(|name: String, database: Database, event: Event, host: String| {
            format!("{name} {} {} {host}", database.0, event.message_id())
        })
        .recover(handle_rejection);
    let delivered = || delivery(BODY).header("host", "localhost");
    let expected = format!("clerk database {} localhost", message_id());
    assert_accepted(&delivered().reply(&routes).await, &expected);
    assert_rejected(&forged().reply(&routes).await, Outcome::InvalidSignature);
    // Other routes receive requests for other paths.
    assert_eq!(delivered().path("/elsewhere").reply(&routes).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(delivered().method("PUT").reply(&routes).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn one_recover_handles_the_rejections_of_several_routes() {
    let webhook =
        warp::path!("webhooks" / "clerk").and(warp::post()).and(clerk_event(verifier())).map(event_type);
    let other = warp::path!("other").and(warp::body::bytes()).map(|_| "other");
    let fallible = warp::path!("fallible").and(warp::header::<u64>("x-number")).map(|_| "fallible");
    let routes = webhook.or(other).or(fallible).recover(handle_rejection);
    assert_accepted(&delivery(BODY).reply(&routes).await, "user.deleted");
    assert_rejected(&forged().reply(&routes).await, Outcome::InvalidSignature);
    assert_accepted(&unsigned().path("/other").reply(&routes).await, "other");
    assert_eq!(unsigned().path("/fallible").reply(&routes).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(unsigned().path("/nowhere").reply(&routes).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_rejection_by_headers_leaves_the_body_to_the_next_filter() {
    let fallback = warp::body::bytes().map(|body: bytes::Bytes| String::from_utf8(body.into()).unwrap());
    let routes = clerk_event(verifier()).map(event_type).or(fallback).recover(handle_rejection);
    assert_accepted(&delivery(BODY).reply(&routes).await, "user.deleted");
    assert_accepted(&unsigned().reply(&routes).await, BODY);
    assert_accepted(&stale().reply(&routes).await, BODY);
    // The body was read, so the next filter fails too. The rejection of `clerk_event` has priority.
    assert_rejected(&forged().reply(&routes).await, Outcome::InvalidSignature);
    assert_rejected(&delivery("{").reply(&routes).await, Outcome::NotAnEvent);
}

#[tokio::test]
async fn clerk_event_or_reply_answers_before_a_catch_all_filter() {
    // If `clerk_event` rejects the delivery, the catch-all filter answers. `clerk_event_or_reply` prevents
    // this.
    let everything = || warp::any().map(|| "everything");
    let rejecting = clerk_event(verifier()).map(event_type).or(everything());
    assert_accepted(&forged().reply(&rejecting).await, "everything");

    let answering = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(clerk_event_or_reply(verifier(), async |event: Event| event_type(event)))
        .or(everything());
    assert_accepted(&delivery(BODY).reply(&answering).await, "user.deleted");
    assert_rejected(&forged().reply(&answering).await, Outcome::InvalidSignature);
    assert_rejected(&stale().reply(&answering).await, Outcome::ExpiredTimestamp);
    assert_rejected(&unsigned().reply(&answering).await, Outcome::MissingHeader);
    assert_rejected(&delivery("{").reply(&answering).await, Outcome::NotAnEvent);
    assert_accepted(&delivery(BODY).path("/elsewhere").reply(&answering).await, "everything");
}

#[tokio::test]
async fn a_handler_can_capture_state_and_return_any_reply() {
    let database = Database("database".into());
    let handler = move |event: Event| {
        let database = database.clone();
        async move {
            if event.message_id() != &message_id() {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            Ok(format!("{} {}", database.0, event.event_type()))
        }
    };
    let route = clerk_event_or_reply(verifier(), handler);
    assert_accepted(&delivery(BODY).reply(&route).await, "database user.deleted");
    let failing = clerk_event_or_reply(verifier(), async |_| StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(delivery(BODY).reply(&failing).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_optional_event_is_none_only_without_signature_headers() {
    let routes = optional_clerk_event(verifier())
        .map(|event: Option<Event>| event.map_or("none".to_owned(), event_type))
        .recover(handle_rejection);
    assert_accepted(&delivery(BODY).reply(&routes).await, "user.deleted");
    assert_accepted(&unsigned().reply(&routes).await, "none");
    assert_rejected(&forged().reply(&routes).await, Outcome::InvalidSignature);
    assert_rejected(&stale().reply(&routes).await, Outcome::ExpiredTimestamp);
    for header in ["svix-id", "svix-timestamp", "svix-signature", "webhook-id", "webhook-signature"] {
        // A request with a single signature header, even an empty one, is treated as a delivery.
        let reply = unsigned().header(header, "").reply(&routes).await;
        assert_rejected(&reply, Outcome::MissingHeader);
    }
    // The body of an unsigned request is not read.
    let with_body = optional_clerk_event(verifier()).and(warp::body::bytes()).map(
        |event: Option<Event>, body: bytes::Bytes| {
            if event.is_none() { body.to_vec() } else { Vec::new() }
        },
    );
    assert_accepted(&unsigned().reply(&with_body).await, BODY);
}

#[tokio::test]
async fn the_filters_do_not_verify_a_second_time_inside_the_tower_layer() {
    async fn send<F>(filter: F) -> http::Response<bytes::Bytes>
    where
        F: Filter<Error = Rejection, Extract: Reply> + Clone,
    {
        let service = VerifyWebhookLayer::new(verifier()).layer(warp::service(filter));
        collect(service.oneshot(request::delivery(BODY)).await.unwrap()).await
    }

    // The filter's verifier would reject the delivery.
    let other = || Verifier::new(OTHER_SECRET).unwrap();
    let optional = optional_clerk_event(other()).map(|event: Option<Event>| event_type(event.unwrap()));
    let answering = clerk_event_or_reply(other(), async |event: Event| event_type(event));
    assert_accepted(&send(clerk_event(other()).map(event_type)).await, "user.deleted");
    assert_accepted(&send(optional).await, "user.deleted");
    assert_accepted(&send(warp::post().and(answering)).await, "user.deleted");
}
