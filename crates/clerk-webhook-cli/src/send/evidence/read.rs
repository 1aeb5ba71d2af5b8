//! The order in which evidence counts, and the rules that do not depend on a vendor.

use super::body::{Beginning, has, is_404_of_application, letters_without, reports_failure};
use super::finding::{Evidence, Kind};
use super::{outcomes, refusals, vendors};
use crate::output::printable;
use crate::send::client::Answer;

/// The maximum length of a header in a sentence, in characters.
const SHOWN: usize = 200;

/// Reads what a response shows. Returns `None` for 2xx without a sign of a failure.
///
/// Specific evidence counts before general evidence: the outcome, then the headers and pages of vendors, then
/// redirects, logins, and CSRF protection, and only then the status.
pub(crate) fn read(answer: &Answer) -> Option<Evidence> {
    let body = Beginning::of(answer);
    let evidence = outcomes::read(answer)
        .or_else(|| vendors::read(answer, &body.text))
        .or_else(|| gate(answer, &body))
        .or_else(|| by_status(answer, &body))?;
    let is_lost = answer.status.is_success() && evidence.kind == Kind::Front;
    Some(if is_lost {
        let says = format!("{}; Svix counts 2xx as delivered, so the event is lost", evidence.says);
        Evidence { kind: Kind::FalseSuccess, says: says.into(), ..evidence }
    } else {
        evidence
    })
}

/// Recognizes a layer that lets only some requests through to the endpoint.
fn gate(answer: &Answer, body: &Beginning) -> Option<Evidence> {
    let text = &body.text;
    let front =
        |finding, says: String, advice: &'static str| Some(Evidence::new(Kind::Front, finding, says, advice));
    // The middleware of Clerk's JavaScript SDKs sets this header, also on responses that it lets through.
    // `protect-rewrite` means that it replaced the response with its own 404.
    if let Some(reason) = answer.header("x-clerk-auth-reason")
        && (answer.status.is_redirection() || reason.contains("protect"))
    {
        return front(
            "auth_in_front",
            "Clerk's middleware protects this path and rejects requests without a session (x-clerk-auth-reason)".to_owned(),
            "make this path a public route of clerkMiddleware: the signature is the authentication",
        );
    }
    if answer.status.is_redirection() {
        return Some(redirect(answer));
    }
    if !answer.status.is_client_error() {
        return None;
    }
    let status = answer.status.as_u16();
    // Laravel, Django, Rails, and SvelteKit. A page may contain a token for its forms, without a failed check.
    let csrf = [
        "csrf verification failed",
        "csrf token",
        "invalidauthenticitytoken",
        "cross-site post form submissions are forbidden",
    ];
    if status == 419 || has(text, &csrf) || (!body.is_page && text.contains("csrf")) {
        return front(
            "csrf",
            "CSRF protection rejects the request before it reaches the endpoint".to_owned(),
            "exempt this path from CSRF protection: the signature is the authentication",
        );
    }
    // Vite, webpack-dev-server, Rails, and Django, for the name of a tunnel.
    let host =
        ["blocked request. this host", "invalid host header", "blocked host", "invalid http_host header"];
    if has(text, &host) {
        return front(
            "host_not_allowed",
            "the server does not accept the host name of the URL".to_owned(),
            "add the host name to the allowed hosts of the server or its development server",
        );
    }
    // The signature is the only credential of a delivery, so a webhook endpoint does not ask for another one.
    let login =
        ["authorization", "bearer", "access token", "jwt", "api key", "unauthenticated", "log in", "sign in"];
    let says = if !matches!(status, 401 | 403) {
        return None;
    } else if answer.headers.contains_key("www-authenticate") {
        "authentication in front of the endpoint rejects the request (www-authenticate)".to_owned()
    } else if body.is_page && refusals::named(&body.reason()).is_none() {
        "a web page rejects the request: authentication, CSRF protection, or a firewall in front of the endpoint"
            .to_owned()
    } else if !body.is_page && has(text, &login) {
        format!("authentication in front of the endpoint rejects the request ({})", body.quoted())
    } else {
        return None;
    };
    front("auth_in_front", says, "exempt this path there: the signature is the authentication")
}

fn redirect(answer: &Answer) -> Evidence {
    let to = answer.header("location").unwrap_or("an unspecified URL");
    let says = format!(
        "the response redirects to {}, and Svix does not follow redirects",
        printable(to.as_bytes(), SHOWN)
    );
    let login = ["login", "log-in", "signin", "sign-in", "sign_in", "oauth"];
    let advice = if has(&to.to_ascii_lowercase(), &login) {
        "exempt this path from the login: the signature is the authentication"
    } else {
        "set the final URL in Clerk, and exclude this path from redirects, such as redirects to https or to a path with a \
         trailing slash"
    };
    Evidence::new(Kind::Front, "redirect", says, advice)
}

fn by_status(answer: &Answer, body: &Beginning) -> Option<Evidence> {
    let status = answer.status.as_u16();
    let reason = body.reason();
    let front =
        |finding, says: &'static str, advice: &'static str| Evidence::new(Kind::Front, finding, says, advice);
    Some(match status {
        200..300 if body.is_page => front(
            "page",
            "the response is a web page, so it does not come from a webhook endpoint",
            "check the path, and exclude it from catch-all routes",
        ),
        200..300 if reports_failure(answer) => Evidence::new(
            Kind::FalseSuccess,
            "failed_with_2xx",
            format!("the body reports a failure ({}), but Svix counts {status} as delivered", body.quoted()),
            "respond with 400 if the verification fails, and with 500 if the handler fails: after 2xx, Svix never sends the \
             event again",
        ),
        200..300 => return None,
        404 | 410 if !is_404_of_application(answer) => front(
            "not_found",
            "no route matches the path",
            "compare the path with the endpoint's route, including prefix and trailing slash. If the path is correct, the \
             handler itself responds with this status",
        ),
        405 => front(
            "method_not_allowed",
            "the path does not accept POST",
            "compare the path with the endpoint's route, including the trailing slash",
        ),
        406 | 415 => front(
            "media_type",
            "a proxy, middleware, or the framework does not accept application/json",
            "accept any content type, and ignore the Accept header",
        ),
        413 => front(
            "too_large",
            "the body exceeds the limit of the endpoint, or of a proxy in front of it",
            "raise the body limit for this path to 2 MiB",
        ),
        429 => Evidence::new(
            Kind::RateLimit,
            "rate_limit",
            "a rate limit rejects the request",
            "exempt this path: Clerk's deliveries come from few addresses and in bursts. Svix treats 429 like any other \
             failure, so do not rely on a longer delay",
        ),
        502 => front(
            "proxy",
            "a proxy responds, but the application behind it does not",
            "check that the application is running, and that the proxy uses its port",
        ),
        503 if body.is_page || is_generic(&reason) => front(
            "unavailable",
            "the server or a proxy in front of it is overloaded, restarting, or in maintenance",
            "wait, and try again. If this status remains, see the log of the proxy, and then the log of the application",
        ),
        504 => front(
            "proxy_timeout",
            "a proxy waited too long for the application",
            "find out why the application is slow or hangs: Svix waits only 15 s",
        ),
        500.. if has(&reason, refusals::OF_LIBRARIES) => refusals::read(status, &reason),
        500.. if is_generic(&reason) => Evidence::new(
            Kind::Failure,
            "server_error",
            "the endpoint fails, and the response does not say why",
            "see the endpoint's log. If it fails because no handler exists, acknowledge event types that nobody handles with \
             2xx; otherwise Svix retries them for 28 hours",
        ),
        500.. => Evidence::new(
            Kind::Failure,
            "server_error",
            format!("the endpoint fails ({})", body.quoted()),
            "see the endpoint's log for the reason",
        ),
        _ if body.is_page && refusals::named(&reason).is_none() => front(
            "page",
            "the response is a web page, so it does not come from a webhook endpoint",
            "check the URL, and firewalls and framework checks in front of the endpoint",
        ),
        _ => refusals::read(status, &reason),
    })
}

/// Returns whether the body of a failure gives no reason.
fn is_generic(reason: &str) -> bool {
    let words = ["internal", "server", "service", "temporarily", "unavailable", "application"];
    let words = [&words[..], &["statuscode", "status", "message", "title", "error"]].concat();
    letters_without(reason, &words).len() <= "oops".len()
}
