//! A server in memory whose answers are a function.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::{Instant, sleep};

use super::super::client::BackendApi;
use super::super::event::ApiEvent;
use super::super::transport::TransportError;

pub(super) const KEY: &str = "sk_test_3kXp0wTq";

/// What the server does with a request.
pub(super) struct Reaction {
    pub(super) delay: Duration,
    pub(super) result: Result<Response<Bytes>, TransportError>,
}

impl Reaction {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(response) = &mut self.result {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        self
    }

    pub(super) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

pub(super) fn status(status: u16, body: impl Into<Bytes>) -> Reaction {
    let response = Response::builder().status(status).body(body.into()).unwrap();
    Reaction { delay: Duration::ZERO, result: Ok(response) }
}

pub(super) fn ok(body: impl Into<Bytes>) -> Reaction {
    status(200, body)
}

/// An error in the form of Clerk.
pub(super) fn refusal(code: u16, error: &str) -> Reaction {
    status(
        code,
        format!(
            r#"{{"errors":[{{"message":"m","long_message":"l","code":"{error}"}}],"clerk_trace_id":"t1"}}"#
        ),
    )
}

pub(super) fn failure(error: impl Into<TransportError>) -> Reaction {
    Reaction { delay: Duration::ZERO, result: Err(error.into()) }
}

/// Creates a reaction.
pub(super) type React = fn() -> Reaction;

/// The requests, and when they arrived.
type Requests = Arc<Mutex<Vec<(Duration, Request<()>)>>>;

/// A client, and what its server received.
pub(super) struct Server {
    pub(super) api: BackendApi,
    requests: Requests,
    events: Arc<Mutex<Vec<ApiEvent>>>,
}

impl Server {
    /// Creates a server whose reaction depends on the number of the request, from 0, and the path with the
    /// query.
    pub(super) fn new(react: impl Fn(usize, &str) -> Reaction + Send + Sync + 'static) -> Self {
        Self::with_key(KEY, react)
    }

    pub(super) fn with_key(
        key: &str,
        react: impl Fn(usize, &str) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let start = Instant::now();
        let requests: Requests = Arc::default();
        let log = Arc::clone(&requests);
        let transport = move |request: Request<()>| {
            let mut log = log.lock().unwrap();
            let target = request.uri().path_and_query().unwrap().as_str();
            let reaction = react(log.len(), target.strip_prefix("/v1").unwrap());
            log.push((start.elapsed(), request));
            async move {
                if reaction.delay > Duration::ZERO {
                    sleep(reaction.delay).await;
                }
                reaction.result
            }
        };
        let events: Arc<Mutex<Vec<ApiEvent>>> = Arc::default();
        let log = Arc::clone(&events);
        let observer = move |event: &ApiEvent| log.lock().unwrap().push(event.clone());
        let api = BackendApi::new(key, transport).unwrap().on_event(observer);
        Self { api, requests, events }
    }

    /// Returns when each request arrived, in milliseconds.
    pub(super) fn times(&self) -> Vec<u128> {
        self.requests.lock().unwrap().iter().map(|(at, _)| at.as_millis()).collect()
    }

    /// Returns the path and the query of each request.
    pub(super) fn targets(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let target = |request: &Request<()>| request.uri().path_and_query().unwrap().as_str()[3..].to_owned();
        requests.iter().map(|(_, request)| target(request)).collect()
    }

    pub(super) fn requests(&self) -> Vec<Request<()>> {
        self.requests.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    pub(super) fn events(&self) -> Vec<ApiEvent> {
        self.events.lock().unwrap().clone()
    }
}
