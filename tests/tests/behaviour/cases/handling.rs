//! What becomes of deliveries that are handled: once, and each outcome in its own words.

use clerk_webhook_core::{Answer, Outcome, Timestamp};

use super::super::case::Case;
use super::super::handling::{OTHER_PATH, user};
use super::super::stacks::Setup::{Handling, ShortHandlerTimeout, StoreDown};
use super::super::wire_request::{BODY, WireRequest};

pub fn cases() -> Vec<Case> {
    [acknowledged(), failed(), in_progress(), recognised(), refused()].into_iter().flatten().collect()
}

fn acknowledged() -> Vec<Case> {
    let (wanted, again) = (user("return"), user("return"));
    // Svix signs each attempt anew.
    let earlier = Timestamp::from_secs(Timestamp::now().as_secs() - 5);
    vec![
        Case::new(Handling, "an event that is handled").answers(&wanted, Outcome::Processed).runs(&wanted, 1),
        Case::new(Handling, "an event that no handler wants")
            .answers(&WireRequest::of(BODY), Outcome::Ignored)
            .answers(&WireRequest::of(r#"{"data":{},"type":"newThing.created"}"#), Outcome::Ignored),
        Case::new(Handling, "the same bytes again")
            .answers(&again, Outcome::Processed)
            .runs(&again, 1)
            .answers(&again, Outcome::Duplicate)
            .reconnects()
            .answers(&again, Outcome::Duplicate),
        Case::new(Handling, "another attempt, signed anew")
            .answers(&wanted.attempted_at(earlier), Outcome::Duplicate)
            .answers_as(wanted.attempted_at(earlier).chunked(7), Outcome::Duplicate),
        Case::new(Handling, "an ignored event again")
            .answers(&WireRequest::of(BODY).set("svix-id", "msg_ignored").signed_again(), Outcome::Ignored)
            .answers(&WireRequest::of(BODY).set("svix-id", "msg_ignored").signed_again(), Outcome::Ignored),
    ]
}

fn failed() -> Vec<Case> {
    let once = user("fail once");
    let for_a_minute = user("fail for a minute");
    let after_a_minute = Answer::from(Outcome::Failed).with_retry_after(std::time::Duration::from_secs(60));
    // Whatever is not acknowledged runs again, as often as it comes.
    let runs_again = |setup, instruction: &str, outcome: Outcome| {
        let delivery = user(instruction);
        Case::new(setup, format!("a handler that is to {instruction}, twice"))
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
        Case::new(Handling, "a failure that says for how long")
            .answers_with(&for_a_minute, after_a_minute)
            .runs(&for_a_minute, 1),
        Case::new(Handling, "data that is not what its type says")
            .answers(&undecodable, Outcome::Failed)
            .answers(&undecodable, Outcome::Failed),
        Case::new(Handling, "an event after a panic")
            .answers(&survivor, Outcome::Processed)
            .runs(&survivor, 1),
        Case::new(StoreDown, "a store that cannot be reached")
            .answers(&user("return"), Outcome::StoreUnavailable)
            .answers(&WireRequest::of(BODY), Outcome::StoreUnavailable),
    ]
}

fn in_progress() -> Vec<Case> {
    let (held, held_elsewhere, other) = (user("hold"), user("hold"), user("return"));
    vec![
        Case::new(Handling, "the same event while it is handled")
            .write(held.with_length())
            .once_it_runs()
            .aside(&held, Outcome::InProgress)
            .aside(
                &held.attempted_at(Timestamp::from_secs(Timestamp::now().as_secs() - 5)),
                Outcome::InProgress,
            )
            .lets_it_end()
            .answered(Outcome::Processed)
            .runs(&held, 1)
            .answers(&held, Outcome::Duplicate)
            .aside(&held, Outcome::Duplicate),
        Case::new(Handling, "another event while one is handled")
            .write(held_elsewhere.with_length())
            .once_it_runs()
            .aside(&other, Outcome::Processed)
            .runs(&other, 1)
            .lets_it_end()
            .answered(Outcome::Processed)
            .runs(&held_elsewhere, 1),
    ]
}

/// By the id of the message and the endpoint, and by nothing else.
fn recognised() -> Vec<Case> {
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
        Case::new(Handling, "attempts at two endpoints")
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

/// What is refused comes to no handler and takes no place in the store.
fn refused() -> Vec<Case> {
    let delivery = user("return");
    let forged = delivery.clone().with_body(BODY);
    vec![
        Case::new(Handling, "a forged one before the right one")
            .answers(&forged, Outcome::InvalidSignature)
            .answers(&delivery, Outcome::Processed)
            .runs(&delivery, 1)
            .answers(&forged, Outcome::InvalidSignature),
        Case::new(Handling, "what is no event").answers(&WireRequest::of("[]"), Outcome::NotAnEvent),
        Case::new(StoreDown, "a forged one where the store cannot be reached")
            .answers(&forged, Outcome::InvalidSignature),
    ]
}
