//! Sends deliveries to typed handlers with duplicate handling: one run per message, and the answer for each
//! outcome.

use clerk_webhook_core::{Answer, Outcome, Timestamp};

use super::super::case::Case;
use super::super::handling::{OTHER_PATH, user};
use super::super::stacks::Setup::{Handling, ShortHandlerTimeout, StoreDown};
use super::super::wire_request::{BODY, WireRequest};

pub fn cases() -> Vec<Case> {
    [acknowledged(), failed(), in_progress(), identified(), rejected()].into_iter().flatten().collect()
}

fn acknowledged() -> Vec<Case> {
    let (handled, again) = (user("return"), user("return"));
    // Svix signs each retry with a new timestamp.
    let earlier = Timestamp::from_secs(Timestamp::now().as_secs() - 5);
    vec![
        Case::new(Handling, "an event with a handler")
            .answers(&handled, Outcome::Processed)
            .runs(&handled, 1),
        Case::new(Handling, "an event without a handler")
            .answers(&WireRequest::of(BODY), Outcome::Ignored)
            .answers(&WireRequest::of(r#"{"data":{},"type":"newThing.created"}"#), Outcome::Ignored),
        Case::new(Handling, "the same bytes again")
            .answers(&again, Outcome::Processed)
            .runs(&again, 1)
            .answers(&again, Outcome::Duplicate)
            .reconnects()
            .answers(&again, Outcome::Duplicate),
        Case::new(Handling, "a retry with a new timestamp")
            .answers(&handled.attempted_at(earlier), Outcome::Duplicate)
            .answers_as(handled.attempted_at(earlier).chunked(7), Outcome::Duplicate),
        Case::new(Handling, "an ignored event again")
            .answers(&WireRequest::of(BODY).set("svix-id", "msg_ignored").signed_again(), Outcome::Ignored)
            .answers(&WireRequest::of(BODY).set("svix-id", "msg_ignored").signed_again(), Outcome::Ignored),
    ]
}

fn failed() -> Vec<Case> {
    let once = user("fail once");
    let for_a_minute = user("fail for a minute");
    let after_a_minute = Answer::from(Outcome::Failed).with_retry_after(std::time::Duration::from_secs(60));
    // A delivery that is not acknowledged runs again on each retry.
    let runs_again = |setup, instruction: &str, outcome: Outcome| {
        let delivery = user(instruction);
        Case::new(setup, format!("the handler instruction `{instruction}`, twice"))
            .answers(&delivery, outcome)
            .runs(&delivery, 1)
            .answers(&delivery, outcome)
            .runs(&delivery, 2)
    };
    let undecodable = WireRequest::of(r#"{"data":{"id":1},"type":"user.created"}"#);
    let survivor = user("return");
    vec![
        runs_again(Handling, "fail", Outcome::Failed),
        runs_again(Handling, "reject", Outcome::Rejected),
        runs_again(Handling, "disable", Outcome::Disabled),
        runs_again(Handling, "panic", Outcome::Failed),
        runs_again(ShortHandlerTimeout, "hang", Outcome::HandlerTimeout),
        Case::new(Handling, "a failure and then a success")
            .answers(&once, Outcome::Failed)
            .runs(&once, 1)
            .answers(&once, Outcome::Processed)
            .runs(&once, 2)
            .answers(&once, Outcome::Duplicate),
        Case::new(Handling, "a failure with a retry delay")
            .answers_with(&for_a_minute, after_a_minute)
            .runs(&for_a_minute, 1),
        Case::new(Handling, "data that does not fit the event type")
            .answers(&undecodable, Outcome::Failed)
            .answers(&undecodable, Outcome::Failed),
        Case::new(Handling, "an event after a panic")
            .answers(&survivor, Outcome::Processed)
            .runs(&survivor, 1),
        Case::new(StoreDown, "an unreachable store")
            .answers(&user("return"), Outcome::StoreUnavailable)
            .answers(&WireRequest::of(BODY), Outcome::StoreUnavailable),
    ]
}

fn in_progress() -> Vec<Case> {
    let (held, held_elsewhere, other) = (user("hold"), user("hold"), user("return"));
    vec![
        Case::new(Handling, "the same event while it is handled")
            .write(held.with_length())
            .awaits_handler()
            .on_another_connection(&held, Outcome::InProgress)
            .on_another_connection(
                &held.attempted_at(Timestamp::from_secs(Timestamp::now().as_secs() - 5)),
                Outcome::InProgress,
            )
            .lets_handler_end()
            .answered(Outcome::Processed)
            .runs(&held, 1)
            .answers(&held, Outcome::Duplicate)
            .on_another_connection(&held, Outcome::Duplicate),
        Case::new(Handling, "another event while one is handled")
            .write(held_elsewhere.with_length())
            .awaits_handler()
            .on_another_connection(&other, Outcome::Processed)
            .runs(&other, 1)
            .lets_handler_end()
            .answered(Outcome::Processed)
            .runs(&held_elsewhere, 1),
    ]
}

/// The endpoint and the message id together identify a message that was handled.
fn identified() -> Vec<Case> {
    let (one, other) = (user("return"), user("return"));
    let delivery = user("return");
    let elsewhere = delivery.clone().target(OTHER_PATH);
    let failing = user("fail once");
    let failing_elsewhere = failing.clone().target(OTHER_PATH);
    vec![
        Case::new(Handling, "the same data under another message id")
            .answers(&one, Outcome::Processed)
            .answers(&other, Outcome::Processed)
            .runs(&one, 1)
            .runs(&other, 1),
        Case::new(Handling, "the same message at two endpoints")
            .answers(&delivery, Outcome::Processed)
            .answers(&elsewhere, Outcome::Processed)
            .runs(&delivery, 1)
            .runs(&elsewhere, 1)
            .answers(&delivery, Outcome::Duplicate)
            .answers(&elsewhere, Outcome::Duplicate),
        Case::new(Handling, "retries at two endpoints")
            .answers(&failing, Outcome::Failed)
            .answers(&failing_elsewhere, Outcome::Failed)
            .answers(&failing, Outcome::Processed)
            .answers(&failing_elsewhere, Outcome::Processed)
            .runs(&failing, 1)
            .runs(&failing, 2)
            .runs(&failing_elsewhere, 1)
            .runs(&failing_elsewhere, 2),
    ]
}

/// A rejected delivery reaches no handler and takes no claim in the store.
fn rejected() -> Vec<Case> {
    let delivery = user("return");
    let forged = delivery.clone().with_body(BODY);
    vec![
        Case::new(Handling, "a forged delivery before the genuine one")
            .answers(&forged, Outcome::InvalidSignature)
            .answers(&delivery, Outcome::Processed)
            .runs(&delivery, 1)
            .answers(&forged, Outcome::InvalidSignature),
        Case::new(Handling, "a body that is not an event")
            .answers(&WireRequest::of("[]"), Outcome::NotAnEvent),
        Case::new(StoreDown, "a forged delivery while the store is unreachable")
            .answers(&forged, Outcome::InvalidSignature),
    ]
}
