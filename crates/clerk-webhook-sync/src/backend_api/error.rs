//! Why a request to the API failed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::answer::Refusal;
use super::endpoint::NotFound;
use super::transport::{MAX_RESPONSE_BYTES, TransportError};

/// The error of a request to Clerk's Backend API.
///
/// The text states what happened and what to do, with the endpoint, the status, Clerk's error code and the
/// trace id, which Clerk's support asks for. It never contains the secret key or a part of a response.
/// [`source`](Error::source) returns the error of the [`Transport`](crate::Transport), if it failed.
pub struct BackendApiError {
    kind: BackendApiErrorKind,
    endpoint: &'static str,
    cause: Cause,
    /// How often the request was sent.
    attempts: u32,
    /// Whether the status says that an object in the path does not exist.
    is_no_object: bool,
}

enum Cause {
    Status(Refusal),
    Timeout(Duration),
    /// The response is not complete. The error is missing if the transport did not notice it.
    Incomplete(Option<TransportError>),
    TooLarge,
    Unreadable {
        status: u16,
    },
    Repeating,
    TooLongId,
}

/// The kind of a [`BackendApiError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendApiErrorKind {
    /// Clerk does not accept the secret key, or the key belongs to no instance.
    Unauthorized,
    /// The instance does not have the feature, so these objects cannot exist.
    FeatureOff,
    /// Clerk rejected the request because of its rate limit, also after several retries.
    RateLimited,
    /// Clerk rejected the request for another reason.
    Rejected,
    /// Clerk did not answer, or only with errors of the server, also after several retries.
    Unavailable,
    /// The response cannot be used: it is too large, is not the expected JSON, or repeats earlier pages.
    UnusableResponse,
}

impl BackendApiError {
    /// Creates the error for a status that is not 2xx.
    pub(super) fn refused(
        endpoint: &'static str,
        not_found: NotFound,
        refusal: Refusal,
        attempts: u32,
    ) -> Self {
        use BackendApiErrorKind as Kind;
        // Every instance has users. An instance that does not answer about them is suspended, for example.
        let has_feature = not_found != NotFound::NoInstance && !endpoint.starts_with("/users");
        let is_off = refusal.status == 402
            || refusal.is_not_enabled
            || refusal.is_not_found && not_found == NotFound::FeatureOff;
        let kind = match refusal.status {
            401 => Kind::Unauthorized,
            429 => Kind::RateLimited,
            500.. => Kind::Unavailable,
            _ if is_off && has_feature => Kind::FeatureOff,
            _ if refusal.is_not_found && not_found == NotFound::NoInstance => Kind::Unauthorized,
            _ => Kind::Rejected,
        };
        let is_no_object = refusal.is_not_found && not_found == NotFound::NoObject;
        Self { kind, endpoint, cause: Cause::Status(refusal), attempts, is_no_object }
    }

    pub(super) fn timeout(endpoint: &'static str, limit: Duration, attempts: u32) -> Self {
        Self::new(BackendApiErrorKind::Unavailable, endpoint, Cause::Timeout(limit), attempts)
    }

    pub(super) fn incomplete(endpoint: &'static str, error: Option<TransportError>, attempts: u32) -> Self {
        Self::new(BackendApiErrorKind::Unavailable, endpoint, Cause::Incomplete(error), attempts)
    }

    pub(super) fn unreadable(endpoint: &'static str, status: u16, attempts: u32) -> Self {
        Self::new(BackendApiErrorKind::UnusableResponse, endpoint, Cause::Unreadable { status }, attempts)
    }

    pub(super) fn too_large(endpoint: &'static str) -> Self {
        Self::new(BackendApiErrorKind::UnusableResponse, endpoint, Cause::TooLarge, 1)
    }

    pub(super) fn repeating(endpoint: &'static str) -> Self {
        Self::new(BackendApiErrorKind::UnusableResponse, endpoint, Cause::Repeating, 1)
    }

    pub(super) fn too_long_id(endpoint: &'static str) -> Self {
        Self::new(BackendApiErrorKind::Rejected, endpoint, Cause::TooLongId, 0)
    }

    fn new(kind: BackendApiErrorKind, endpoint: &'static str, cause: Cause, attempts: u32) -> Self {
        Self { kind, endpoint, cause, attempts, is_no_object: false }
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> BackendApiErrorKind {
        self.kind
    }

    /// Returns the path of the request without ids, such as `/users/{user_id}`.
    #[must_use]
    pub fn endpoint(&self) -> &'static str {
        self.endpoint
    }

    /// Returns the status, if Clerk answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.cause {
            Cause::Status(refusal) => Some(refusal.status),
            Cause::Unreadable { status } => Some(*status),
            _ => None,
        }
    }

    /// Returns Clerk's error code, such as `resource_not_found`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.refusal()?.code.as_deref()
    }

    /// Returns the id with which Clerk's support finds the request.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.refusal()?.trace_id.as_deref()
    }

    /// Returns whether the instance does not have the feature that these objects belong to.
    ///
    /// The objects of a feature that was turned off are not deleted.
    #[must_use]
    pub fn is_feature_off(&self) -> bool {
        self.kind == BackendApiErrorKind::FeatureOff
    }

    /// Returns whether Clerk does not accept the secret key.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.kind == BackendApiErrorKind::Unauthorized
    }

    /// Returns whether an object in the path does not exist.
    pub(super) fn is_no_object(&self) -> bool {
        self.is_no_object
    }

    /// Returns when Clerk answered at the latest, in milliseconds on Clerk's clock.
    pub(super) fn answered_at(&self) -> Option<i64> {
        self.refusal().map(|refusal| refusal.read_at.latest)
    }

    pub(super) fn is_too_large(&self) -> bool {
        matches!(self.cause, Cause::TooLarge)
    }

    fn refusal(&self) -> Option<&Refusal> {
        match &self.cause {
            Cause::Status(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl fmt::Display for BackendApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use BackendApiErrorKind as Kind;
        let endpoint = self.endpoint;
        match (&self.cause, self.kind) {
            (Cause::Status(refusal), Kind::Unauthorized) if refusal.status == 404 => write!(
                f,
                "the secret key belongs to no Clerk instance ({refusal} for {endpoint}). Copy the secret key from the \
                 API keys page of the Clerk Dashboard"
            ),
            (Cause::Status(refusal), Kind::Unauthorized) => write!(
                f,
                "Clerk does not accept the secret key ({refusal} for {endpoint}). Copy the secret key from the API keys \
                 page of the Clerk Dashboard"
            ),
            (Cause::Status(refusal), Kind::FeatureOff) => write!(
                f,
                "this feature is off in the Clerk instance ({refusal} for {endpoint}). Enable it in the Clerk \
                 Dashboard, or leave out this table"
            ),
            (Cause::Status(refusal), Kind::RateLimited) => write!(
                f,
                "Clerk's rate limit was reached{} ({refusal} for {endpoint}). Other programs share the limit: try \
                 again later, or use a smaller share of it",
                Times(self.attempts)
            ),
            (Cause::Status(refusal), Kind::Unavailable) => write!(
                f,
                "Clerk answered with a server error{} ({refusal} for {endpoint}). Try again later",
                Times(self.attempts)
            ),
            (Cause::Status(refusal), _) if (300..400).contains(&refusal.status) => write!(
                f,
                "the server redirects the request ({refusal} for {endpoint}), and redirects are not followed. Correct \
                 the base URL"
            ),
            (Cause::Status(refusal), _) if refusal.code.is_none() => write!(
                f,
                "the server rejected the request without an error code of Clerk ({refusal} for {endpoint}). Check \
                 the base URL"
            ),
            (Cause::Status(refusal), _) => write!(
                f,
                "Clerk rejected the request ({refusal} for {endpoint}). Clerk's documentation and support explain the code"
            ),
            (Cause::Timeout(limit), _) => write!(
                f,
                "Clerk did not answer within {limit:?}{} (GET {endpoint}). Check the network, or try again later",
                Times(self.attempts)
            ),
            (Cause::Incomplete(_), _) => write!(
                f,
                "no complete response arrived{} (GET {endpoint}). Check the network and the base URL",
                Times(self.attempts)
            ),
            (Cause::TooLarge, _) => write!(
                f,
                "a response of the server exceeds {} MiB (GET {endpoint}), which no response of Clerk does. Check the \
                 base URL",
                MAX_RESPONSE_BYTES / (1024 * 1024)
            ),
            (Cause::Unreadable { status }, _) => write!(
                f,
                "the response is not JSON of Clerk's Backend API ({status} for {endpoint}). Check the base URL"
            ),
            (Cause::Repeating, _) => write!(
                f,
                "the server returns the same page again and again (GET {endpoint}). Check the base URL"
            ),
            (Cause::TooLongId, _) => write!(f, "an id is too long for a URL (GET {endpoint})"),
        }
    }
}

/// Shows how often a request was sent, if it was retried.
struct Times(u32);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 | 1 => Ok(()),
            attempts => write!(f, " in {attempts} attempts"),
        }
    }
}

/// Shows the text of the error and its sources, because a user sees it if `main` returns the error.
impl fmt::Debug for BackendApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut source = self.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl Error for BackendApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Incomplete(Some(error)) => Some(&**error),
            _ => None,
        }
    }
}
