//! What `doctor` and `trigger` read from a response. Both must name the same cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clerk_webhook_core::{Timestamp, Verifier};
use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::process::{self, Run, SECRET, run, run_with};
use crate::support::server::{Request, Server, response};

const HTML: (&str, &str) = ("content-type", "text/html; charset=UTF-8");
const CLOUDFLARE: (&str, &str) = ("server", "cloudflare");
const ACKNOWLEDGE: &str = "acknowledge event types that nobody handles";

fn field_case(name: &str) -> String {
    let file = format!("{}/../../tests/field-cases/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(file).unwrap()
}

/// Returns `trigger`'s report about the server's response.
fn trigger(server: &Server, options: &[&str]) -> (Run, Value) {
    let url = server.url();
    let run = run(&[&["trigger", "user.created", "--json", "--to", &url], options].concat());
    let report = run.objects().remove(0);
    (run, report)
}

/// Returns `doctor`'s check with this name.
fn doctor(server: &Server, options: &[&str], check: &str) -> (Run, Value) {
    let run = run(&[&["doctor", "--json", &server.url()], options].concat());
    let found = run.objects().into_iter().find(|object| object["check"] == check).unwrap();
    (run, found)
}

fn sentences(report: &Value) -> String {
    let fields =
        ["message", "meaning", "advice", "hint"].map(|field| report[field].as_str().unwrap_or_default());
    fields.join(" ")
}

#[track_caller]
fn assert_says(report: &Value, expected: &[&str], wrong: &[&str]) {
    let text = sentences(report);
    for expected in expected {
        assert!(text.contains(expected), "{expected}: {report}");
    }
    for wrong in wrong {
        assert!(!text.contains(wrong), "{wrong}: {report}");
    }
}

/// Responses to every request that do not come from a handler, with the finding and parts of its sentences.
fn responses() -> Vec<(String, &'static str, &'static [&'static str])> {
    let page = |status, headers: &[(&str, &str)], text: &str| {
        response(
            status,
            &[&[HTML], headers].concat(),
            &format!("<!DOCTYPE html><html><body>{text}</body></html>"),
        )
    };
    let json = |status, body: &str| response(status, &[("content-type", "application/json")], body);
    vec![
        (
            field_case("answer-firewall-403.http"),
            "firewall",
            &["Cloudflare", "error code: 1010", "let Svix's requests through", "user agent"],
        ),
        (field_case("answer-tunnel-gone-404.http"), "tunnel_down", &["ERR_NGROK_3200", "start ngrok"]),
        (
            field_case("answer-refused-with-200.http"),
            "failed_with_2xx",
            &["Missing required headers", "counts 200 as delivered", "respond with 400", "with 500"],
        ),
        // ngrok.com/docs/errors/err_ngrok_8012, and an error without its own rule.
        (
            page(502, &[("ngrok-error-code", "ERR_NGROK_8012")], ""),
            "proxy",
            &["ngrok responds, but the application behind it does not", "running"],
        ),
        (page(404, &[("ngrok-error-code", "ERR_NGROK_724")], ""), "tunnel_down", &["ERR_NGROK_724"]),
        (page(402, &[("ngrok-error-code", "ERR_NGROK_727")], ""), "vendor_error", &["ERR_NGROK_727"]),
        // The plain and the HTML form of Cloudflare's error 1033.
        (response(530, &[CLOUDFLARE], "error code: 1033"), "tunnel_down", &["start cloudflared"]),
        (page(530, &[CLOUDFLARE], "<h2>Cloudflare Tunnel error</h2>"), "tunnel_down", &["cloudflared"]),
        (response(521, &[CLOUDFLARE], "error code: 521"), "proxy", &["Cloudflare", "is running"]),
        // github.com/localtunnel/localtunnel/issues/699.
        (page(503, &[], "503 - Tunnel Unavailable"), "tunnel_down", &["start localtunnel"]),
        // ngrok.com/docs/errors/err_ngrok_6024 and github.com/localtunnel/localtunnel/issues/640.
        (page(200, &[("ngrok-error-code", "ERR_NGROK_6024")], ""), "browser_page", &["the event is lost"]),
        (page(511, &[], "localtunnel: friendly reminder"), "browser_page", &["user agent"]),
        // developers.cloudflare.com/cloudflare-challenges: "Detect a Challenge Page response".
        (page(403, &[("cf-mitigated", "challenge")], "Just a moment..."), "firewall", &["Cloudflare"]),
        (page(403, &[CLOUDFLARE], "used Cloudflare to restrict access"), "firewall", &["Cloudflare"]),
        // docs.aws.amazon.com/waf: a challenge has the status 202, a CAPTCHA has 405.
        (
            response(202, &[("x-amzn-waf-action", "challenge")], ""),
            "firewall",
            &["AWS WAF", "the event is lost"],
        ),
        (response(405, &[("x-amzn-waf-action", "captcha")], ""), "firewall", &["AWS WAF"]),
        (page(403, &[("server", "CloudFront")], "Request blocked."), "firewall", &["AWS WAF"]),
        (page(429, &[("x-vercel-mitigated", "challenge")], ""), "firewall", &["Vercel"]),
        // learn.microsoft.com: "Configure a custom response for Azure Web Application Firewall".
        (page(403, &[("x-azure-ref", "0abc")], "The request is blocked."), "firewall", &["Azure"]),
        // Imperva's block page can have the status 200.
        (
            page(200, &[("x-iinfo", "1-2-3 NNNN")], "Request unsuccessful. Incapsula incident ID: 1-2"),
            "firewall",
            &["Imperva", "the event is lost"],
        ),
        (page(403, &[("x-sucuri-block", "FBP007")], "Access Denied"), "firewall", &["Sucuri", "FBP007"]),
        (page(403, &[("server", "Sucuri/Cloudproxy")], "Sucuri Website Firewall"), "firewall", &["Sucuri"]),
        // vercel.com/docs/deployment-protection and vercel.com/docs/errors.
        (
            page(401, &[("set-cookie", "_vercel_sso_nonce=abc; Path=/")], "Authentication Required"),
            "auth_in_front",
            &["Vercel's deployment protection"],
        ),
        (
            response(404, &[("x-vercel-error", "DEPLOYMENT_NOT_FOUND")], "The deployment could not be found"),
            "vendor_error",
            &["DEPLOYMENT_NOT_FOUND", "vercel.com/docs/errors"],
        ),
        (
            response(404, &[("x-railway-fallback", "true")], r#"{"message":"Application not found"}"#),
            "proxy",
            &["Railway", "running"],
        ),
        // clerkMiddleware with auth.protect().
        (
            page(404, &[("x-clerk-auth-reason", "protect-rewrite, session-token-and-uat-missing")], ""),
            "auth_in_front",
            &["public route of clerkMiddleware"],
        ),
        // laravel.com/docs/csrf: "419 Page Expired"; the pages of Django, Express and Rails; SvelteKit.
        (page(419, &[], "Page Expired"), "csrf", &["exempt this path from CSRF protection"]),
        (page(403, &[], "CSRF verification failed. Request aborted."), "csrf", &["CSRF"]),
        (page(403, &[], "ForbiddenError: invalid csrf token"), "csrf", &["CSRF"]),
        (page(422, &[], "ActionController::InvalidAuthenticityToken"), "csrf", &["CSRF"]),
        (json(403, r#"{"error":"CSRF"}"#), "csrf", &["CSRF"]),
        (response(403, &[], "Cross-site POST form submissions are forbidden"), "csrf", &["CSRF"]),
        // Vite's `server.allowedHosts`, Rails, Django, and webpack-dev-server.
        (
            response(403, &[], "Blocked request. This host (\"a.example\") is not allowed."),
            "host_not_allowed",
            &["allowed hosts"],
        ),
        (page(403, &[], "Blocked hosts: a.example"), "host_not_allowed", &["allowed hosts"]),
        (page(400, &[], "DisallowedHost: Invalid HTTP_HOST header"), "host_not_allowed", &["allowed hosts"]),
        (response(403, &[HTML], "Invalid Host header"), "host_not_allowed", &["allowed hosts"]),
        (
            response(302, &[("location", "https://team.cloudflareaccess.com/cdn-cgi/access/login/x")], ""),
            "redirect",
            &["does not follow redirects", "exempt this path from the login"],
        ),
        (response(308, &[("location", "/webhooks/clerk/")], ""), "redirect", &["final URL", "slash"]),
        (response(401, &[("www-authenticate", "Bearer")], ""), "auth_in_front", &["exempt this path"]),
        // Laravel's and Express' middleware for API routes.
        (json(401, r#"{"message":"Unauthenticated."}"#), "auth_in_front", &["exempt this path"]),
        (json(401, r#"{"error":"Missing Authorization header"}"#), "auth_in_front", &["Authorization"]),
        (page(403, &[], "Forbidden"), "auth_in_front", &["a web page rejects the request"]),
        (page(404, &[], "Not found"), "not_found", &["no route", "prefix and trailing slash"]),
        // The routers of NestJS, Django REST framework, and Kong.
        (json(404, r#"{"message":"Cannot POST /x","statusCode":404}"#), "not_found", &["no route"]),
        (json(404, r#"{"detail":"Not found."}"#), "not_found", &["no route"]),
        (json(404, r#"{"message":"no Route matched with those values"}"#), "not_found", &["no route"]),
        // Flask-RESTful, Nitro, and Laravel without debug mode.
        (
            json(404, r#"{"message":"The requested URL was not found on the server. Check your spelling."}"#),
            "not_found",
            &["no route"],
        ),
        (
            json(404, r#"{"url":"/x","statusCode":404,"message":"Cannot find any path matching /x."}"#),
            "not_found",
            &["no route"],
        ),
        (
            json(404, r#"{"message":"","exception":"NotFoundHttpException in the routes"}"#),
            "not_found",
            &["no route"],
        ),
        (response(405, &[("allow", "GET")], ""), "method_not_allowed", &["does not accept POST"]),
        (response(415, &[], ""), "media_type", &["application/json"]),
        (response(413, &[], ""), "too_large", &["2 MiB"]),
        (page(502, &[], "<h1>502 Bad Gateway</h1><center>nginx</center>"), "proxy", &["is running"]),
        (response(504, &[], ""), "proxy_timeout", &["slow or hangs"]),
        (response(503, &[], ""), "unavailable", &["overloaded, restarting, or in maintenance", "try again"]),
        (page(503, &[], "Down for maintenance"), "unavailable", &["in maintenance"]),
        (json(503, r#"{"message":"Service Unavailable"}"#), "unavailable", &["log of the proxy"]),
        (page(503, &[], "No server is available to handle this request."), "proxy", &["HAProxy"]),
        (response(503, &[], "upstream connect error or disconnect/reset"), "proxy", &["Envoy"]),
        (
            page(503, &[], r#"<iframe src="//www.herokucdn.com/error-pages/application-error.html">"#),
            "proxy",
            &["Heroku"],
        ),
        // Clerk's SDK, and Express' page for an error that a handler throws.
        (
            page(500, &[], "<pre>Error: Missing webhook signing secret. Set the variable<br> at x</pre>"),
            "misconfigured",
            &["has no signing secret"],
        ),
        (page(200, &[], "<title>Sign in</title>"), "page", &["web page", "the event is lost"]),
        (response(200, &[HTML], " <p>Sign in"), "page", &["web page"]),
        (response(200, &[], "\u{feff}\r\n<HTML>"), "page", &["web page"]),
        (page(400, &[], "Oops"), "page", &["web page"]),
        (response(200, &[HTML], "Error: Verification error"), "failed_with_2xx", &["respond with 400"]),
        (json(200, r#"{"message":"Signature mismatch"}"#), "failed_with_2xx", &["respond with 400"]),
        (json(201, r#"{"outcome":"failed"}"#), "failed_with_2xx", &["changed the status to 201"]),
        (response(500, &[], r#"{"title":"Internal Server Error","status":500}"#), "misconfigured", &["log"]),
    ]
}

#[test]
fn doctor_and_trigger_name_what_responds_instead_of_a_handler() {
    for (response, finding, expected) in responses() {
        let answer = response.clone();
        let server = Server::new(move |_| answer.clone());
        let wrong = match finding {
            "firewall" => &["session", "token", "cookie", "CSRF", "secret", "DANGER"][..],
            "tunnel_down" => &["route", "path", "secret"],
            _ => &["DANGER", "was accepted", "different secret"],
        };
        let (run, report) = trigger(&server, &[]);
        assert_eq!(report["finding"], finding, "{run:?}");
        assert_says(&report, expected, &[wrong, &[ACKNOWLEDGE]].concat());

        for options in [&[][..], &["--send"]] {
            let (run, check) = doctor(&server, options, "unsigned");
            assert_eq!((&check["status"], &check["finding"]), (&"bad".into(), &finding.into()), "{run:?}");
            assert_eq!(run.code, 1);
            assert_says(&check, expected, wrong);
            assert!(!run.stdout.contains("DANGER") && !run.stdout.contains(ACKNOWLEDGE), "{run:?}");
        }
    }
}

/// Responds to requests that do not verify with a refusal, and to all others with this response.
fn verifying(to_signed: String) -> Server {
    let verifier = Verifier::new(SECRET).unwrap();
    Server::new(move |request: &Request| match verifier.verify(&request.pairs(), &request.body) {
        Ok(_) => to_signed.clone(),
        Err(_) => response(400, &[], r#"{"error":"Invalid signature"}"#),
    })
}

#[test]
fn the_advice_for_a_signed_delivery_follows_from_the_outcome() {
    let cases = field_case("answers-to-signed.txt");
    let cases: Vec<_> = cases.lines().filter_map(|line| line.split_once('\t')).collect();
    let expected: [(_, _, &[&str]); 11] = [
        ("warn", "failed", &["see the endpoint's log"]),
        ("warn", "server_error", &["see the endpoint's log", ACKNOWLEDGE]),
        ("warn", "store_unavailable", &["database", "tables"]),
        ("warn", "handler_timeout", &["makes the handler slow"]),
        ("warn", "in_progress", &["wait"]),
        ("warn", "lease_lost", &["slow handler"]),
        ("warn", "rejected", &["gave the message up", "log"]),
        ("bad", "disabled", &["asked Svix to disable the endpoint", "find the handler"]),
        ("warn", "rate_limit", &["a rate limit"]),
        ("bad", "not_found", &["no route"]),
        ("warn", "refused_type", &["event type", ACKNOWLEDGE]),
    ];
    assert_eq!(cases.len(), expected.len());
    for ((status, outcome), (grade, finding, parts)) in cases.into_iter().zip(expected) {
        let body = match (status, outcome) {
            ("400", "-") => "Unknown event type".to_owned(),
            (_, "-") => String::new(),
            _ => format!(r#"{{"outcome":"{outcome}"}}"#),
        };
        let server = verifying(response(status.parse().unwrap(), &[], &body));
        let (run, report) = trigger(&server, &[]);
        let (doctor_run, check) = doctor(&server, &["--send"], "signed");
        assert_eq!(check["status"], grade, "{doctor_run:?}");
        for report in [&report, &check] {
            assert_eq!(report["finding"], finding, "{run:?} {doctor_run:?}");
            let wrong = if parts.contains(&ACKNOWLEDGE) { &["secret"][..] } else { &["secret", ACKNOWLEDGE] };
            assert_says(report, parts, wrong);
        }
    }
}

#[test]
fn a_refusal_is_compared_with_the_response_to_a_forged_delivery() {
    // The body does not say why. Only the comparison shows that the signature is not the reason.
    let (run, check) = doctor(&verifying(response(400, &[], "nope")), &["--send"], "signed");
    assert_eq!((&check["status"], &check["finding"]), (&"warn".into(), &"refused_type".into()), "{run:?}");
    assert_says(&check, &["a forged delivery gets a different response"], &["secret"]);
    let (_, check) = doctor(&verifying(response(400, &[], "nope")), &["--send"], "stale");
    assert_eq!(check["message"], "a delivery signed 10 min ago is rejected with 400");
    // All deliveries get the same refusal.
    let (run, check) = doctor(&Server::new(|_| response(400, &[], "nope")), &["--send"], "signed");
    assert_eq!((&check["status"], &check["finding"]), (&"bad".into(), &"refused_signed".into()), "{run:?}");
    assert_says(&check, &["the same response as a forged delivery", "a different secret"], &[ACKNOWLEDGE]);
    // The endpoint checks the type before the signature, so this says nothing about the secret.
    let (_, check) =
        doctor(&Server::new(|_| response(400, &[], "Unhandled event type")), &["--send"], "signed");
    assert_eq!((&check["status"], &check["finding"]), (&"warn".into(), &"refused_type".into()));
    // Both are 401, but only the endpoint can distinguish the signatures.
    let verifier = Verifier::new(SECRET).unwrap();
    let server = Server::new(move |request: &Request| {
        let is_signed = verifier.verify(&request.pairs(), &request.body).is_ok();
        response(401, &[], if is_signed { "no such tenant" } else { "no" })
    });
    for (options, grade, advice) in [(&["--send"][..], "ok", ""), (&[], "warn", "run again with --send")] {
        let (run, check) = doctor(&server, options, "unsigned");
        assert_eq!(check["status"], grade, "{run:?}");
        assert_says(&check, &[advice], &[]);
    }
    // A signed delivery without a response shows nothing, and sending it again does not help.
    for (status, checks) in [(401, &["unsigned", "stale"][..]), (200, &["unsigned", "forged", "future"])] {
        let verifier = Verifier::new(SECRET).unwrap();
        let server = Server::new(move |request: &Request| {
            let is_signed = verifier.verify(&request.pairs(), &request.body).is_ok();
            if is_signed { String::new() } else { response(status, &[], "no") }
        });
        for check in checks {
            let (_, check) = doctor(&server, &["--send"], check);
            assert_says(&check, &["a signed delivery gets no response"], &["--send"]);
            let (_, check) = doctor(&server, &[], check["check"].as_str().unwrap());
            assert_says(&check, &["--send"], &["no response"]);
        }
    }
    // The request has all headers, so the secret is not the reason. The endpoint fails before it verifies.
    for (answer, finding, expected) in [
        (response(400, &[], "Missing svix headers"), "refused_headers", "no proxy removes svix-id"),
        (response(500, &[], ""), "server_error", "on every delivery, also on a forged one"),
    ] {
        let (run, check) = doctor(&Server::new(move |_| answer.clone()), &["--send"], "signed");
        assert_eq!((&check["status"], &check["finding"]), (&"bad".into(), &finding.into()), "{run:?}");
        assert_says(&check, &[expected], &["different secret", ACKNOWLEDGE]);
    }
    // The route exists, because the endpoint rejects a forged delivery.
    let json_404 = response(404, &[], r#"{"error":"User not found"}"#);
    for (answer, grade, finding, expected) in [
        (json_404, "warn", "refused_type", "a forged delivery gets a different response"),
        (response(404, &[], ""), "bad", "not_found", "only for a signed delivery"),
        (response(503, &[], ""), "bad", "unavailable", "only for a signed delivery"),
        (response(400, &[], "Message timestamp too old"), "bad", "refused_signature", "compare the clocks"),
        (response(400, &[], "Invalid signature of the user"), "bad", "refused_signature", "in addition to"),
    ] {
        let (run, check) = doctor(&verifying(answer), &["--send"], "signed");
        assert_eq!((&check["status"], &check["finding"]), (&grade.into(), &finding.into()), "{run:?}");
        assert_says(&check, &[expected], &["secret", "DANGER"]);
    }
    // Numbers can be durations, so a difference between them proves nothing.
    let count = Arc::new(AtomicUsize::new(0));
    let numbered = Server::new(move |_| {
        let body = format!(r#"{{"error":"nope","ms":{}}}"#, count.fetch_add(1, Ordering::Relaxed));
        response(400, &[], &body)
    });
    let (run, check) = doctor(&numbered, &["--send"], "signed");
    assert_eq!(check["finding"], "refused_signed", "{run:?}");
    assert_says(&check, &["a different secret"], &["as a forged delivery", "a different response"]);
    // The header of another implementation.
    let (_, check) =
        doctor(&verifying(response(410, &[("webhook-delivery", "disable")], "")), &["--send"], "signed");
    assert_eq!((&check["status"], &check["finding"]), (&"bad".into(), &"disabled".into()));
}

#[test]
fn a_refusal_by_the_endpoint_does_not_count_as_a_firewall_or_a_login() {
    let express_error =
        "<!DOCTYPE html><title>Error</title><pre>Error: No matching signature found<br> at x</pre>";
    for (answer, finding, grade) in [
        (response(403, &[CLOUDFLARE], r#"{"error":"Invalid signature"}"#), "refused_signature", "ok"),
        (response(401, &[], r#"{"message":"Missing svix headers"}"#), "refused_headers", "ok"),
        (response(400, &[], r#"{"title":"Bad Request","status":400}"#), "not_verified", "ok"),
        (response(422, &[], ""), "refused_unexplained", "ok"),
        (
            response(401, &[("x-clerk-auth-reason", "session-token-missing")], ""),
            "refused_unexplained",
            "warn",
        ),
        (response(418, &[], ""), "refused_unexplained", "warn"),
        // Express declares every text as HTML, and shows thrown errors on a page. Spring adds a timestamp.
        (response(400, &[HTML], "Error verifying webhook"), "refused_signature", "ok"),
        (response(401, &[HTML], express_error), "refused_signature", "ok"),
        (response(500, &[HTML], express_error), "refused_signature", "bad"),
        (response(400, &[], r#"{"timestamp":"2026","error":"Bad Request"}"#), "refused_unexplained", "ok"),
        (response(404, &[], r#"{"error":"User not found"}"#), "refused_unexplained", "warn"),
        (response(404, &[], r#""unknown tenant""#), "refused_unexplained", "warn"),
        // Messages of the libraries of Svix and Clerk, and of tutorials.
        (response(400, &[], "Message timestamp too old"), "refused_signature", "ok"),
        (response(400, &[], "timestamp is outside the tolerance"), "refused_signature", "ok"),
        (response(400, &[], "Invalid Signature Headers"), "refused_headers", "ok"),
        (response(400, &[], "Error occured -- no svix headers"), "refused_headers", "ok"),
        (response(400, &[], "Missing webhook signing secret"), "misconfigured", "bad"),
        (response(400, &[], "Invalid or missing webhook secret"), "refused_signature", "ok"),
        (
            response(500, &[], "Error: Please add SIGNING_SECRET from Clerk Dashboard to .env or .env.local"),
            "misconfigured",
            "bad",
        ),
        (response(400, &[], "Could not verify this unknown event"), "refused_signature", "ok"),
        (response(400, &[], "unsupported event: user.created"), "refused_type", "ok"),
        (response(400, &[], "an unknown error while storing an event of svix"), "refused_unexplained", "ok"),
    ] {
        let server = Server::new(move |_| answer.clone());
        let (run, report) = trigger(&server, &[]);
        assert_eq!((run.code, &report["finding"]), (1, &finding.into()), "{run:?}");
        let (run, check) = doctor(&server, &[], "unsigned");
        assert_eq!(check["status"], grade, "{run:?}");
    }
    let thrown =
        response(500, &[HTML], "<html><title>E</title><pre>TypeError: x is undefined<br> at y</pre>");
    let (_, report) = trigger(&Server::new(move |_| thrown.clone()), &[]);
    assert_says(&report, &["the endpoint fails (TypeError: x is undefined)"], &[ACKNOWLEDGE]);
}

#[test]
fn a_verdict_of_danger_needs_the_same_response_to_a_signed_delivery() {
    fn is_signed(request: &Request) -> bool {
        Verifier::new(SECRET).unwrap().verify(&request.pairs(), &request.body).is_ok()
    }
    let accepting = Server::new(|request| {
        let id = request.header("svix-id").unwrap_or("none");
        response(200, &[HTML], &format!(r#"{{"received":"{id}"}}"#).replace("none", "msg_2aBcDeFgHiJkL"))
    });
    let lenient =
        Server::new(|request| response(200, &[], if is_signed(request) { "stored" } else { "ignored" }));
    let counting = Server::new(|request| {
        response(200, &[], &format!(r#"{{"accepted":{}}}"#, u8::from(is_signed(request))))
    });
    // This endpoint has another secret. It acknowledges old deliveries before it verifies.
    let other = Server::new(|request| {
        let timestamp = request.header("svix-timestamp").and_then(|text| text.parse().ok()).unwrap_or(0);
        let is_old = Timestamp::now().as_secs() - timestamp > 300;
        if is_old { response(200, &[], "") } else { response(400, &[], "Invalid signature") }
    });
    for (server, options, check, finding, expected) in [
        (&accepting, &["--send"][..], "unsigned", "accepts_unsigned", "the same as to a signed delivery"),
        (&accepting, &["--send"], "forged", "accepts_forged", "nothing shows that the endpoint rejects it"),
        (&accepting, &["--send"], "stale", "accepts_stale", "the same as to a signed delivery"),
        (&accepting, &[], "forged", "acknowledged", "run again with --send"),
        (&lenient, &["--send"], "unsigned", "acknowledged", "a different response"),
        (&lenient, &["--send"], "forged", "acknowledged", "a different response"),
        (&counting, &["--send"], "forged", "acknowledged", "only in numbers or codes"),
        (&other, &["--send"], "stale", "acknowledged", "a signed delivery is not accepted (400)"),
    ] {
        let (run, check) = doctor(server, options, check);
        assert_eq!((&check["status"], &check["finding"]), (&"bad".into(), &finding.into()), "{run:?}");
        assert_eq!(run.stdout.contains("DANGER"), finding != "acknowledged", "{run:?}");
        assert_says(&check, &[expected], &[]);
    }
    let (_, check) = doctor(&accepting, &["--send"], "signed");
    assert_eq!(check["status"], "ok", "plain text is not a web page");
}

#[test]
fn sends_the_user_agent_of_svix_unless_another_is_given() {
    let server = Server::new(|_| field_case("answer-firewall-403.http"));
    let with_default = [trigger(&server, &[]).1, doctor(&server, &[], "unsigned").1];
    let requests = server.taken();
    assert!(requests.iter().all(|sent| sent.header("user-agent").unwrap().starts_with("Svix-Webhooks/1.")));
    let own = &["--user-agent", "my-agent/2"];
    let with_own = [trigger(&server, own).1, doctor(&server, own, "unsigned").1];
    assert!(server.taken().iter().all(|sent| sent.header("user-agent") == Some("my-agent/2")));
    let folder = Folder::new("evidence-user-agent");
    let recorded = run_with(&["sign", "--json"], Some(SECRET), b"{}").stdout;
    let recorded = folder.write("recorded.ndjson", recorded.as_bytes());
    let url = server.url();
    for command in [&["scenario", "signup", "--events", "3"][..], &["replay", &recorded]] {
        for (options, expected) in [(&[][..], "Svix-Webhooks/1."), (own, "my-agent/2")] {
            process::run(&[command, &["--to", &url], options].concat());
            let requests = server.taken();
            let agents: Vec<_> = requests.iter().filter_map(|sent| sent.header("user-agent")).collect();
            assert!(
                !agents.is_empty() && agents.iter().all(|agent| agent.starts_with(expected)),
                "{agents:?}"
            );
        }
    }
    for report in &with_default {
        assert_says(report, &["has Svix's user agent, but comes from another address"], &[]);
    }
    for report in &with_own {
        assert_says(report, &["does not have Svix's", "without --user-agent"], &[]);
    }
}
