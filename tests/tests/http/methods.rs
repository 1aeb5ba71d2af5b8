//! The method of a request does not matter: whoever puts the layer on a route wants all of it verified.

use http::Method;

use super::support::{BODY, every_way, verifier, whole};

#[tokio::test]
async fn every_method_is_verified() {
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let request = |signed| {
            let mut request = if signed { whole(BODY) } else { http::Request::new(BODY.into()) };
            request.method_mut().clone_from(&method);
            *request.uri_mut() = http::Uri::from_static(super::support::PATH);
            request
        };
        for exchange in every_way(&verifier(), || request(true)).await {
            assert_eq!(exchange.accepted().1, BODY, "{method}");
        }
        for exchange in every_way(&verifier(), || request(false)).await {
            assert_eq!(exchange.refused().status(), 400, "{method}");
        }
    }
}
