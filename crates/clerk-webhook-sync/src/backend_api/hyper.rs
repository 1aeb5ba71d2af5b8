//! The HTTP client.

use std::io;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::transport::{MAX_RESPONSE_BYTES, ResponseTooLarge, Transport, TransportError};

/// An HTTP client for [`BackendApi`](crate::BackendApi): hyper with rustls, and the operating system's
/// certificates.
///
/// It keeps connections open between requests, does not follow redirects, and uses no proxy. Clones share the
/// connections.
///
/// ```no_run
/// use clerk_webhook_sync::{BackendApi, HyperTransport};
///
/// # let secret_key = "";
/// let api = BackendApi::new(secret_key, HyperTransport::new()?)?;
/// # let _ = api;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct HyperTransport(Pool);

#[derive(Clone, Debug)]
enum Pool {
    Tls(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>),
    Plain(Client<HttpConnector, Empty<Bytes>>),
}

impl HyperTransport {
    /// Creates a client for https and http, and reads the operating system's certificates.
    ///
    /// # Errors
    ///
    /// Returns an error if no certificates can be read. A container image may lack them: install its package
    /// `ca-certificates`.
    pub fn new() -> io::Result<Self> {
        // The name of the provider is explicit, because rustls has no default if another crate of the
        // program enables a second one.
        let provider = rustls::crypto::ring::default_provider();
        let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
        let mut connector = connector();
        connector.enforce_http(false);
        Ok(Self(Pool::Tls(client(tls.https_or_http().enable_http1().wrap_connector(connector)))))
    }

    /// Creates a client for a server on this machine. It supports only http, and needs no certificates.
    #[must_use]
    pub fn without_tls() -> Self {
        Self(Pool::Plain(client(connector())))
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)
}

impl Transport for HyperTransport {
    async fn send(&self, request: Request<()>) -> Result<Response<Bytes>, TransportError> {
        let request = request.map(|()| Empty::new());
        let response = match &self.0 {
            Pool::Tls(client) => client.request(request).await?,
            Pool::Plain(client) => client.request(request).await?,
        };
        let (head, body) = response.into_parts();
        let collected = Limited::new(body, MAX_RESPONSE_BYTES).collect().await;
        let body = collected.map_err(|error| match error.is::<LengthLimitError>() {
            true => ResponseTooLarge.into(),
            false => error,
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
