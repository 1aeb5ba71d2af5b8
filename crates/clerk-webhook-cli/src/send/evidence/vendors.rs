//! Tunnels, firewalls and platforms that respond instead of the endpoint.
//!
//! Each sign is taken from the vendor's documentation or public issues, named above it. A header that a vendor
//! adds to every response, such as `server: cloudflare`, counts only together with the vendor's page.

use std::ops::RangeInclusive;

use http::HeaderValue;

use super::body::has;
use super::finding::{Evidence, Kind};
use crate::output::printable;
use crate::send::client::Answer;

/// The maximum length of a header's value in a sentence, in characters.
const SHOWN: usize = 40;

/// What a vendor's response means.
#[derive(Clone, Copy)]
enum Meaning {
    TunnelDown,
    NoApplication,
    BrowserPage,
    Error(&'static str),
    Firewall,
    Login,
}

/// A sign by which a vendor's response is recognized. All parts must match.
struct Sign {
    vendor: &'static str,
    /// A header, or an empty name, and a part of the header's value in lower case.
    header: (&'static str, &'static str),
    status: RangeInclusive<u16>,
    /// Texts in lower case. One of them must occur in the body, unless the list is empty.
    body: &'static [&'static str],
    meaning: Meaning,
}

const ANY: RangeInclusive<u16> = 100..=999;
const NO_HEADER: (&str, &str) = ("", "");
const CLOUDFLARE: (&str, &str) = ("server", "cloudflare");

/// Cloudflare's codes for blocked addresses, networks, countries, user agents, and requests.
const BLOCKED: &[&str] = &[
    "error code: 1006",
    "error code: 1007",
    "error code: 1008",
    "error code: 1009",
    "error code: 1010",
    "error code: 1012",
    "error code: 1020",
    "attention required! | cloudflare",
    "used cloudflare to restrict access",
];

/// The signs. The first one that matches counts.
const SIGNS: &[Sign] = {
    use Meaning::{BrowserPage, Error, Firewall, Login, NoApplication, TunnelDown};

    const fn by(
        vendor: &'static str,
        header: (&'static str, &'static str),
        status: RangeInclusive<u16>,
        body: &'static [&'static str],
        meaning: Meaning,
    ) -> Sign {
        Sign { vendor, header, status, body, meaning }
    }
    &[
        // ngrok.com/docs/errors: err_ngrok_3200, _724, _8012, _6024, and the index of all codes.
        by("ngrok", ("ngrok-error-code", "err_ngrok_3200"), ANY, &[], TunnelDown),
        by("ngrok", ("ngrok-error-code", "err_ngrok_724"), ANY, &[], TunnelDown),
        by("ngrok", ("ngrok-error-code", "err_ngrok_8012"), ANY, &[], NoApplication),
        by("ngrok", ("ngrok-error-code", "err_ngrok_6024"), ANY, &[], BrowserPage),
        by("ngrok", ("ngrok-error-code", ""), ANY, &[], Error("https://ngrok.com/docs/errors")),
        // github.com/localtunnel/localtunnel/issues/699, /640 and /366.
        by("localtunnel", NO_HEADER, 503..=503, &["tunnel unavailable"], TunnelDown),
        by("localtunnel", NO_HEADER, 511..=511, &["tunnel"], BrowserPage),
        // developers.cloudflare.com/support/troubleshooting/http-status-codes: 1033, 52x, 1010 and 1020.
        by("cloudflared", CLOUDFLARE, 530..=530, &["error code: 1033", "tunnel error"], TunnelDown),
        by("Cloudflare", CLOUDFLARE, 520..=530, &[], NoApplication),
        by("Cloudflare", CLOUDFLARE, 403..=403, BLOCKED, Firewall),
        // developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response.
        by("Cloudflare", ("cf-mitigated", ""), ANY, &[], Firewall),
        // vercel.com/docs/vercel-firewall, /docs/errors and /docs/deployment-protection.
        by("Vercel", ("x-vercel-mitigated", ""), ANY, &[], Firewall),
        by("Vercel", ("x-vercel-error", ""), ANY, &[], Error("https://vercel.com/docs/errors")),
        by("Vercel", ("set-cookie", "_vercel_sso_nonce"), 401..=401, &[], Login),
        // docs.aws.amazon.com/waf: "CAPTCHA and Challenge action behavior"; repost.aws: "Request blocked".
        by("AWS WAF", ("x-amzn-waf-action", ""), ANY, &[], Firewall),
        by("AWS WAF", ("server", "cloudfront"), 403..=403, &["request blocked"], Firewall),
        // learn.microsoft.com/azure/web-application-firewall/afds/waf-front-door-configure-custom-response-code.
        by("Azure", ("x-azure-ref", ""), 403..=403, &["the request is blocked"], Firewall),
        // docs.imperva.com: the block page. Imperva sends it with several statuses, also with 200.
        by("Imperva", ("x-iinfo", ""), ANY, &["incapsula incident id"], Firewall),
        // docs.sucuri.net/website-firewall: the block page.
        by("Sucuri", ("x-sucuri-block", ""), ANY, &[], Firewall),
        by("Sucuri", ("server", "sucuri"), 403..=403, &["sucuri"], Firewall),
        // docs.railway.com: "Application failed to respond"; public reports show the header.
        by("Railway", ("x-railway-fallback", "true"), ANY, &[], NoApplication),
        // The errors that HAProxy, Envoy, and Heroku's router contain for an application that does not respond.
        by(
            "HAProxy",
            NO_HEADER,
            503..=503,
            &["no server is available to handle this request"],
            NoApplication,
        ),
        by("Envoy", NO_HEADER, 503..=503, &["no healthy upstream", "upstream connect error"], NoApplication),
        by("Heroku", NO_HEADER, 503..=503, &["herokucdn.com/error-pages"], NoApplication),
    ]
};

/// Recognizes a vendor's response.
pub(super) fn read(answer: &Answer, text: &str) -> Option<Evidence> {
    let sign = SIGNS.iter().find(|sign| sign.matches(answer, text))?;
    let (vendor, proof) = (sign.vendor, sign.proof(answer, text));
    let front = |finding, says: String, advice: String| {
        Some(Evidence::new(Kind::Front, finding, format!("{says} ({proof})"), advice))
    };
    match sign.meaning {
        Meaning::TunnelDown => front(
            "tunnel_down",
            format!("the tunnel of {vendor} is not running"),
            format!(
                "start {vendor}, and check that Clerk has the current URL: it can change with each start"
            ),
        ),
        Meaning::NoApplication => front(
            "proxy",
            format!("{vendor} responds, but the application behind it does not"),
            format!("check that the application is running, and that {vendor} uses its address and port"),
        ),
        Meaning::BrowserPage => front(
            "browser_page",
            format!("{vendor} shows its warning page for browsers"),
            "send a user agent that does not look like a browser's. Svix's deliveries do not get this page"
                .to_owned(),
        ),
        Meaning::Error(url) => front(
            "vendor_error",
            format!("{vendor} responds instead of the application"),
            format!("look up the code on {url}"),
        ),
        Meaning::Login => front(
            "auth_in_front",
            format!("{vendor}'s deployment protection rejects the request"),
            "disable the protection for this deployment, or use its bypass for automation in the URL"
                .to_owned(),
        ),
        Meaning::Firewall => front(
            "firewall",
            format!("a firewall or bot protection of {vendor} rejects the request"),
            format!(
                "let Svix's requests through to this path in the settings of {vendor}. {}",
                sender(answer)
            ),
        ),
    }
}

/// Says how this request differs from Svix's requests for a firewall.
fn sender(answer: &Answer) -> &'static str {
    if answer.sent_as_svix {
        "Such rules match user agents and addresses: this request has Svix's user agent, but comes from another address"
    } else {
        "Such rules match user agents: this request does not have Svix's, so test again without --user-agent"
    }
}

impl Sign {
    fn matches(&self, answer: &Answer, text: &str) -> bool {
        let (name, part) = self.header;
        let mut values = answer.headers.get_all(name).iter();
        let has_part = |value: &HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase().contains(part)
        };
        (name.is_empty() || values.any(has_part))
            && self.status.contains(&answer.status.as_u16())
            && (self.body.is_empty() || has(text, self.body))
    }

    /// Quotes the part of the response by which the vendor is recognized.
    fn proof(&self, answer: &Answer, text: &str) -> String {
        let mut proof = match self.header {
            // A cookie's value is a secret.
            (name @ "set-cookie", part) => format!("{name}: {part}"),
            ("", _) => format!("status {}", answer.status.as_u16()),
            (name, _) => {
                let value = answer.header(name).unwrap_or_default();
                format!("{name}: {}", printable(value.as_bytes(), SHOWN))
            }
        };
        if let Some(word) = self.body.iter().find(|word| text.contains(**word)) {
            proof.push_str(", ");
            proof.push_str(word);
        }
        proof
    }
}
