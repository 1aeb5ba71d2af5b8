//! Error responses in Clerk's format.

use http::StatusCode;
use serde_json::{Value, json};

/// Why a request gets no data.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    code: &'static str,
    message: &'static str,
    details: String,
    parameter: Option<&'static str>,
    /// The value of `Retry-After`, in seconds.
    pub(super) retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: &'static str,
        details: impl Into<String>,
    ) -> Self {
        Self { status, code, message, details: details.into(), parameter: None, retry_after: None }
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "resource_not_found",
            "not found",
            format!("No object was found with id {id}"),
        )
    }

    /// Rejects the value of a query parameter.
    pub(super) fn invalid(parameter: &'static str, details: impl Into<String>) -> Self {
        let error =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "form_param_value_invalid", "is invalid", details);
        Self { parameter: Some(parameter), ..error }
    }

    pub(super) fn too_many_requests(seconds: u64) -> Self {
        let error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "Too many requests. Please try again in a bit.",
            "Too many requests. Please try again in a bit.",
        );
        Self { retry_after: Some(seconds), ..error }
    }

    pub(super) fn body(&self, trace_id: String) -> Value {
        let mut error = json!({ "code": self.code, "long_message": self.details, "message": self.message });
        if let Some(parameter) = self.parameter {
            error["meta"] = json!({ "param_name": parameter });
        }
        json!({ "clerk_trace_id": trace_id, "errors": [error] })
    }
}
