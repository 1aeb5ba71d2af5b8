//! `clerk-webhook doctor`: correct endpoints, and endpoints with one fault each.

use std::collections::BTreeMap;

use crate::support::endpoint::receiver;
use crate::support::process::{self, Run, SECRET, run, run_with};
use crate::support::server::{Request, Server, closed_port, response};
use clerk_webhook_core::{Timestamp, Verifier};
use serde_json::Value;

/// Returns the status and the finding of each check.
fn findings(run: &Run) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = run.objects().into_iter().filter(|object| object["check"].is_string());
    checks.map(|check| (text(&check["check"]), (text(&check["status"]), text(&check["finding"])))).collect()
}

fn finding<'a>(findings: &'a BTreeMap<String, (String, String)>, check: &str) -> (&'a str, &'a str) {
    let (status, finding) = findings.get(check).unwrap();
    (status, finding)
}

fn verify(request: &Request, verifier: &Verifier) -> bool {
    verifier.verify(&request.pairs(), &request.body).is_ok()
}

fn examine(answer: impl Fn(&Request) -> String + Clone + Send + 'static, options: &[&str]) -> (Run, Server) {
    let server = Server::new(answer);
    let url = server.url();
    let run = run(&[&["doctor", &url, "--json"], options].concat());
    (run, server)
}

#[test]
fn finds_no_problems_in_a_receiver_of_this_project() {
    let (endpoint, events) = receiver();
    let url = endpoint.url.clone();
    let run = run(&["doctor", &url, "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
    let all = findings(&run);
    // Anyone can sign with the secret of the tests.
    assert_eq!(finding(&all, "secret"), ("warn", "doubtful"));
    for check in ["name", "connect", "unsigned", "clock", "forged", "stale", "future", "body_limit", "speed"]
    {
        assert_eq!(finding(&all, check).0, "ok", "{check} {run:?}");
    }
    assert_eq!(finding(&all, "signed").0, "skipped");
    assert!(events.try_recv().is_err(), "no request may reach a handler");

    let run = process::run(&["doctor", &url, "--send"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(events.recv().unwrap().event_type().as_str(), "clerk_webhook.doctor");
    assert!(run.stdout.contains("0 bad, 1 warn"), "{}", run.stdout);
    assert!(run.stdout.contains("bodies of 1 MiB are read, bodies of 3 MiB are too large"), "{}", run.stdout);
    assert!(!run.stdout.contains(SECRET));
}

#[test]
fn finds_no_problems_in_a_receiver_in_another_language() {
    let verifier = Verifier::new(SECRET).unwrap();
    let answer = move |request: &Request| {
        if verify(request, &verifier) {
            response(204, &[], "")
        } else {
            response(401, &[("content-type", "application/json")], r#"{"error":"Unauthorized"}"#)
        }
    };
    let (run, _) = examine(answer.clone(), &["--send"]);
    assert_eq!(run.code, 0, "{run:?}");
    let all = findings(&run);
    assert_eq!(finding(&all, "unsigned"), ("ok", "ok"));
    assert_eq!(finding(&all, "clock").0, "skipped");
    // Without a signed delivery, the endpoint and an authentication layer cannot be distinguished.
    let (run, _) = examine(answer, &[]);
    assert_eq!(finding(&findings(&run), "unsigned"), ("warn", "perhaps_auth"));
    assert_eq!(run.code, 0);
}

#[test]
fn sends_no_further_requests_if_the_endpoint_is_not_reached() {
    let (run, server) = examine(|_| response(404, &[], ""), &[]);
    assert_eq!(run.code, 1, "{run:?}");
    let all = findings(&run);
    assert_eq!(finding(&all, "unsigned"), ("bad", "not_found"));
    assert_eq!(finding(&all, "forged").0, "skipped");
    assert_eq!(server.taken().len(), 1);
}

#[test]
fn reports_an_endpoint_without_verification() {
    let (run, _) = examine(|_| response(200, &[], "ok"), &["--send"]);
    assert_eq!(run.code, 1);
    let all = findings(&run);
    for (check, expected) in [
        ("unsigned", "accepts_unsigned"),
        ("forged", "accepts_forged"),
        ("stale", "accepts_stale"),
        ("future", "accepts_future"),
    ] {
        assert_eq!(finding(&all, check), ("bad", expected));
    }
}

#[test]
fn reports_incomplete_verification() {
    // This endpoint checks only whether a signature exists.
    let (run, _) = examine(
        |request| response(if request.header("svix-signature").is_some() { 200 } else { 400 }, &[], ""),
        &["--send"],
    );
    let all = findings(&run);
    assert_eq!(finding(&all, "unsigned"), ("ok", "ok"));
    assert_eq!(finding(&all, "forged"), ("bad", "accepts_forged"));

    // This endpoint checks the signature but not the timestamp.
    let timeless = Verifier::builder()
        .secret(clerk_webhook_core::SigningSecret::parse(SECRET).unwrap())
        .dangerous_accept_any_age()
        .build()
        .unwrap();
    let (run, _) = examine(
        move |request| response(if verify(request, &timeless) { 200 } else { 400 }, &[], ""),
        &["--send"],
    );
    let all = findings(&run);
    assert_eq!(finding(&all, "forged"), ("ok", "ok"));
    assert_eq!(finding(&all, "stale"), ("bad", "accepts_stale"));
    assert_eq!(finding(&all, "future"), ("bad", "accepts_future"));
    assert_eq!(finding(&all, "signed"), ("ok", "ok"));
}

#[test]
fn reports_a_different_secret_after_a_signed_delivery() {
    let (endpoint, _events) = receiver();
    let url = endpoint.url.clone();
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let run = run_with(&["doctor", &url, "--send", "--json"], Some(other), b"");
    assert_eq!(run.code, 1);
    assert_eq!(finding(&findings(&run), "signed"), ("bad", "refused_signed"));
}

#[test]
fn reports_clock_skew() {
    for (offset, expected, side) in [
        (0, "ok", "agree"),
        (-60, "warn", "behind"),
        (60, "warn", "ahead of"),
        (-3600, "bad", "behind"),
        (3600, "bad", "ahead of"),
    ] {
        let (run, _) = examine(
            move |_| {
                let at = Timestamp::from_secs(Timestamp::now().as_secs() + offset);
                let at = jiff::Timestamp::try_from(at).unwrap();
                let date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                response(400, &[("date", &date)], "")
            },
            &[],
        );
        assert_eq!(finding(&findings(&run), "clock").0, expected, "{offset}");
        assert!(run.stdout.contains(side), "{run:?}");
        assert_eq!(run.code, i32::from(expected == "bad"));
    }
}

#[test]
fn warns_about_a_low_body_limit() {
    for (limit, status, finding_expected) in
        [(10_000, "warn", "low"), (300_000, "ok", "ok"), (10_000_000, "ok", "ok")]
    {
        let (run, _) = examine(
            move |request| response(if request.body.len() > limit { 413 } else { 400 }, &[], ""),
            &[],
        );
        assert_eq!(finding(&findings(&run), "body_limit"), (status, finding_expected), "{limit}");
        assert_eq!(run.code, 0);
    }
}

#[test]
fn warns_about_a_rejection_with_delivery_control() {
    let (run, _) = examine(|_| response(400, &[("webhook-delivery", "disable")], ""), &[]);
    assert_eq!(finding(&findings(&run), "unsigned"), ("warn", "steers"));
}

#[test]
fn checks_the_secret() {
    let (endpoint, _events) = receiver();
    let url = endpoint.url.clone();
    for (secret, status, expected) in [
        (None, "warn", "missing"),
        (Some("sk_test_abc"), "bad", "malformed"),
        (Some("whsec_Ypq3ItkZpDR0zU9tQ7WGbQ=="), "warn", "doubtful"),
        (Some("whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC"), "ok", "ok"),
    ] {
        let run = run_with(&["doctor", &url, "--json"], secret, b"");
        let all = findings(&run);
        assert_eq!(finding(&all, "secret"), (status, expected), "{run:?}");
        // Checks that need no secret still run.
        assert_eq!(finding(&all, "unsigned").0, "ok");
        assert!(!secret.is_some_and(|secret| run.stdout.contains(secret)));
    }
    let run = run_with(&["doctor", &url, "--send", "--json"], None, b"");
    assert_eq!((run.code, finding(&findings(&run), "signed")), (1, ("bad", "no_secret")), "{run:?}");
    assert!(run.stdout.contains("not sent: --send needs a valid signing secret"), "{run:?}");
}

#[test]
fn checks_the_url_of_the_environment_by_default() {
    let (endpoint, _events) = receiver();
    let output = process::command().arg("doctor").env("CLERK_WEBHOOK_URL", &endpoint.url).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(stderr.contains(&format!("note: URL is {}, CLERK_WEBHOOK_URL\n", endpoint.url)), "{stderr}");
    assert!(stdout.contains("unsigned    rejected with 400, as clerk-webhook does"), "{stdout}");
}

#[test]
fn stops_if_the_server_is_unreachable() {
    let run = run(&["doctor", &format!("http://{}/", closed_port()), "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let all = findings(&run);
    assert_eq!(finding(&all, "connect"), ("bad", "unreachable"));
    assert!(!all.contains_key("unsigned"));
}

#[test]
fn reports_a_response_that_is_not_http() {
    let (run, _) = examine(|_| "SSH-2.0-OpenSSH\r\n".to_owned(), &[]);
    assert_eq!(run.code, 1);
    assert_eq!(finding(&findings(&run), "unsigned"), ("bad", "no_answer"));
}

#[test]
#[cfg(feature = "tls")]
fn reports_a_tls_failure() {
    let server = Server::new(|_| response(400, &[], ""));
    let run = run(&["doctor", &server.url().replace("http://", "https://"), "--json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let all = findings(&run);
    assert_eq!(finding(&all, "tls"), ("bad", "failed"));
    assert!(!all.contains_key("unsigned"));
}

#[test]
fn reports_a_connection_that_closes_on_large_bodies() {
    // Closes the connection without a response.
    let answer =
        |request: &Request| if request.body.len() > 100_000 { String::new() } else { response(400, &[], "") };
    let (run, _) = examine(answer, &[]);
    let checks = run.objects();
    let check = checks.iter().find(|check| check["check"] == "body_limit").unwrap();
    assert_eq!(check["message"], "bodies of 64 KiB are read, bodies of 256 KiB get no response");
}

#[test]
fn rejects_another_machine_without_permission() {
    let run = run(&["doctor", "https://example.com/webhooks/clerk"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--allow-remote"));
}

#[test]
fn continues_if_an_unsigned_request_causes_a_server_error() {
    let (run, _server) = examine(|_| response(500, &[], ""), &[]);
    assert_eq!(run.code, 1, "{run:?}");
    let all = findings(&run);
    assert_eq!((finding(&all, "unsigned").1, finding(&all, "forged").0), ("server_error", "warn"));

    let takes_all = |request: &Request| match request.header("svix-signature") {
        Some(_) => response(200, &[], ""),
        None => response(500, &[], ""),
    };
    for (options, forged, stale) in
        [(&[][..], "acknowledged", "acknowledged"), (&["--send"], "accepts_forged", "accepts_stale")]
    {
        let (run, _server) = examine(takes_all, options);
        assert_eq!(run.code, 1, "{run:?}");
        let all = findings(&run);
        assert_eq!(finding(&all, "unsigned"), ("bad", "server_error"));
        assert_eq!(finding(&all, "forged"), ("bad", forged));
        assert_eq!(finding(&all, "stale"), ("bad", stale));
    }
}
