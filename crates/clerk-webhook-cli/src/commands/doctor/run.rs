//! Sends the probes to an endpoint.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{SigningSecret, Timestamp};
use clerk_webhook_test::Delivery;
use serde_json::json;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::args::Args;
use super::check::{Check, Signed, Status};
use super::judge::{self, FORGED, FUTURE, STALE};
use super::measure;
use super::report::Report;
use crate::args::secrets::SecretArgs;
use crate::failure::Failure;
use crate::output::{Output, printable};
use crate::secret_check::{self, Checked};
use crate::send::client::{Answer, Client, SendError, block_on};
use crate::send::endpoint::Endpoint;
use crate::send::svix;

/// The timeout for resolving the host name, and for connecting to an address.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The body sizes that are sent to find the endpoint's body limit, in bytes.
const SIZES: [usize; 4] = [64 << 10, 256 << 10, 1 << 20, 3 << 20];

/// How long the endpoint has to reject a request because of its `Content-Length`, before the body is sent.
const TIME_TO_REFUSE: Duration = Duration::from_secs(1);

/// The checks of one endpoint.
struct Examination<'o> {
    report: Report<'o>,
    slowest: Duration,
}

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let endpoint = args.remote.endpoint_or_default("URL", args.url.as_deref())?;
    block_on(async {
        let mut examination = Examination { report: Report::new(output), slowest: Duration::ZERO };
        let secrets = examination.secrets(&args.secrets)?;
        if examination.reach(&endpoint).await? {
            examination.probe(&endpoint, &secrets, &args).await?;
        }
        examination.report.finish()
    })
}

impl Examination<'_> {
    /// Checks the secrets that are set on this machine. They must be the endpoint's secrets.
    fn secrets(&mut self, args: &SecretArgs) -> Result<Vec<SigningSecret>, Failure> {
        let mut secrets = Vec::new();
        let sources = args.sources()?;
        for source in &sources {
            for Checked { place, verdict, warnings } in secret_check::check(&source.place, &source.text) {
                self.report.add(match verdict.map(|bytes| format!("{place}: a key of {bytes} bytes")) {
                    Ok(message) if warnings.is_empty() => Check::ok("secret", message),
                    Ok(message) => {
                        let advice = "compare it with the signing secret on the endpoint's page in the Clerk Dashboard";
                        let message = format!("{message}; {}", warnings.join("; "));
                        Check::warn("secret", "doubtful", message, advice)
                    }
                    Err(problem) => Check {
                        status: Status::Bad,
                        finding: "malformed",
                        ..Check::ok("secret", format!("{place}: {problem}"))
                    },
                })?;
            }
            secrets.extend(SigningSecret::parse_list(&source.text).unwrap_or_default());
        }
        if sources.is_empty() {
            let advice = "set CLERK_WEBHOOK_SIGNING_SECRET to the endpoint's secret: signed requests need it";
            self.report.add(Check::warn("secret", "missing", "no signing secret", advice))?;
        }
        Ok(secrets)
    }

    /// Resolves the host name and connects to the endpoint. Returns whether the endpoint is reachable.
    async fn reach(&mut self, endpoint: &Endpoint) -> Result<bool, Failure> {
        let uri = endpoint.uri();
        let is_https = uri.scheme_str() == Some("https");
        if !endpoint.is_loopback() {
            self.report.add(if is_https {
                Check::ok("scheme", "https")
            } else {
                Check::warn(
                    "scheme",
                    "plain_http",
                    "http: anyone on the network path can read your users' data",
                    "set a URL that begins with https:// in Clerk",
                )
            })?;
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let addresses: Vec<_> = match in_time(lookup_host((host, port))).await {
            Ok(addresses) => addresses.collect(),
            Err(why) => {
                let advice = "check the spelling of the name, and that this machine can resolve it";
                let message = format!("cannot resolve {host}: {why}");
                self.report.add(Check::bad("name", "unknown", message, advice))?;
                return Ok(false);
            }
        };
        let shown: Vec<_> = addresses.iter().take(4).map(|address| address.ip().to_string()).collect();
        self.report.add(Check::ok("name", format!("{host} resolves to {}", shown.join(", "))))?;

        let mut why = "no address found".to_owned();
        for address in &addresses {
            match in_time(TcpStream::connect(address)).await {
                Ok(_) => {
                    self.report.add(Check::ok("connect", format!("{address} accepts connections")))?;
                    return Ok(true);
                }
                Err(error) => why = error,
            }
        }
        let advice =
            "check that the server is running on this address and port, and that no firewall blocks it";
        let message = format!("{}: {why}", endpoint.authority());
        self.report.add(Check::bad("connect", "unreachable", message, advice))?;
        Ok(false)
    }

    async fn probe(
        &mut self,
        endpoint: &Endpoint,
        secrets: &[SigningSecret],
        args: &Args,
    ) -> Result<(), Failure> {
        let client = Client::without_reuse(endpoint.uri(), svix::TIMEOUT)?;
        let client = &client.with_user_agent(args.agent.user_agent.clone());
        let before = Timestamp::now();
        let unsigned = self.post(client, endpoint, &delivery(&[]).unsigned()).await;
        let after = Timestamp::now();
        if endpoint.uri().scheme_str() == Some("https") {
            let check = measure::tls(unsigned.as_ref());
            let is_bad = check.status == Status::Bad;
            self.report.add(check)?;
            if is_bad {
                return Ok(());
            }
        }
        let forgery = delivery(&[]).wrong_secret();
        let (mut signed, mut forged) = (None, None);
        if args.send && !secrets.is_empty() {
            signed = Some(self.post(client, endpoint, &delivery(secrets)).await);
            forged = Some(self.post(client, endpoint, &forgery).await);
        }
        let signed_state = match &signed {
            Some(Ok(answer)) => Signed::Answered(answer),
            Some(Err(_)) => Signed::Unanswered,
            None => Signed::NotSent,
        };

        let check = judge::unsigned(unsigned.as_ref(), signed_state);
        // If something other than the endpoint responds, further probes would not test the endpoint.
        let is_reached = check.status != Status::Bad
            || signed_state.answer().is_some_and(judge::accepts)
            || matches!(
                check.finding,
                "accepts_unsigned" | "acknowledged" | "failed_with_2xx" | "server_error"
            );
        self.report.add(check)?;
        self.report.add(match &signed {
            Some(answer) => judge::signed(answer.as_ref(), answer_of(forged.as_ref())),
            None if args.send => Check::bad(
                "signed",
                "no_secret",
                "not sent: --send needs a valid signing secret",
                "set CLERK_WEBHOOK_SIGNING_SECRET to the endpoint's secret, or pass --secret-file",
            ),
            None => Check::skipped("signed", "not sent; --send sends a valid delivery"),
        })?;
        if let Ok(answer) = &unsigned {
            self.report.add(measure::clock(distance(answer, before, after)))?;
        }
        if is_reached {
            let forged = match forged {
                Some(forged) => forged,
                None => self.post(client, endpoint, &forgery).await,
            };
            self.report.add(judge::forbidden(&FORGED, forged.as_ref(), signed_state))?;
            self.ages(client, endpoint, secrets, signed_state).await?;
            self.sizes(client, endpoint).await?;
        } else {
            for name in ["forged", "stale", "future", "body_limit"] {
                self.report.add(Check::skipped(name, "not checked: fix the problem above first"))?;
            }
        }
        if unsigned.is_ok() {
            self.report.add(measure::speed(self.slowest))?;
        }
        Ok(())
    }

    /// Sends deliveries that are valid except for their age.
    async fn ages(
        &mut self,
        client: &Client,
        endpoint: &Endpoint,
        secrets: &[SigningSecret],
        signed: Signed<'_>,
    ) -> Result<(), Failure> {
        for (forbidden, offset) in [(STALE, -600), (FUTURE, 600)] {
            if secrets.is_empty() {
                self.report.add(Check::skipped(forbidden.check, "requires the secret"))?;
                continue;
            }
            let at = Timestamp::from_secs(Timestamp::now().as_secs() + offset);
            let answer = self.post(client, endpoint, &delivery(secrets).at(at)).await;
            let mut check = judge::forbidden(&forbidden, answer.as_ref(), signed);
            if check.status == Status::Ok {
                check.message.push_str(match signed {
                    Signed::Answered(signed) if judge::accepts(signed) => "",
                    Signed::Answered(signed)
                        if answer.is_ok_and(|answer| judge::is_past_verification(&answer, signed)) =>
                    {
                        ""
                    }
                    Signed::Answered(_) => {
                        ", perhaps not because of its age: a signed delivery is not accepted either"
                    }
                    Signed::Unanswered => {
                        ", perhaps not because of its age: a signed delivery gets no response"
                    }
                    Signed::NotSent => ", because of its age or its signature; --send shows which",
                });
            }
            self.report.add(check)?;
        }
        Ok(())
    }

    /// Finds the body limit. The requests are valid except for their signature.
    async fn sizes(&mut self, client: &Client, endpoint: &Endpoint) -> Result<(), Failure> {
        let (mut taken, mut refused, mut told) = (None, None, true);
        for size in SIZES {
            let body = json!({ "data": { "padding": "x".repeat(size) }, "type": "clerk_webhook.doctor" });
            let delivery = Delivery::of_json(body).wrong_secret();
            let mut answer = self.post(client, endpoint, &delivery).await;
            if answer.is_err() {
                // A response that the server sends while the body is still being sent can get lost.
                let (uri, headers, body) = (endpoint.uri(), delivery.headers(), delivery.body());
                answer = client.post_after(TIME_TO_REFUSE, uri, headers, body).await;
            }
            match answer {
                Ok(answer) if answer.status.as_u16() == 429 => break,
                Ok(answer) if answer.status.as_u16() != 413 => taken = Some(size),
                // A server that rejects a body by its length sends 413, or closes the connection.
                answer => {
                    (refused, told) = (Some(size), answer.is_ok());
                    break;
                }
            }
        }
        self.report.add(measure::body_limit(taken, refused, told))
    }

    async fn post(
        &mut self,
        client: &Client,
        endpoint: &Endpoint,
        delivery: &Delivery,
    ) -> Result<Answer, SendError> {
        let answer = client.post(endpoint.uri(), delivery.headers(), delivery.body()).await;
        if let Ok(answer) = &answer {
            self.slowest = self.slowest.max(answer.elapsed);
        }
        answer
    }
}

fn answer_of(result: Option<&Result<Answer, SendError>>) -> Option<&Answer> {
    result.and_then(|result| result.as_ref().ok())
}

/// Creates a delivery of an event type without a handler.
fn delivery(secrets: &[SigningSecret]) -> Delivery {
    let event = json!({
        "data": {},
        "object": "event",
        "timestamp": Timestamp::now().as_millis(),
        "type": "clerk_webhook.doctor",
    });
    Delivery::of_body(Bytes::from(event.to_string())).secrets(secrets.to_vec())
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match timeout(CONNECT_LIMIT, work).await {
        Ok(result) => result.map_err(|error| printable(error.to_string(), 100)),
        Err(_) => Err(format!("no response within {} s", CONNECT_LIMIT.as_secs())),
    }
}

/// Returns the minimum number of seconds by which the endpoint's clock is ahead of this machine's clock.
///
/// The number is negative if the endpoint's clock is behind.
fn distance(answer: &Answer, before: Timestamp, after: Timestamp) -> Option<f64> {
    let date = answer.headers.get(http::header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    // The `Date` header has a resolution of one second, and servers reuse its value for up to a second.
    let (earliest, latest) = (date, date.saturating_add(2000));
    let millis = if latest < before.as_millis() {
        latest.saturating_sub(before.as_millis())
    } else if earliest > after.as_millis() {
        earliest.saturating_sub(after.as_millis())
    } else {
        0
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "a clock that is thousands of years off need not be exact"
    )]
    let seconds = millis as f64 / 1000.0;
    Some(seconds)
}
