//! Judges measurements: clock, speed, body limit, and TLS.

use std::time::Duration;

use clerk_webhook_core::Verifier;

use super::check::Check;
use crate::output::printable;
use crate::send::client::{Answer, SendError, SendErrorKind};

/// The maximum difference between the clocks without a warning, in seconds.
const CLOCK_NOTED: f64 = 5.0;

/// The maximum difference between the clocks, in seconds. If it is larger, the endpoint rejects every
/// delivery.
const CLOCK_TOLERATED: f64 = Verifier::DEFAULT_TOLERANCE.as_secs_f64();

/// The maximum time for a response without a warning. The sender waits 15 s.
const SLOW: Duration = Duration::from_secs(5);

/// Judges the difference between the clocks in seconds, positive if the endpoint's clock is ahead.
///
/// `distance` is `None` if the response has no date.
pub(super) fn clock(distance: Option<f64>) -> Check {
    let check = "clock";
    let Some(distance) = distance else {
        return Check::skipped(check, "the response has no Date header");
    };
    let seconds = distance.abs();
    let side = if distance > 0.0 { "ahead of" } else { "behind" };
    let message = format!("the endpoint's clock is {seconds:.0} s {side} this machine's clock");
    let advice = "synchronize both clocks with NTP: beyond 5 minutes, the endpoint rejects every delivery";
    if seconds > CLOCK_TOLERATED {
        Check::bad(check, "skew", message, advice)
    } else if seconds > CLOCK_NOTED {
        Check::warn(check, "skew", message, advice)
    } else {
        Check::ok(check, "the clocks agree, within the resolution of 1 s")
    }
}

/// Judges how long the slowest response took.
pub(super) fn speed(slowest: Duration) -> Check {
    let message = format!("the slowest response took {:.0} ms", slowest.as_secs_f64() * 1e3);
    if slowest > SLOW {
        let advice = "rejecting these requests should be fast; Svix waits 15 s for a response";
        Check::warn("speed", "slow", message, advice)
    } else {
        Check::ok("speed", message)
    }
}

/// Judges the body limit, from the largest accepted and the smallest rejected size.
///
/// `told` is true if the endpoint rejected the size with 413, and false if it did not respond.
pub(super) fn body_limit(taken: Option<usize>, refused: Option<usize>, told: bool) -> Check {
    let check = "body_limit";
    let size = |bytes: usize| {
        if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
    };
    let how = if told { "are too large" } else { "get no response" };
    match (taken, refused) {
        (None, Some(refused)) => Check::warn(
            check,
            "low",
            format!("bodies of {} {how}", size(refused)),
            "raise the limit for this path to 2 MiB, in the framework and in the proxy",
        ),
        (Some(taken), Some(refused)) => {
            Check::ok(check, format!("bodies of {} are read, bodies of {} {how}", size(taken), size(refused)))
        }
        (Some(taken), None) => {
            Check::ok(check, format!("bodies of {} are read; no limit was found", size(taken)))
        }
        (None, None) => Check::skipped(check, "the responses do not show a limit"),
    }
}

/// Judges whether the TLS connection works.
pub(super) fn tls(result: Result<&Answer, &SendError>) -> Check {
    match result {
        Ok(_) => Check::ok("tls", "this machine trusts the certificate"),
        Err(error) if error.kind == SendErrorKind::Other => Check::bad(
            "tls",
            "failed",
            printable(error.to_string().as_bytes(), 200),
            "check that the port uses https, and that the server sends a complete certificate chain for this name from \
             a public authority",
        ),
        Err(error) => Check::skipped("tls", printable(error.to_string().as_bytes(), 200)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::commands::doctor::check::Status;
    use crate::send::client::{Client, block_on};

    #[test]
    fn a_timeout_says_nothing_about_the_certificate() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
        let client = Client::without_reuse(&uri, Duration::from_millis(1)).unwrap();
        let error =
            block_on(async { Ok(client.post(&uri, [("x", "1")], Bytes::new()).await.unwrap_err()) }).unwrap();
        let check = tls(Err(&error));
        assert_eq!((check.status, error.kind), (Status::Skipped, SendErrorKind::Timeout));
        assert!(check.message.contains("did not respond within"), "{}", check.message);
    }

    #[test]
    fn warns_of_a_slow_response() {
        assert_eq!(speed(Duration::from_secs(6)).finding, "slow");
        assert_eq!(speed(Duration::from_millis(6)).status, Status::Ok);
    }
}
