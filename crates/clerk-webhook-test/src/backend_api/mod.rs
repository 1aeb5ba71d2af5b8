//! A Backend API without Clerk, which serves the objects of a history.

mod answer;
mod clerk;
mod error;
mod faults;
mod filters;
mod json;
mod list;
mod query;
mod rate_limit;
mod routes;
mod service;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::Timestamp;
use serde_json::Value;

use self::clerk::Clerk;
use self::rate_limit::RateLimit;
use crate::history::{History, HistoryEvent, ObjectKind};

pub use self::faults::{Delay, Fault, Faults};

/// A fake of Clerk's Backend API that serves the objects of a [`History`].
///
/// It answers the GET requests for the instance, users, organizations, memberships, invitations, domains, roles,
/// permissions and the waitlist, with Clerk's paging, filters, limits and errors. Paths can begin with `/v1`. It opens no
/// socket: call [`answer`](Self::answer), or use it as a Tower service.
///
/// The objects are not exactly the data of the last events ([`Truth`](crate::Truth)), because Clerk also changes objects
/// without an event about them. For example, a new member changes the organization's `members_count` and `updated_at`. Use
/// [`objects`](Self::objects) as the expected state of a copy that reads the API.
///
/// Clones share the history's position, the clock and the settings.
///
/// ```
/// use clerk_webhook_test::{FakeBackendApi, History, ObjectKind, Scenario};
///
/// let history = History::builder().scenario(Scenario::Team).seed(7).events(200).build();
/// let api = FakeBackendApi::new(&history);
/// let request = http::Request::get("https://api.clerk.com/v1/users?limit=500&order_by=created_at")
///     .header("authorization", format!("Bearer {}", FakeBackendApi::SECRET_KEY))
///     .body(())?;
///
/// let response = api.answer(&request);
/// assert_eq!(response.status(), 200);
/// let users: Vec<serde_json::Value> = serde_json::from_slice(response.body())?;
/// assert_eq!(users.len(), api.objects(ObjectKind::User).len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A history that goes on
///
/// [`from_events`](Self::from_events) begins without objects. [`advance`](Self::advance) lets an event occur and returns it,
/// so that a test can deliver it. The clock shows the time of the last event. Only [`advance`](Self::advance) and
/// [`pass`](Self::pass) move it.
///
/// ```
/// use clerk_webhook_test::{FakeBackendApi, History, ObjectKind};
///
/// let history = History::builder().seed(7).events(50).build();
/// let api = FakeBackendApi::from_events(history.events().to_vec());
/// assert!(api.objects(ObjectKind::User).is_empty());
/// while let Some(event) = api.advance() {
///     assert_eq!(api.now(), event.occurred_at());
/// }
/// assert_eq!(api.position(), 50);
/// ```
#[derive(Clone, Debug)]
pub struct FakeBackendApi {
    clerk: Arc<Mutex<Clerk>>,
}

impl FakeBackendApi {
    /// The only secret key that the API accepts. It is public, and is not a key of Clerk.
    pub const SECRET_KEY: &'static str = clerk::SECRET_KEY;

    /// Creates an API with the objects after the last event of a history.
    #[must_use]
    pub fn new(history: &History) -> Self {
        let api = Self::from_events(history.events().to_vec());
        api.advance_to(usize::MAX);
        api
    }

    /// Creates an API without objects, before the first of the events.
    ///
    /// The iterator of a [`HistoryStream`](crate::HistoryStream) needs memory only for the objects.
    #[must_use]
    pub fn from_events(events: impl IntoIterator<Item = HistoryEvent, IntoIter: Send + 'static>) -> Self {
        Self { clerk: Arc::new(Mutex::new(Clerk::new(events.into_iter()))) }
    }

    /// Sets the id of the instance. The default is the `instance_id` of the events.
    #[must_use]
    pub fn with_instance_id(self, id: impl Into<String>) -> Self {
        self.clerk().instance_id = id.into();
        self
    }

    /// Turns a feature off.
    ///
    /// Without [`ObjectKind::Organization`], every path of organizations and their objects returns 404 with the code
    /// `resource_not_found`, as Clerk does. For another kind, its paths return 400.
    #[must_use]
    pub fn without(self, kind: ObjectKind) -> Self {
        self.clerk().disabled.insert(kind);
        self
    }

    /// Limits the requests in each window, which begins with its first request. There is no limit by default.
    ///
    /// Clerk's limit is 100 requests in 10 s for development instances, and 1,000 in 10 s for production instances. Further
    /// requests return 429 with `Retry-After`. The window ends on the API's clock, so move it with [`pass`](Self::pass).
    #[must_use]
    pub fn with_rate_limit(self, requests: u32, window: Duration) -> Self {
        self.clerk().rate_limit = Some(RateLimit::new(requests, millis(window)));
        self
    }

    /// Adds faults at random requests.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        self.clerk().set_faults(faults);
        self
    }

    /// Lets the next event occur, and returns it.
    pub fn advance(&self) -> Option<HistoryEvent> {
        self.clerk().advance()
    }

    /// Lets events occur until this number of events have occurred, or the history ends.
    pub fn advance_to(&self, position: usize) {
        let mut clerk = self.clerk();
        while clerk.position < position && clerk.advance().is_some() {}
    }

    /// Moves the clock, and returns the events that occur in this time.
    pub fn pass(&self, time: Duration) -> Vec<HistoryEvent> {
        self.clerk().pass(millis(time))
    }

    /// Returns how many events have occurred.
    #[must_use]
    pub fn position(&self) -> usize {
        self.clerk().position
    }

    /// Returns the time of the API's clock.
    ///
    /// The header `Date` of a response has the same time, rounded down to a second.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clerk().now)
    }

    /// Returns the id of the instance.
    #[must_use]
    pub fn instance_id(&self) -> String {
        self.clerk().instance_id.clone()
    }

    /// Returns the objects of a kind by id, with every field that the API can return.
    ///
    /// The result is empty for sessions and billing, which the API does not serve.
    #[must_use]
    pub fn objects(&self, kind: ObjectKind) -> BTreeMap<String, Value> {
        self.clerk().world.objects(kind)
    }

    /// Returns the number of objects of a kind.
    #[must_use]
    pub fn count(&self, kind: ObjectKind) -> usize {
        self.clerk().world.count(kind)
    }

    /// Answers a request. The body of the request is ignored.
    #[must_use]
    pub fn answer<B>(&self, request: &http::Request<B>) -> http::Response<Bytes> {
        self.clerk().answer(request.method(), request.uri(), request.headers())
    }

    fn clerk(&self) -> MutexGuard<'_, Clerk> {
        self.clerk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
