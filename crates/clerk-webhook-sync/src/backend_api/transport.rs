//! The HTTP client, as the library sees it.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

/// The maximum size of a response body: 32 MiB.
///
/// If a page of a listing is larger, the client asks for fewer objects.
pub const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// The error of a [`Transport`].
pub type TransportError = Box<dyn Error + Send + Sync>;

/// Sends requests to Clerk's Backend API with the HTTP client of the application.
///
/// A function that takes the request and returns a future is a transport. The feature `backend-api-client`
/// adds `HyperTransport`, a complete client.
///
/// # Requirements
///
/// A transport sends the request unchanged and returns the complete response, whatever its status is. It
///
/// - does not follow redirects, because the request contains the secret key;
/// - does not retry, because the [`BackendApi`](crate::BackendApi) retries and also limits the time;
/// - stops at [`MAX_RESPONSE_BYTES`] and returns [`ResponseTooLarge`]. Without this limit, a very large
///   response occupies memory until the client discards it;
/// - returns an error if the connection closes before the end of the response.
///
/// The `authorization` header is marked as sensitive, so that `Debug` of the request does not show it.
///
/// # Examples
///
/// With a client that is a `tower` service or has a similar method:
///
/// ```
/// use bytes::Bytes;
/// use clerk_webhook_sync::{BackendApi, ResponseTooLarge, TransportError, MAX_RESPONSE_BYTES};
/// use http::{Request, Response};
/// # #[derive(Clone)]
/// # struct Client;
/// # impl Client {
/// #     async fn execute(&self, _: Request<()>) -> Result<Response<Vec<Bytes>>, std::io::Error> {
/// #         Ok(Response::new(vec![Bytes::from_static(b"{\"id\":\"ins_1\"}")]))
/// #     }
/// # }
///
/// # let client = Client;
/// let send = move |request: Request<()>| {
///     let client = client.clone(); // for example of reqwest or hyper-util
///     async move {
///         let (head, chunks) = client.execute(request).await?.into_parts();
///         let mut body = Vec::new();
///         for chunk in chunks {
///             if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
///                 return Err(ResponseTooLarge.into());
///             }
///             body.extend_from_slice(&chunk);
///         }
///         Ok::<_, TransportError>(Response::from_parts(head, body.into()))
///     }
/// };
/// let api = BackendApi::new("sk_test_3kXp0wTq", send)?;
/// # let _ = api;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A named type:
///
/// ```
/// use bytes::Bytes;
/// use clerk_webhook_sync::{BackendApi, Transport, TransportError};
/// use http::{Request, Response};
///
/// struct Recorded(Bytes);
///
/// impl Transport for Recorded {
///     async fn send(&self, _: Request<()>) -> Result<Response<Bytes>, TransportError> {
///         Ok(Response::new(self.0.clone()))
///     }
/// }
///
/// let api = BackendApi::new("sk_test_3kXp0wTq", Recorded(Bytes::from_static(b"[]")))?;
/// # let _ = api;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and returns the complete response.
    ///
    /// The client drops the future if the time limit expires.
    ///
    /// # Errors
    ///
    /// Returns an error if no complete response arrives. The client retries the request, except after
    /// [`ResponseTooLarge`].
    fn send(
        &self,
        request: Request<()>,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>> + Send;
}

impl<F, Sending, E> Transport for F
where
    F: Fn(Request<()>) -> Sending + Send + Sync + 'static,
    Sending: Future<Output = Result<Response<Bytes>, E>> + Send,
    E: Into<TransportError>,
{
    async fn send(&self, request: Request<()>) -> Result<Response<Bytes>, TransportError> {
        self(request).await.map_err(Into::into)
    }
}

/// The error of a [`Transport`] if a response exceeds [`MAX_RESPONSE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "transports create it")]
pub struct ResponseTooLarge;

impl fmt::Display for ResponseTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response exceeds {} MiB", MAX_RESPONSE_BYTES / (1024 * 1024))
    }
}

impl Error for ResponseTooLarge {}

/// Returns whether a transport's error contains [`ResponseTooLarge`].
pub(super) fn is_too_large(error: &TransportError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(&**error);
    while let Some(error) = next {
        if error.is::<ResponseTooLarge>() {
            return true;
        }
        // The source of an `io::Error` is not the error that it contains, but the source of that error.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    false
}

type Sending = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send>>;

/// A transport without its type, so that [`BackendApi`](crate::BackendApi) has no type parameter.
#[derive(Clone)]
pub(super) struct AnyTransport(Arc<dyn Fn(Request<()>) -> Sending + Send + Sync>);

impl AnyTransport {
    pub(super) fn new(transport: impl Transport) -> Self {
        let transport = Arc::new(transport);
        Self(Arc::new(move |request| {
            let transport = Arc::clone(&transport);
            Box::pin(async move { transport.send(request).await })
        }))
    }

    pub(super) fn send(&self, request: Request<()>) -> Sending {
        (self.0)(request)
    }
}
