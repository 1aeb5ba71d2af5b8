//! Signed requests of the `http` crate, and their responses.

use std::error::Error;
use std::fmt::Debug;

use bytes::Bytes;
use clerk_webhook_core::Verifier;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};

use crate::body::ScriptedBody;
use crate::{SECRET, sign};

/// An error of a body or a service.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The path of the endpoint.
pub const PATH: &str = "/webhooks/clerk";

/// A small event.
pub const BODY: &str = r#"{"data":{"deleted":true,"id":"user_1","object":"user"},"type":"user.deleted"}"#;

/// `{"data":{},"type":"test"}` compressed with gzip.
pub const GZIPPED: &[u8] = b"\
    \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x49\x2c\x49\x54\xb2\xaa\xae\xd5\x51\
    \x2a\xa9\x2c\x48\x55\xb2\x52\x2a\x49\x2d\x2e\x51\xaa\x05\x00\xcb\xa0\x0a\xfb\x19\x00\x00\
    \x00";

/// Returns a verifier that knows [`SECRET`].
#[must_use]
pub fn verifier() -> Verifier {
    Verifier::new(SECRET).expect("the constant is a valid secret")
}

/// Returns a request that contains one body and the signature of another.
#[must_use]
pub fn signed<B>(signed: &[u8], body: B) -> Request<B> {
    let mut request = unsigned(body);
    *request.headers_mut() = HeaderMap::from(&sign(signed));
    request
}

/// Returns a request without a signature.
#[must_use]
pub fn unsigned<B>(body: B) -> Request<B> {
    Request::post(PATH).body(body).expect("the path is valid")
}

/// Returns a delivery whose body is one frame with a known length.
#[must_use]
pub fn delivery(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let body = body.into();
    signed(&body.clone(), Full::new(body))
}

/// Returns a request that contains [`BODY`] and the signature of another body.
#[must_use]
pub fn forged() -> Request<Full<Bytes>> {
    signed(b"another body", Full::from(BODY))
}

/// Returns a delivery whose body arrives in frames of the given size and does not report its length.
#[must_use]
pub fn framed(body: &[u8], size: usize) -> Request<ScriptedBody> {
    signed(body, ScriptedBody::frames(body, size))
}

/// Reads the complete body of a response.
pub async fn collect<B: Body<Error: Debug>>(response: Response<B>) -> Response<Bytes> {
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.expect("the body is complete").to_bytes())
}
