//! Typed handlers: which one is called, with what, and what becomes of what it returns.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clerk_webhook_core::event::marker::{UserCreated, UserDeleted, UserUpdated, WaitlistEntryCreated};
use clerk_webhook_core::event::payload::{DeletedObject, User};
use clerk_webhook_core::event::{Unrecognized, UnrecognizedReason};
use clerk_webhook_core::handler::Handler;
use clerk_webhook_core::{
    Answer, Context, Event, EventData, EventType, Failure, Handled, Handlers, Outcome, Timestamp,
};
use clerk_webhook_tests::{fixture, message_id};

/// The calls of handlers, in their order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn push(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn event(body: impl Into<Vec<u8>>) -> Event {
    Event::from_trusted(message_id(), Timestamp::from_secs(1_760_000_001), body.into().into()).unwrap()
}

fn fixture_event(name: &str) -> Event {
    event(fixture(name))
}

/// An authentic `user.created` whose data is no user.
fn undecodable() -> Event {
    event(r#"{"data":{"id":"user_1","email_addresses":"ada@example.com"},"type":"user.created"}"#)
}

/// Handlers of `user.created` alone.
fn on_created<S: Send + 'static>(handler: impl Handler<User, S, Handling: Send + 'static>) -> Handlers<S> {
    Handlers::builder().on(UserCreated, handler).build().unwrap()
}

/// Handlers of `user.created` that fail.
fn failing(failure: impl Fn() -> Failure + Send + Sync + 'static) -> Handlers {
    on_created(move |_, _| {
        let failure = failure();
        async { Err(failure) }
    })
}

async fn joined(user: User, cx: Context<Calls>) -> Result<(), Failure> {
    cx.state().push(format!("joined {}", user.id));
    Ok(())
}

async fn left(user: DeletedObject, cx: Context<Calls>) -> Result<(), Failure> {
    cx.into_state().push(format!("left {}", user.id.ok_or("nobody")?));
    Ok(())
}

#[tokio::test]
async fn each_event_goes_to_the_handler_of_its_type() {
    let prefix = "renamed".to_owned();
    let handlers = Handlers::builder()
        .on(UserCreated, joined)
        .on(UserDeleted, left)
        .on(UserUpdated, move |user, cx: Context<Calls>| {
            let prefix = prefix.clone();
            async move {
                cx.state().push(format!("{prefix} {}", user.id));
                Ok(())
            }
        })
        .build()
        .unwrap();
    let calls = Calls::default();
    for name in ["user.deleted", "user.created", "user.updated"] {
        let handled = handlers.handle(fixture_event(name), calls.clone()).await;
        assert_eq!(handled.unwrap(), Handled::Processed);
    }
    let id = |name: &str| {
        let data: serde_json::Value = fixture_event(name).data_as().unwrap();
        data["id"].as_str().unwrap().to_owned()
    };
    let [left, joined, renamed] = ["user.deleted", "user.created", "user.updated"].map(id);
    assert_eq!(
        calls.take(),
        [format!("left {left}"), format!("joined {joined}"), format!("renamed {renamed}")]
    );
}

#[tokio::test]
async fn what_nobody_wants_is_ignored() {
    let handlers = on_created(joined);
    let calls = Calls::default();
    for name in ["user.deleted", "session.created"] {
        assert_eq!(handlers.handle(fixture_event(name), calls.clone()).await.unwrap(), Handled::Ignored);
    }
    let unknown = event(r#"{"data":{},"type":"newThing.created"}"#);
    assert_eq!(handlers.answer(unknown, calls.clone()).await.outcome(), Outcome::Ignored);
    assert_eq!(calls.take(), [""; 0]);
}

#[tokio::test]
async fn otherwise_takes_what_has_no_handler_of_its_own() {
    let handlers = Handlers::builder()
        .on(UserCreated, joined)
        .otherwise(|event: Event, cx: Context<Calls>| async move {
            cx.state().push(format!("otherwise `{}`", event.event_type()));
            Ok(())
        })
        .build()
        .unwrap();
    let calls = Calls::default();
    // One that is unknown, one without a type, one whose data is not what it should be: none of them has a handler.
    for body in
        [r#"{"data":{},"type":"newThing.created"}"#, r#"{"data":{}}"#, r#"{"data":[],"type":"user.deleted"}"#]
    {
        assert_eq!(handlers.handle(event(body), calls.clone()).await.unwrap(), Handled::Processed);
    }
    handlers.handle(fixture_event("user.created"), calls.clone()).await.unwrap();
    let called = calls.take();
    assert_eq!(called[..3], ["otherwise `newThing.created`", "otherwise ``", "otherwise `user.deleted`"]);
    assert!(called[3].starts_with("joined user_"), "{called:?}");
}

#[tokio::test]
async fn on_event_takes_types_that_this_version_does_not_know_and_data_as_it_is() {
    let handlers = Handlers::builder()
        .on_event("newThing.created", |event: Event, cx: Context<Calls>| async move {
            cx.state().push(event.raw_data());
            Ok(())
        })
        .on_event("user.created", |event: Event, cx: Context<Calls>| async move {
            #[derive(serde::Deserialize)]
            struct Own {
                email_addresses: String,
            }
            cx.state().push(event.data_as::<Own>()?.email_addresses);
            Ok(())
        })
        .build()
        .unwrap();
    let calls = Calls::default();
    let unknown = event(r#"{"data":{"a":1.0},"type":"newThing.created"}"#);
    assert_eq!(handlers.handle(unknown, calls.clone()).await.unwrap(), Handled::Processed);
    assert_eq!(handlers.handle(undecodable(), calls.clone()).await.unwrap(), Handled::Processed);
    assert_eq!(calls.take(), [r#"{"a":1.0}"#, "ada@example.com"]);
}

#[tokio::test]
async fn data_that_is_not_what_its_type_says_comes_again() {
    let handlers = on_created(joined);
    let calls = Calls::default();
    let failure = handlers.handle(undecodable(), calls.clone()).await.unwrap_err();
    assert_eq!((failure.outcome(), failure.delay()), (Outcome::Failed, None));
    // The place, and nothing that stands there.
    let text = failure.to_string();
    assert!(text.contains("data.email_addresses") && !text.contains("ada"), "{text}");
    let answer = handlers.answer(undecodable(), calls.clone()).await;
    assert_eq!((answer.outcome(), answer.status()), (Outcome::Failed, 500));
    // As it is for data that was decoded before, by somebody else.
    let decoded = undecodable();
    assert!(matches!(decoded.data(), EventData::Unrecognized(_)));
    assert_eq!(handlers.answer(decoded, calls.clone()).await.outcome(), Outcome::Failed);
    assert_eq!(calls.take(), [""; 0]);
}

#[tokio::test]
async fn on_undecodable_decides_about_data_that_is_not_what_its_type_says() {
    let handlers = Handlers::builder()
        .on(UserCreated, joined)
        .on_undecodable(|data: Unrecognized, cx: Context<Calls>| async move {
            let UnrecognizedReason::Undecodable(error) = data.reason() else {
                return Err(Failure::retry("another reason"));
            };
            cx.state().push(format!("{} {} {}", data.event_type(), error.path(), data.as_json()));
            if cx.attempt() == Some(2) {
                return Err(Failure::abort_message("it stays as it is"));
            }
            Ok(())
        })
        .build()
        .unwrap();
    let calls = Calls::default();
    assert_eq!(handlers.handle(undecodable(), calls.clone()).await.unwrap(), Handled::Processed);
    let failure = handlers.handle_attempt(undecodable(), calls.clone(), 2).await.unwrap_err();
    assert_eq!(failure.outcome(), Outcome::Rejected);
    // It is for types that have a handler; the others are ignored as before.
    let unwanted = event(r#"{"data":[],"type":"user.deleted"}"#);
    assert_eq!(handlers.handle(unwanted, calls.clone()).await.unwrap(), Handled::Ignored);
    let call = r#"user.created data.email_addresses {"id":"user_1","email_addresses":"ada@example.com"}"#;
    assert_eq!(calls.take(), [call, call]);
}

#[test]
fn a_type_that_has_two_handlers_is_refused_when_they_are_built() {
    let ignore = |_: Event, _: Context| async { Ok(()) };
    let on = || Handlers::<()>::builder().on(UserCreated, |_, _| async { Ok(()) });
    let other = || Handlers::<()>::builder().on_event("newThing.created", ignore);
    for (builder, event_type) in [
        (on().on(UserCreated, |_, _| async { Ok(()) }), "user.created"),
        (on().on_event("user.created", ignore), "user.created"),
        (on().on_event(EventType::UserCreated, ignore), "user.created"),
        (other().on_event("newThing.created", ignore), "newThing.created"),
        // The first one is named.
        (
            other().on_event("newThing.created", ignore).on_event("x", ignore).on_event("x", ignore),
            "newThing.created",
        ),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.event_type().as_str(), event_type);
        assert_eq!(
            error.to_string(),
            format!("`{event_type}` has two handlers. Register one handler for each event type")
        );
    }
    assert!(on().on_event("newThing.created", ignore).otherwise(ignore).build().is_ok());
}

#[test]
fn event_types_are_what_to_subscribe_to() {
    let ignore = |_: Event, _: Context| async { Ok(()) };
    let handlers = Handlers::builder()
        .on(WaitlistEntryCreated, |_, _| async { Ok(()) })
        .on_event("aNewThing.created", ignore)
        .on(UserCreated, |_, _| async { Ok(()) })
        .otherwise(ignore)
        .build()
        .unwrap();
    let names: Vec<_> = handlers.event_types().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["aNewThing.created", "user.created", "waitlistEntry.created"]);
    assert_eq!(
        format!("{handlers:?}").matches("Created").count()
            + format!("{handlers:?}").matches(".created").count(),
        3,
        "{handlers:?}"
    );
    assert!(Handlers::<()>::builder().build().unwrap().event_types().is_empty());
}

#[tokio::test]
async fn any_error_becomes_a_failure_that_is_tried_again() {
    async fn io() -> Result<(), Failure> {
        Err(io::Error::other("the disk is full"))?
    }
    async fn text() -> Result<(), Failure> {
        Err("no room")?
    }
    async fn string() -> Result<(), Failure> {
        Err(format!("no room for {}", 2))?
    }
    async fn boxed() -> Result<(), Failure> {
        // As anyhow's and eyre's errors become.
        Err(Box::<dyn Error + Send + Sync>::from(io::Error::other("the network is down")))?
    }
    let failures = [io().await, text().await, string().await, boxed().await].map(Result::unwrap_err);
    let texts = ["the disk is full", "no room", "no room for 2", "the network is down"];
    for (failure, text) in failures.into_iter().zip(texts) {
        assert_eq!((failure.outcome(), failure.delay()), (Outcome::Failed, None));
        assert_eq!((failure.to_string(), failure.error().to_string()), (text.to_owned(), text.to_owned()));
        assert_eq!(failure.into_error().to_string(), text);
    }
    // The error itself is kept, not its text alone.
    assert!(io().await.unwrap_err().error().is::<io::Error>());
    assert!(boxed().await.unwrap_err().error().is::<io::Error>());
}

#[tokio::test]
async fn a_failure_says_what_the_sender_should_do() {
    let minute = Duration::from_secs(60);
    type Case = (fn() -> Failure, Outcome, Option<u32>, Option<&'static str>);
    let cases: [Case; 4] = [
        (|| Failure::retry("x"), Outcome::Failed, None, None),
        (|| Failure::retry_after(Duration::from_secs(60), "x"), Outcome::Failed, Some(60), None),
        (|| Failure::abort_message("x"), Outcome::Rejected, None, Some("abort-message")),
        (|| Failure::disable_endpoint("x"), Outcome::Disabled, None, Some("disable")),
    ];
    for (failure, outcome, retry_after, control) in cases {
        assert_eq!(failure().outcome(), outcome);
        assert_eq!(failure().delay(), retry_after.map(|_| minute));
        let answer = failing(failure).answer(fixture_event("user.created"), ()).await;
        assert_eq!(answer, Answer::from(&failure()));
        assert_eq!(
            (answer.outcome(), answer.retry_after(), answer.delivery_control()),
            (outcome, retry_after, control)
        );
    }
}

#[tokio::test]
async fn a_handler_knows_the_delivery() {
    let expected = fixture_event("user.created");
    let handlers = on_created(|user: User, cx: Context<Calls>| async move {
        assert_eq!(cx.event_type().as_str(), "user.created");
        assert_eq!(cx.message_id(), &message_id());
        assert_eq!(cx.attempted_at(), Timestamp::from_secs(1_760_000_001));
        assert_eq!(cx.occurred_at(), Some(Timestamp::from_millis(1_760_000_000_000)));
        assert_eq!(cx.event().instance_id(), Some("ins_2fAArUK24oCKCd5jY4gJfpP89tC"));
        // Though the payload was taken out of it.
        assert_eq!(cx.data_as::<serde_json::Value>()?["id"], user.id);
        assert_eq!(cx.event().payload(UserCreated), Some(&user));
        cx.state().push(cx.raw_data());
        cx.state().push(format!("{:?}", cx.attempt()));
        // Neither the data nor the state.
        let debug = format!("{cx:?}");
        assert!(debug.contains("message_id") || debug.contains("msg_"), "{debug}");
        assert!(!debug.contains("Ada") && !debug.contains("Calls"), "{debug}");
        Ok(())
    });
    let calls = Calls::default();
    // Asked for before or not: the first event of a type is read in two passes, and later ones may be in one.
    let asked_for = fixture_event("user.created");
    assert!(!matches!(asked_for.data(), EventData::Unrecognized(_)));
    handlers.handle(fixture_event("user.created"), calls.clone()).await.unwrap();
    handlers.handle_attempt(asked_for, calls.clone(), 7).await.unwrap();
    let raw = expected.raw_data();
    assert_eq!(calls.take(), [raw, "None", raw, "Some(7)"]);
}

#[tokio::test]
async fn the_payload_is_moved_where_nobody_else_has_the_event() {
    let handlers = on_created(|user: User, cx: Context<Calls>| async move {
        cx.state().push(format!("{:p}", user.id.as_ptr()));
        Ok(())
    });
    let place = |event: &Event| format!("{:p}", event.payload(UserCreated).unwrap().id.as_ptr());
    let calls = Calls::default();

    let only = fixture_event("user.created");
    let before = place(&only);
    handlers.handle(only, calls.clone()).await.unwrap();
    assert_eq!(calls.take(), [before]);

    // A clone keeps what it has.
    let shared = fixture_event("user.created");
    let before = place(&shared);
    handlers.handle(shared.clone(), calls.clone()).await.unwrap();
    assert_eq!(place(&shared), before);
    assert_ne!(calls.take(), [before]);
}

#[test]
fn calls_can_go_to_another_thread_and_outlive_the_handlers() {
    fn can_be_spawned<T: Send + 'static>(future: T) -> T {
        future
    }
    // A state need not be `Sync`: each call has its own.
    let handlers = on_created(|_, cx: Context<Cell<u32>>| async move {
        cx.state().set(1);
        Ok(())
    });
    let event = || fixture_event("user.created");
    let handling = can_be_spawned(handlers.handle(event(), Cell::new(0)));
    drop(can_be_spawned(handlers.handle_attempt(event(), Cell::new(0), 1)));
    drop(can_be_spawned(handlers.answer(event(), Cell::new(0))));
    drop(handlers);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(handling).unwrap(), Handled::Processed);
}

#[tokio::test]
async fn a_panic_goes_to_whoever_called() {
    let handlers = on_created(|user: User, cx: Context<bool>| async move {
        assert!(!cx.state(), "{} is not meant to be here", user.id);
        Ok(())
    });
    let handled = tokio::spawn(handlers.handle(fixture_event("user.created"), true)).await;
    assert!(handled.unwrap_err().is_panic());
    let answered = tokio::spawn(handlers.answer(fixture_event("user.created"), true)).await;
    assert!(answered.unwrap_err().is_panic());
    assert_eq!(handlers.handle(fixture_event("user.created"), false).await.unwrap(), Handled::Processed);
}
