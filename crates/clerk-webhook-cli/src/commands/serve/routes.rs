//! Which answer a request gets, on the public listener and on the admin listener.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;

use super::access::{self, Access};
use super::config::Config;
use super::deliver::Deliveries;
use super::health::Readiness;
use super::metrics::{self, Metrics};
use super::page;
use super::status::Sources;
use crate::server::response::{Body, complete, text};
use crate::sync::on;

const JSON: &str = "application/json";

/// What the public listener answers with.
pub(super) struct Public {
    pub(super) config: Arc<Config>,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) readiness: Arc<Readiness>,
}

impl Public {
    pub(super) async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if path == self.config.path {
            if request.method() != Method::POST {
                return not_allowed("POST");
            }
            let answer = Arc::clone(&self.deliveries).respond(request).await;
            return answer.map(|body: Bytes| Body::Complete(Full::new(body)));
        }
        match path {
            "/livez" | "/healthz" | "/readyz" if !is_read(request.method()) => not_allowed("GET, HEAD"),
            "/livez" | "/healthz" => alive(),
            "/readyz" => ready(&self.readiness, false).await,
            _ => not_found(),
        }
    }
}

/// What the admin listener answers with.
pub(super) struct Admin {
    pub(super) config: Arc<Config>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) metrics: Metrics,
    pub(super) sources: Sources,
}

impl Admin {
    pub(super) async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Body> {
        let path = request.uri().path();
        match path {
            "/livez" | "/healthz" | "/readyz" | "/metrics" | "/status" | "/"
                if !is_read(request.method()) =>
            {
                not_allowed("GET, HEAD")
            }
            "/livez" | "/healthz" => alive(),
            "/readyz" => ready(&self.readiness, true).await,
            "/metrics" => {
                let pool =
                    on!(&self.sources.target.sync, sync => (sync.pool().size(), sync.pool().num_idle()));
                complete(StatusCode::OK, metrics::CONTENT_TYPE, self.metrics.render(pool))
            }
            "/status" => match self.refusal(request.headers(), peer) {
                Some(refusal) => refusal,
                None => json(StatusCode::OK, &self.sources.read().await),
            },
            "/" => match self.refusal(request.headers(), peer) {
                Some(refusal) => refusal,
                None => self.page().await,
            },
            _ => not_found(),
        }
    }

    /// Returns the answer to a request that may not read the status.
    fn refusal(&self, headers: &HeaderMap, peer: SocketAddr) -> Option<Response<Body>> {
        match access::check(self.config.admin_token.as_ref(), headers, peer) {
            Access::Granted => None,
            Access::Unauthorized => {
                let mut response =
                    text(StatusCode::UNAUTHORIZED, "send the token as a bearer token, or as the password\n");
                let challenge = HeaderValue::from_static("Basic realm=\"clerk-webhook\", charset=\"UTF-8\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                Some(response)
            }
            Access::LocalOnly => Some(text(
                StatusCode::FORBIDDEN,
                "without CLERK_WEBHOOK_ADMIN_TOKEN, only this machine may read the status: set the variable to a \
                 token of 16 characters or more\n",
            )),
        }
    }

    async fn page(&self) -> Response<Body> {
        let is_ready = self.readiness.report().await.is_ready();
        let page = page::render(&self.sources.read().await, is_ready);
        let mut response = complete(StatusCode::OK, "text/html; charset=utf-8", page);
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::try_from(page::content_security_policy()) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        for (name, value) in [
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn alive() -> Response<Body> {
    complete(StatusCode::OK, JSON, r#"{"status":"alive"}"#)
}

async fn ready(readiness: &Readiness, with_checks: bool) -> Response<Body> {
    let report = readiness.report().await;
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &if with_checks { report } else { report.without_checks() })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_string(value) {
        Ok(json) => complete(status, JSON, json),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be written as JSON\n"),
    }
}

fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "not found\n")
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {methods}\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    response
}
