//! `--forward`: forwards deliveries unchanged, and resends them on request.

use std::net::SocketAddr;

use bytes::Bytes;
use clerk_webhook_core::{HeaderFamily, MessageId, SigningSecret, Timestamp};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;

use super::delivery::ReceivedDelivery;
use super::verdict::Origin;
use crate::capture::Capture;
use crate::failure::Failure;
use crate::send::client::{Answer, Client, SendError};
use crate::send::endpoint::Endpoint;
use crate::send::svix;

/// Headers that belong to the connection, and headers that the client sets.
const NOT_PASSED_ON: [HeaderName; 11] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Marks forwarded requests. A listener does not forward a request with this header.
pub(super) const HOP: HeaderName = HeaderName::from_static("x-clerk-webhook-hop");

/// Forwards deliveries to an endpoint.
#[derive(Debug)]
pub(super) struct Forward {
    client: Client,
    endpoint: Endpoint,
}

impl Forward {
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, Failure> {
        Ok(Self { client: Client::new(endpoint.uri(), svix::TIMEOUT)?, endpoint })
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns whether the endpoint is the listener itself.
    pub(super) fn leads_to(&self, address: SocketAddr) -> bool {
        port(self.endpoint.uri()) == address.port() && self.endpoint.is_loopback()
    }

    /// Forwards a request unchanged.
    pub(super) async fn pass_on(&self, capture: &Capture) -> Result<Answer, SendError> {
        self.send(&capture.headers, capture.body.clone()).await
    }

    /// Sends a delivery again, and returns whether it has a new signature.
    ///
    /// An authentic delivery gets the current time and a new signature, as in a retry by Svix. Other
    /// deliveries are sent unchanged and are never signed, because a signature would make them authentic.
    pub(super) async fn resend(
        &self,
        delivery: &ReceivedDelivery,
        secrets: &[SigningSecret],
    ) -> (bool, Result<Answer, SendError>) {
        let secret = delivery.secret.and_then(|number| secrets.get(number.checked_sub(1)?));
        let signed = match secret {
            Some(secret) if delivery.origin == Origin::Authentic => signed_anew(&delivery.capture, secret),
            _ => None,
        };
        let headers = signed.as_ref().unwrap_or(&delivery.capture.headers);
        (signed.is_some(), self.send(headers, delivery.capture.body.clone()).await)
    }

    async fn send(&self, headers: &[(String, Vec<u8>)], body: Bytes) -> Result<Answer, SendError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri().clone();
        let fields = headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        });
        fields.for_each(|(name, value)| {
            request.headers_mut().append(name, value);
        });
        remove_hop_by_hop(request.headers_mut());
        request.headers_mut().insert(HOP, HeaderValue::from_static("1"));
        self.client.send(request).await
    }
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })
}

/// Removes the hop-by-hop headers.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in named.iter().chain(&NOT_PASSED_ON) {
        headers.remove(name);
    }
}

/// Returns the captured headers with the same message id, but with the current time and a valid signature.
fn signed_anew(capture: &Capture, secret: &SigningSecret) -> Option<Vec<(String, Vec<u8>)>> {
    let family = [HeaderFamily::Svix, HeaderFamily::Webhook]
        .into_iter()
        .find(|family| capture.text(family.headers()[0].as_str()).is_some())?;
    let id: MessageId = capture.text(family.headers()[0].as_str())?.parse().ok()?;
    let signed = secret.sign(&id, Timestamp::now(), &capture.body).family(family).to_pairs();
    let mut headers = capture.headers.clone();
    headers.retain(|(name, _)| !signed.iter().any(|(signed, _)| name.eq_ignore_ascii_case(signed)));
    headers.extend(signed.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())));
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_depends_on_the_scheme() {
        for (uri, expected) in
            [("http://localhost/", 80), ("https://localhost/", 443), ("https://localhost:80/", 80)]
        {
            assert_eq!(port(&Uri::from_static(uri)), expected, "{uri}");
        }
    }

    #[test]
    fn removes_hop_by_hop_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("host", "example.com"),
            ("transfer-encoding", "chunked"),
            ("svix-id", "msg_1"),
            ("x-many", "1"),
            ("x-many", "2"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(left, [("svix-id", b"msg_1".as_slice()), ("x-many", b"1"), ("x-many", b"2")]);
    }
}
