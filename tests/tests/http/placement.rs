//! The place of the layer among other layers, as the guide's chapter `frameworks` describes it.

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use clerk_webhook_tests::request::{BODY, GZIPPED, PATH, collect, delivery, verifier};
use clerk_webhook_tower::VerifyWebhookLayer;
use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use tower::ServiceExt as _;
use tower_http::csrf::CsrfLayer;
use tower_http::decompression::RequestDecompressionLayer;

fn verified_route() -> Router {
    Router::new().route(PATH, post(async |body: Bytes| body).layer(VerifyWebhookLayer::new(verifier())))
}

async fn send(app: Router, request: Request<Full<Bytes>>) -> Response<Bytes> {
    collect(app.oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn an_outer_csrf_layer_accepts_deliveries() {
    let app = verified_route().layer(CsrfLayer::new());
    assert_eq!(send(app.clone(), delivery(BODY)).await.status(), StatusCode::OK);

    // The layer still rejects cross-site requests from browsers.
    let mut from_a_page = delivery(BODY);
    from_a_page.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(send(app, from_a_page).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_outer_decompression_layer_invalidates_the_signature_of_a_compressed_body() {
    let compressed = || {
        let mut request = delivery(GZIPPED);
        request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        request
    };
    let outside = verified_route().layer(RequestDecompressionLayer::new());
    let answer = send(outside.clone(), compressed()).await;
    assert_eq!(answer.body(), r#"{"title":"Bad Request","status":400}"#);

    // Clerk does not compress deliveries, so they pass.
    assert_eq!(send(outside, delivery(BODY)).await.status(), StatusCode::OK);

    // Without the outer layer, the signature of the compressed bytes matches, but they are not an event.
    let answer = send(verified_route(), compressed()).await;
    assert_eq!(answer.body(), r#"{"outcome":"not_an_event"}"#);
}
