//! Nothing panics and nothing forged gets in, whatever comes and however it is cut.

use std::sync::LazyLock;

use axum::body::Body;
use bytes::Bytes;
use clerk_webhook_core::{HeaderFamily, Timestamp};
use clerk_webhook_tests::{message_id, secret};
use clerk_webhook_tower::VerifyWebhookLayer;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::support::{PATH, Step, Steps, every_way, through_layer, verifier};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().unwrap());

fn header_name() -> impl Strategy<Value = HeaderName> {
    prop_oneof!["(svix|webhook)-(id|timestamp|signature)", "content-(length|type|encoding)", "[a-z-]{1,12}"]
        .prop_map(|name| HeaderName::try_from(name).unwrap())
}

fn header_value() -> impl Strategy<Value = HeaderValue> {
    prop_oneof![
        vec(any::<u8>(), 0..64),
        Just(Timestamp::now().as_secs().to_string().into_bytes()),
        Just(message_id().to_string().into_bytes()),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        "(v1|v2|v1a|)[, ]{0,2}[A-Za-z0-9+/=]{0,50}( v1,[A-Za-z0-9+/]{43}=)*".prop_map(String::into_bytes),
    ]
    .prop_filter_map("not a header value", |value| HeaderValue::from_bytes(&value).ok())
}

/// Whatever a body may do, except to wait for ever.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..64).prop_map(|data| Step::Data(data.into())),
        1 => Just(Step::Pending),
        1 => Just(Step::Trailers(HeaderMap::new())),
        1 => Just(Step::Error("connection reset")),
    ]
}

/// Cuts a body at places between nothing and all of it, with pauses and nothing in between.
fn cut(body: &[u8], cuts: &[prop::sample::Index]) -> Vec<Step> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .flat_map(|pair| [Step::Data(Bytes::copy_from_slice(&body[pair[0]..pair[1]])), Step::Pending])
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn arbitrary_requests_are_refused(
        headers in vec((header_name(), header_value()), 0..8),
        steps in vec(step(), 0..8),
        limit in prop_oneof![0_usize..256, Just(usize::MAX)],
    ) {
        let mut request = Request::post(PATH).body(Steps::new(steps)).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(name, value);
        }
        let layer = VerifyWebhookLayer::new(verifier()).body_limit(limit);
        let response = RUNTIME.block_on(through_layer(layer, request)).refused();
        prop_assert!([400, 413].contains(&response.status().as_u16()));
    }

    #[test]
    fn signed_headers_do_not_help_a_body_that_nobody_signed(
        signed in vec(any::<u8>(), 0..256),
        steps in vec(step(), 0..8),
    ) {
        let data = |step: &Step| if let Step::Data(data) = step { data.to_vec() } else { Vec::new() };
        prop_assume!(steps.iter().flat_map(data).collect::<Vec<_>>() != signed);
        let request = || super::support::delivery(&signed, Body::new(Steps::new(steps.clone())));
        for exchange in RUNTIME.block_on(every_way(&verifier(), request)) {
            prop_assert_eq!(exchange.refused().status(), 400);
        }
    }

    #[test]
    fn signed_events_arrive_however_they_are_cut(
        text in "\\PC{0,200}",
        space in "[ \t\r\n]{0,8}",
        cuts in vec(any::<prop::sample::Index>(), 0..12),
        family in prop_oneof![Just(HeaderFamily::Svix), Just(HeaderFamily::Webhook)],
    ) {
        let text = serde_json::to_string(&text).unwrap();
        let body = format!(r#"{{"data":{{"text":{space}{text}}},"type":"test"{space}}}{space}"#);
        let signed = secret().sign(&message_id(), Timestamp::now(), body.as_bytes()).family(family);
        let request = || {
            let steps = Steps::new(cut(body.as_bytes(), &cuts));
            let mut request = Request::post(PATH).body(Body::new(steps)).unwrap();
            *request.headers_mut() = HeaderMap::from(&signed);
            request
        };
        for exchange in RUNTIME.block_on(every_way(&verifier(), request)) {
            let (event, received) = exchange.accepted();
            prop_assert_eq!(&received, &body);
            prop_assert_eq!(event.raw_body(), &body);
            prop_assert_eq!(event.message_id(), &message_id());
        }
    }
}
