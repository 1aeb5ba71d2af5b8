//! Sends arbitrary requests to every stack. Nothing panics, no forgery is accepted, and frame boundaries have
//! no effect.

use std::sync::LazyLock;

use bytes::Bytes;
use clerk_webhook_core::{HeaderFamily, Timestamp, Verifier};
use clerk_webhook_tests::body::{ScriptedBody, Step};
use clerk_webhook_tests::request::{signed, unsigned, verifier};
use clerk_webhook_tests::{message_id, secret};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::stacks::{Exchange, Stack, exchange};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());

/// Sends a request to every stack.
fn exchanges(verifier: &Verifier, request: impl Fn() -> Request<ScriptedBody>) -> Vec<(Stack, Exchange)> {
    let exchange = |stack| RUNTIME.block_on(exchange(stack, verifier.clone(), request()));
    Stack::without_socket().map(|stack| (stack, exchange(stack))).collect()
}

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

/// Everything that a body can do except wait.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => vec(any::<u8>(), 0..64).prop_map(|data| Step::Data(data.into())),
        1 => Just(Step::Pending),
        1 => Just(Step::Trailers(HeaderMap::new())),
        1 => Just(Step::Break),
    ]
}

/// Splits a body at arbitrary positions, with a pending poll after each frame.
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
    fn rejects_arbitrary_requests(
        headers in vec((header_name(), header_value()), 0..8),
        steps in vec(step(), 0..8),
        limit in prop_oneof![0_usize..256, Just(usize::MAX)],
    ) {
        let request = || {
            let mut request = unsigned(ScriptedBody::new(steps.clone()));
            for (name, value) in &headers {
                request.headers_mut().append(name.clone(), value.clone());
            }
            request
        };
        let verifier = Verifier::builder().secret(secret()).body_limit(limit).build().unwrap();
        for (stack, Exchange { response, delivered }) in exchanges(&verifier, request) {
            prop_assert!([400, 413].contains(&response.status().as_u16()), "{stack}: {response:?}");
            prop_assert!(delivered.is_empty(), "{stack}");
        }
    }

    #[test]
    fn rejects_an_unsigned_body_with_valid_headers(
        other in vec(any::<u8>(), 0..256),
        steps in vec(step(), 0..8),
    ) {
        let data = |step: &Step| if let Step::Data(data) = step { data.to_vec() } else { Vec::new() };
        prop_assume!(steps.iter().flat_map(data).collect::<Vec<_>>() != other);
        let request = || signed(&other, ScriptedBody::new(steps.clone()));
        for (stack, Exchange { response, delivered }) in exchanges(&verifier(), request) {
            prop_assert_eq!(response.status(), 400, "{}", stack);
            prop_assert!(delivered.is_empty(), "{stack}");
        }
    }

    #[test]
    fn accepts_signed_events_in_arbitrary_frames(
        text in "\\PC{0,200}",
        space in "[ \t\r\n]{0,8}",
        cuts in vec(any::<prop::sample::Index>(), 0..12),
        family in prop_oneof![Just(HeaderFamily::Svix), Just(HeaderFamily::Webhook)],
    ) {
        let text = serde_json::to_string(&text).unwrap();
        let body = format!(r#"{{"data":{{"text":{space}{text}}},"type":"test"{space}}}{space}"#);
        let headers = secret().sign(&message_id(), Timestamp::now(), body.as_bytes()).family(family);
        let request = || {
            let mut request = unsigned(ScriptedBody::new(cut(body.as_bytes(), &cuts)));
            *request.headers_mut() = HeaderMap::from(&headers);
            request
        };
        for (stack, Exchange { response, delivered }) in exchanges(&verifier(), request) {
            prop_assert_eq!(response.status(), 200, "{}", stack);
            prop_assert_eq!(delivered.len(), 1, "{}", stack);
            prop_assert_eq!(&delivered[0].body, &body, "{}", stack);
            prop_assert_eq!(&delivered[0].event_type, "test", "{}", stack);
            prop_assert_eq!(&delivered[0].id, &message_id().to_string(), "{}", stack);
        }
    }
}
