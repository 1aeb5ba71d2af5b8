//! Answers requests.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use serde_json::Value;

use super::clerk::{Clerk, SECRET_KEY};
use super::error::ApiError;
use super::faults::Fault;
use super::query::Query;
use super::routes;

const VERSION_HEADER: &str = "clerk-api-version";
const VERSION_PARAMETER: &str = "__clerk_api_version";

/// The known versions. The objects of a history are the same in all of them.
const VERSIONS: [&str; 6] =
    ["2021-02-05", "2024-10-01", "2025-03-12", "2025-04-10", "2025-11-10", "2026-05-12"];

impl Clerk {
    pub(super) fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<Bytes> {
        self.requests += 1;
        let fault = self.faults.as_mut().and_then(super::faults::Faults::next);
        let mut response = match fault {
            Some(Fault::TooManyRequests) => self.failed(&ApiError::too_many_requests(1)),
            Some(Fault::ServerError) => self.server_error(),
            Some(Fault::NotJson) => html(StatusCode::OK),
            Some(Fault::NotFoundWithoutJson) => html(StatusCode::NOT_FOUND),
            Some(Fault::Forbidden) => self.failed(&forbidden()),
            Some(Fault::Slow | Fault::CutOff | Fault::Stale) | None => {
                self.respond(method, uri, headers, fault == Some(Fault::Stale))
            }
        };
        let date = httpdate::fmt_http_date(self.system_time());
        // The date is ASCII.
        if let Ok(date) = HeaderValue::try_from(date) {
            response.headers_mut().insert(DATE, date);
        }
        match (fault, &self.faults) {
            (Some(Fault::Slow), Some(faults)) => {
                response.extensions_mut().insert(faults.next_delay());
            }
            (Some(Fault::CutOff), _) => cut_off(&mut response),
            _ => {}
        }
        response
    }

    fn respond(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, stale: bool) -> Response<Bytes> {
        let query = Query::new(uri.query().unwrap_or_default());
        if let Err(error) =
            authorize(headers).and_then(|()| self.limit()).and_then(|()| version(headers, &query))
        {
            return self.failed(&error);
        }
        if method != Method::GET {
            return html(StatusCode::METHOD_NOT_ALLOWED);
        }
        let path = uri.path();
        let path = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let (instance_id, disabled) = (self.instance_id.clone(), self.disabled.clone());
        let world = if stale { self.stale_world() } else { &self.world };
        match routes::answer(world, &instance_id, &disabled, path, &query) {
            Some(Ok(body)) => json(StatusCode::OK, &body),
            Some(Err(error)) => self.failed(&error),
            None => html(StatusCode::NOT_FOUND),
        }
    }

    fn limit(&mut self) -> Result<(), ApiError> {
        let now = self.now;
        let counted = self.rate_limit.as_mut().map_or(Ok(()), |limit| limit.count(now));
        counted.map_err(ApiError::too_many_requests)
    }

    fn server_error(&mut self) -> Response<Bytes> {
        let status = self.faults.as_mut().map_or(500, super::faults::Faults::server_error);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => self.failed(&ApiError::new(
                status,
                "internal_clerk_error",
                "Oops, an unexpected error occurred",
                "There was an internal error on our servers. We've been notified and are working on fixing it.",
            )),
            // A proxy in front of the API responds.
            status => html(status),
        }
    }

    fn failed(&self, error: &ApiError) -> Response<Bytes> {
        let mut response = json(error.status, &error.body(format!("{:032x}", self.requests)));
        if let Some(seconds) = error.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    fn system_time(&self) -> SystemTime {
        let millis = u64::try_from(self.now).unwrap_or(0);
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn authorize(headers: &HeaderMap) -> Result<(), ApiError> {
    let unauthorized =
        |code, message, details: &str| Err(ApiError::new(StatusCode::UNAUTHORIZED, code, message, details));
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, key)) = value.and_then(|value| value.split_once(' ')) else {
        return unauthorized(
            "authorization_header_format_invalid",
            "Invalid Authorization header format",
            "The Authorization header must be Bearer and the secret key",
        );
    };
    if scheme.eq_ignore_ascii_case("bearer") && key.trim() == SECRET_KEY {
        return Ok(());
    }
    unauthorized(
        "clerk_key_invalid",
        "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.",
        "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct.",
    )
}

fn version(headers: &HeaderMap, query: &Query) -> Result<(), ApiError> {
    let invalid = |details| {
        Err(ApiError::new(StatusCode::BAD_REQUEST, "api_version_invalid", "Invalid API version", details))
    };
    let header = headers.get(VERSION_HEADER).map(|value| value.to_str().unwrap_or_default());
    match (header, query.get(VERSION_PARAMETER)) {
        (Some(_), Some(_)) => invalid("The API version is both in a header and in the query"),
        (Some(version), None) | (None, Some(version)) if !VERSIONS.contains(&version) => {
            invalid("The API version is unknown")
        }
        _ => Ok(()),
    }
}

fn forbidden() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "authorization_invalid",
        "Unauthorized request",
        "You are not authorized to perform this request",
    )
}

fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    complete(status, "application/json", body.to_string().into())
}

/// Returns a response that does not come from the API.
fn html(status: StatusCode) -> Response<Bytes> {
    complete(status, "text/html", Bytes::from_static(b"<!DOCTYPE html><title>Not the API</title>"))
}

fn complete(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// Drops the second half of the body. `Content-Length` still counts all bytes.
fn cut_off(response: &mut Response<Bytes>) {
    let body = response.body_mut();
    body.truncate(body.len() / 2);
}
