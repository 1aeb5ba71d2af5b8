//! What the statuses of the API mean.

use super::super::error::{BackendApiError, BackendApiErrorKind as Kind};
use super::super::resource::Resource;
use super::server::{React, Server, failure, ok, refusal, status};

/// Returns the error of a listing whose requests all have this answer.
async fn error_of(resource: Resource, react: React) -> BackendApiError {
    let server = Server::new(move |_, _| react());
    server.api.list(resource, None).next().await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_status_means_that_the_key_the_feature_or_the_request_is_wrong() {
    use Resource::*;
    let not_found: React = || refusal(404, "resource_not_found");
    for (resource, react, expected) in [
        (Users, not_found, Kind::Unauthorized),
        (Organizations, not_found, Kind::FeatureOff),
        (Memberships, not_found, Kind::FeatureOff),
        (Invitations, not_found, Kind::FeatureOff),
        (Domains, not_found, Kind::FeatureOff),
        (Roles, not_found, Kind::FeatureOff),
        (Permissions, not_found, Kind::FeatureOff),
        (WaitlistEntries, not_found, Kind::FeatureOff),
        (Organizations, || status(404, "Not Found"), Kind::Rejected),
        (Organizations, || status(404, "{}"), Kind::Rejected),
        (Organizations, || status(404, r#"{"errors":[{"code":7}]}"#), Kind::Rejected),
        (Organizations, || refusal(404, "not_found"), Kind::Rejected),
        (Organizations, || refusal(410, "resource_not_found"), Kind::Rejected),
        (Users, || status(404, ""), Kind::Rejected),
        // A suspended instance, for example. Every instance has users.
        (Users, || status(402, ""), Kind::Rejected),
        (Users, || refusal(400, "users_not_enabled"), Kind::Rejected),
        (Domains, || status(402, ""), Kind::FeatureOff),
        (Domains, || refusal(402, "unsupported_subscription_plan_features"), Kind::FeatureOff),
        (Roles, || refusal(400, "organization_not_enabled_in_instance"), Kind::FeatureOff),
        (WaitlistEntries, || refusal(400, "waitlist_not_enabled"), Kind::FeatureOff),
        (Roles, || refusal(403, "organization_not_enabled_in_instance"), Kind::FeatureOff),
        (Roles, || refusal(400, "form_param_invalid"), Kind::Rejected),
        (Roles, || refusal(401, "organization_not_enabled_in_instance"), Kind::Unauthorized),
        (Roles, || refusal(401, "authentication_invalid"), Kind::Unauthorized),
        (Users, || status(401, ""), Kind::Unauthorized),
        (Roles, || refusal(403, "authorization_invalid"), Kind::Rejected),
        (Roles, || refusal(422, "form_param_invalid"), Kind::Rejected),
        (Roles, || status(301, ""), Kind::Rejected),
        (Roles, || refusal(429, "too_many_requests"), Kind::RateLimited),
        (Roles, || refusal(500, "internal_clerk_error"), Kind::Unavailable),
        (Roles, || status(521, "origin is down"), Kind::Unavailable),
        (Roles, || failure("reset"), Kind::Unavailable),
        (Roles, || ok("null"), Kind::UnusableResponse),
        (Roles, || ok("<html>"), Kind::UnusableResponse),
        (Roles, || ok(r#"{"roles":[]}"#), Kind::UnusableResponse),
        (Users, || ok("{}"), Kind::UnusableResponse),
        (Roles, || ok("[]"), Kind::UnusableResponse),
    ] {
        let error = error_of(resource, react).await;
        assert_eq!(error.kind(), expected, "{resource}: {error}");
        assert_eq!(error.is_feature_off(), expected == Kind::FeatureOff);
        assert_eq!(error.is_unauthorized(), expected == Kind::Unauthorized);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_says_what_to_do_and_shows_no_part_of_the_response() {
    const PERSON: &str = r#"{"errors":[{"code":"ada@example.com is taken","message":"ada@example.com"}],
                             "clerk_trace_id":"ada@example.com"}"#;
    let cases: [(Resource, React, &str); 12] = [
        (
            Resource::Roles,
            || refusal(401, "secret_key_invalid"),
            "Clerk does not accept the secret key (401 secret_key_invalid, trace id t1 for /organization_roles). Copy \
             the secret key from the API keys page of the Clerk Dashboard",
        ),
        (
            Resource::Users,
            || refusal(404, "resource_not_found"),
            "the secret key belongs to no Clerk instance (404 resource_not_found, trace id t1 for /users/count). Copy \
             the secret key from the API keys page of the Clerk Dashboard",
        ),
        (
            Resource::Domains,
            || refusal(404, "resource_not_found"),
            "this feature is off in the Clerk instance (404 resource_not_found, trace id t1 for \
             /organization_domains). Enable it in the Clerk Dashboard, or leave out this table",
        ),
        (
            Resource::Roles,
            || status(429, ""),
            "Clerk's rate limit was reached in 6 attempts (429 for /organization_roles). Other programs share the \
             limit: try again later, or use a smaller share of it",
        ),
        (
            Resource::Roles,
            || status(502, PERSON),
            "Clerk answered with a server error in 6 attempts (502 for /organization_roles). Try again later",
        ),
        (
            Resource::Roles,
            || status(521, PERSON).header("cf-ray", "8f2-FRA"),
            "Clerk answered with a server error (521, trace id 8f2-FRA for /organization_roles). Try \
             again later",
        ),
        (
            Resource::Roles,
            || status(307, PERSON).header("location", "https://elsewhere.example/ada@example.com"),
            "the server redirects the request (307 for /organization_roles), and redirects are not followed. Correct \
             the base URL",
        ),
        (
            Resource::Roles,
            || status(404, PERSON),
            "the server rejected the request without an error code of Clerk (404 for /organization_roles). Check the \
             base URL",
        ),
        (
            Resource::Roles,
            || refusal(422, "form_param_invalid"),
            "Clerk rejected the request (422 form_param_invalid, trace id t1 for /organization_roles). Clerk's \
             documentation and support explain the code",
        ),
        (
            Resource::Roles,
            || ok(r#"{"data":"ada@example.com"}"#),
            "the response is not JSON of Clerk's Backend API (200 for /organization_roles). Check the base URL",
        ),
        (
            Resource::Roles,
            || ok(r#"{"data":[{"id":"ada@example.com"#),
            "no complete response arrived in 6 attempts (GET /organization_roles). Check the network and the base URL",
        ),
        (
            Resource::Roles,
            || failure("connection refused"),
            "no complete response arrived in 6 attempts (GET /organization_roles). Check the network and the base URL",
        ),
    ];
    for (resource, react, expected) in cases {
        let error = error_of(resource, react).await;
        assert_eq!(error.to_string(), expected);
        let debug = format!("{error:?}");
        assert!(debug.starts_with(expected) && !debug.contains("ada@") && !debug.contains("3kXp"), "{debug}");
    }
    let error = error_of(Resource::Roles, || failure("connection refused")).await;
    assert!(format!("{error:?}").ends_with(": connection refused"));
    let error = error_of(Resource::Roles, || refusal(422, "form_param_invalid")).await;
    assert_eq!(
        (error.status(), error.code(), error.trace_id(), error.endpoint()),
        (Some(422), Some("form_param_invalid"), Some("t1"), "/organization_roles")
    );
}
