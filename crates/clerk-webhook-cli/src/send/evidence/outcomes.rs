//! The outcomes of this project.

use clerk_webhook_core::{Answer as OwnAnswer, Outcome};

use super::finding::{Evidence, Kind};
use crate::send::client::Answer;

/// Returns the outcome in the body of a response, if it is an outcome of this project.
pub(crate) fn outcome(answer: &Answer) -> Option<Outcome> {
    let word = answer.outcome()?;
    Outcome::ALL.iter().copied().find(|outcome| outcome.as_str() == word)
}

/// Reads a response that names its outcome, or that is a constant response of this project.
pub(super) fn read(answer: &Answer) -> Option<Evidence> {
    let status = answer.status.as_u16();
    let constant = |outcome: &Outcome| {
        own_status(*outcome) == status && OwnAnswer::from(*outcome).body().as_bytes() == answer.body
    };
    let outcome = outcome(answer)
        .or_else(|| Outcome::ALL.iter().copied().find(constant))
        .or_else(|| controlled(answer))?;
    if answer.status.is_success() && !outcome.is_acknowledged() {
        return Some(Evidence::new(
            Kind::FalseSuccess,
            "failed_with_2xx",
            format!(
                "the outcome is {outcome}, but something between the endpoint and Svix changed the status to {status}"
            ),
            "check proxies and middleware that change the status: Svix retries only after a status other than 2xx",
        ));
    }
    // The response to all refusals is the same, so that it does not help attackers.
    let is_refusal = own_status(outcome) == 400 && outcome != Outcome::NotAnEvent;
    let (kind, finding) = match is_refusal {
        true => (Kind::Refusal, "not_verified"),
        false => (Kind::Outcome(outcome), outcome.as_str()),
    };
    let (says, advice) = explain(outcome);
    Some(Evidence { kind, finding, says: says.into(), advice: advice.map(Into::into) })
}

fn own_status(outcome: Outcome) -> u16 {
    OwnAnswer::from(outcome).status()
}

/// Returns the outcome that corresponds to the `webhook-delivery` header of another implementation.
fn controlled(answer: &Answer) -> Option<Outcome> {
    match answer.header(OwnAnswer::DELIVERY_CONTROL)? {
        _ if answer.status.is_success() => None,
        "disable" => Some(Outcome::Disabled),
        "abort-message" => Some(Outcome::Rejected),
        _ => None,
    }
}

/// Returns what the outcome means, and what to do about it.
fn explain(outcome: Outcome) -> (&'static str, Option<&'static str>) {
    let (says, advice) = match outcome {
        Outcome::Processed => return ("a handler processed the event", None),
        Outcome::Queued => return ("the event was stored and will be handled later", None),
        Outcome::Ignored => return ("no handler is registered for this event type", None),
        Outcome::Duplicate => return ("a delivery with this message id was already handled", None),
        Outcome::InProgress => (
            "another delivery of this message is being handled and may still fail",
            "wait, and send the message again. If the outcome stays the same, a handler hangs, or it was stopped and its \
             lease has not expired yet",
        ),
        Outcome::Failed => (
            "the handler failed and may succeed on a retry",
            "see the endpoint's log, which contains the handler's error",
        ),
        Outcome::HandlerTimeout => (
            "the handler did not finish in time",
            "find out what makes the handler slow, or store events in a queue and handle them later: Svix waits 15 s",
        ),
        Outcome::Rejected => (
            "the handler failed permanently and gave the message up, so Svix does not retry it",
            "see the endpoint's log, which contains the handler's reason",
        ),
        Outcome::Disabled => (
            "a handler asked Svix to disable the endpoint, which then receives no events at all",
            "find the handler that returns this failure, and see the endpoint's log for its reason. Enable the endpoint in \
             the Clerk Dashboard afterwards",
        ),
        Outcome::StoreUnavailable => (
            "the store or the queue is unavailable",
            "check that the endpoint reaches its database, and that the tables exist: run the migration. The endpoint's \
             log contains the error",
        ),
        Outcome::LeaseLost => (
            "the handler ran longer than its lease, so another delivery may have taken over the message",
            "look for a slow handler. A handler that blocks its thread cannot renew its lease",
        ),
        Outcome::NotAnEvent => (
            "the signature is valid, but the body is not a JSON object whose `type` is a string",
            "check the body that was sent",
        ),
        Outcome::BodyTooLarge => {
            ("the body exceeds the endpoint's limit", "raise the verifier's body limit: the default is 2 MiB")
        }
        Outcome::BodyTimeout => {
            ("the body did not arrive in time", "check proxies that delay the body, and the network")
        }
        Outcome::Misconfigured => (
            "the application is misconfigured and cannot receive deliveries",
            "see the endpoint's log: it says what is missing, such as a verifier",
        ),
        _ => (
            "clerk-webhook rejected the request: its verification failed",
            "compare the secret and the clock with the endpoint's, and check that nothing changed the body; the \
             endpoint's log contains the reason",
        ),
    };
    (says, Some(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_its_own_advice_for_each_outcome_that_is_not_acknowledged() {
        let mut seen = std::collections::HashMap::new();
        for outcome in Outcome::ALL {
            let (says, advice) = explain(*outcome);
            assert_eq!(advice.is_some(), !outcome.is_acknowledged(), "{outcome}");
            let body = OwnAnswer::from(*outcome).body();
            assert!(seen.insert(says, body).is_none_or(|other| other == body), "{outcome}: {says}");
        }
    }
}
