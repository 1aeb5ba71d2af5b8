//! The HTTP client that sends deliveries, with a connection pool.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::failure::Failure;
use crate::send::svix::Reply;

#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;

/// The maximum number of bytes that are stored from a response body. Webhook endpoints send short responses.
const MAX_ANSWER: usize = 64 * 1024;

/// The user agent of Svix's deliveries for Clerk. Firewalls treat other clients differently.
pub(crate) const SVIX_USER_AGENT: &str =
    "Svix-Webhooks/1.84.0 (sender-9YMgn; +https://www.svix.com/http-sender/)";

/// Sends requests. Clones share the connection pool.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: Pool<Connector, DelayedBody>,
    time_limit: Duration,
    user_agent: HeaderValue,
}

/// A body that is sent after a delay.
struct DelayedBody {
    delay: Option<Pin<Box<tokio::time::Sleep>>>,
    body: Full<Bytes>,
}

/// The response of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The first 64 KiB of the body.
    pub(crate) body: Bytes,
    /// The time from the request to the end of the response, including the connection setup.
    pub(crate) elapsed: Duration,
    /// Whether the request had a user agent of Svix.
    pub(crate) sent_as_svix: bool,
}

/// The reason why no response was received.
#[derive(Clone, Debug)]
pub(crate) struct SendError {
    pub(crate) kind: SendErrorKind,
    message: String,
}

/// The kinds of [`SendError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendErrorKind {
    /// No process is listening on the port, or the host name has no address.
    Refused,
    /// The response was not complete within the time limit.
    Timeout,
    /// A failure of the connection or TLS, or a response that is not HTTP.
    Other,
}

impl Client {
    /// Creates a client for endpoints with the scheme of this URL. The time limit applies to the complete
    /// exchange.
    pub(crate) fn new(uri: &Uri, time_limit: Duration) -> Result<Self, Failure> {
        Self::with_idle_connections(uri, time_limit, usize::MAX)
    }

    /// Creates a client that opens a connection for each request, so that a server that closes a used
    /// connection does not look like a server that does not respond.
    pub(crate) fn without_reuse(uri: &Uri, time_limit: Duration) -> Result<Self, Failure> {
        Self::with_idle_connections(uri, time_limit, 0)
    }

    fn with_idle_connections(uri: &Uri, time_limit: Duration, idle: usize) -> Result<Self, Failure> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(idle)
            .build(with_tls(connector, uri)?);
        Ok(Self { pool, time_limit, user_agent: HeaderValue::from_static(SVIX_USER_AGENT) })
    }

    /// Sets the user agent. The default is Svix's.
    pub(crate) fn with_user_agent(self, user_agent: HeaderValue) -> Self {
        Self { user_agent, ..self }
    }

    /// Sends a POST request with these headers and this body.
    pub(crate) async fn post(
        &self,
        uri: &Uri,
        headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
        body: Bytes,
    ) -> Result<Answer, SendError> {
        self.post_after(Duration::ZERO, uri, headers, body).await
    }

    /// Sends a POST request whose body follows after a delay, unless the response arrives earlier.
    ///
    /// A server that rejects a body by its length closes the connection. If the client is still sending at
    /// that moment, the connection fails, often before the client has read the response.
    pub(crate) async fn post_after(
        &self,
        delay: Duration,
        uri: &Uri,
        headers: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
        body: Bytes,
    ) -> Result<Answer, SendError> {
        let mut request =
            Request::builder().method(Method::POST).uri(uri).header(USER_AGENT, &self.user_agent);
        for (name, value) in headers {
            request = request.header(name.as_ref(), value.as_ref());
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| SendError { kind: SendErrorKind::Other, message: error.to_string() })?;
        let delay = (delay > Duration::ZERO).then(|| Box::pin(tokio::time::sleep(delay)));
        self.exchange(request.map(|body| DelayedBody { delay, body })).await
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, SendError> {
        self.exchange(request.map(|body| DelayedBody { delay: None, body })).await
    }

    async fn exchange(&self, request: Request<DelayedBody>) -> Result<Answer, SendError> {
        let authority = request.uri().authority().map_or(String::new(), ToString::to_string);
        let sent_as_svix = request.headers().get(USER_AGENT).is_some_and(is_svix);
        let begin = Instant::now();
        let exchange = async {
            let response = self.pool.request(request).await.map_err(|error| explain(&error, &authority))?;
            let (head, mut body) = response.into_parts();
            let mut kept = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| explain(&error, &authority))?;
                if let Some(data) = frame.data_ref() {
                    let room = MAX_ANSWER - kept.len();
                    kept.extend_from_slice(&data[..data.len().min(room)]);
                    if data.len() > room {
                        break;
                    }
                }
            }
            Ok((head, kept))
        };
        let (head, body) = tokio::time::timeout(self.time_limit, exchange).await.unwrap_or_else(|_| {
            let message = format!("{authority} did not respond within {:?}", self.time_limit);
            Err(SendError { kind: SendErrorKind::Timeout, message })
        })?;
        let elapsed = begin.elapsed();
        Ok(Answer { status: head.status, headers: head.headers, body: body.into(), elapsed, sent_as_svix })
    }
}

impl Body for DelayedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(delay) = &mut self.delay {
            ready!(delay.as_mut().poll(cx));
            self.delay = None;
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Answer {
    /// Returns the parts of the response that affect Svix's next action.
    pub(crate) fn reply(&self) -> Reply {
        Reply {
            status: self.status.as_u16(),
            retry_after: self.header("retry-after").and_then(retry_after),
            control: self.header("webhook-delivery").map(str::to_owned),
        }
    }

    /// Returns the value of a header, if it is visible ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// Returns the `outcome` in the body, as sent by endpoints that use this project.
    pub(crate) fn outcome(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Body {
            outcome: String,
        }
        serde_json::from_slice(&self.body).ok().map(|body: Body| body.outcome)
    }
}

/// Returns whether a user agent has the form of Svix's: `Svix-Webhooks/…`, or `Webhooks/…` without the brand.
fn is_svix(user_agent: &HeaderValue) -> bool {
    let name = user_agent.as_bytes();
    name.starts_with(b"Svix-Webhooks/") || name.starts_with(b"Webhooks/")
}

/// Reads the value of a `Retry-After` header: seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(moment.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default())
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self::Network(error.message)
    }
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Explains a connection error to the user.
fn explain(error: &(dyn Error + 'static), authority: &str) -> SendError {
    let cause = chain(error).find_map(|error| error.downcast_ref::<io::Error>());
    if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused) {
        let message = format!(
            "nothing is listening on {authority}: check that the server is running and uses this port"
        );
        return SendError { kind: SendErrorKind::Refused, message };
    }
    // The connector has no error type for a host name without an address.
    if chain(error).any(|error| error.to_string() == "dns error") {
        let message = format!("{authority} has no address: check the name");
        return SendError { kind: SendErrorKind::Refused, message };
    }
    let last = chain(error).last().map_or_else(String::new, ToString::to_string);
    SendError { kind: SendErrorKind::Other, message: format!("no response from {authority}: {last}") }
}

#[cfg(feature = "tls")]
fn with_tls(mut connector: HttpConnector, uri: &Uri) -> Result<Connector, Failure> {
    use hyper_rustls::HttpsConnectorBuilder;

    connector.enforce_http(false);
    // Reading the system's certificates takes longer than a request, so they are read only for https.
    let builder = if uri.scheme_str() == Some("https") {
        let builder = HttpsConnectorBuilder::new().with_native_roots();
        builder.map_err(|error| {
            Failure::network(format_args!("cannot read the system's certificates: {error}"))
        })?
    } else {
        let roots = rustls::RootCertStore::empty();
        let config = rustls::ClientConfig::builder();
        HttpsConnectorBuilder::new()
            .with_tls_config(config.with_root_certificates(roots).with_no_client_auth())
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(connector))
}

#[cfg(not(feature = "tls"))]
fn with_tls(connector: HttpConnector, _: &Uri) -> Result<Connector, Failure> {
    Ok(connector)
}

/// Runs a future on this thread, in a runtime with network and timers.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| Failure::network(format_args!("cannot start the runtime: {error}")))?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with the same message as the connector's, which has no type for it.
    #[derive(Debug)]
    struct NoAddress;

    impl std::fmt::Display for NoAddress {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("dns error")
        }
    }

    impl Error for NoAddress {}

    #[test]
    fn reads_seconds_or_a_date_in_retry_after() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(retry_after("Fri, 01 Jan 2100 00:00:00 GMT").unwrap() > Duration::from_secs(86_400));
        assert_eq!(retry_after("soon"), None);
    }

    #[test]
    fn a_name_without_an_address_counts_as_refused() {
        let explained = explain(&io::Error::other(NoAddress), "app.test:80");
        assert_eq!(explained.kind, SendErrorKind::Refused);
        assert_eq!(explained.to_string(), "app.test:80 has no address: check the name");

        let other = explain(&io::Error::other("cut off"), "app.test:80");
        assert_eq!(other.kind, SendErrorKind::Other);
    }
}
