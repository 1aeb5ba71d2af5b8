//! Typed handlers: which handler is called, its arguments, and the answer to its result.

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

/// The calls of handlers, in order.
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

/// Returns a genuine `user.created` event whose data is not a user.
fn undecodable() -> Event {
    event(r#"{"data":{"id":"user_1","email_addresses":"ada@example.com"},"type":"user.created"}"#)
}

/// Returns handlers with one handler, for `user.created`.
fn on_created<S: Send + 'static>(handler: impl Handler<User, S, Handling: Send + 'static>) -> Handlers<S> {
    Handlers::builder().on(UserCreated, handler).build().unwrap()
}

/// Returns handlers that fail for `user.created`.
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
async fn calls_the_handler_of_the_event_type() {
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
async fn ignores_an_event_without_a_handler() {
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
async fn otherwise_handles_events_without_a_handler() {
    let handlers = Handlers::builder()
        .on(UserCreated, joined)
        .otherwise(|event: Event, cx: Context<Calls>| async move {
            cx.state().push(format!("otherwise `{}`", event.event_type()));
            Ok(())
        })
        .build()
        .unwrap();
    let calls = Calls::default();
    // An unknown type, an empty type, and undecodable data of a type without a handler.
    for body in [
        r#"{"data":{},"type":"newThing.created"}"#,
        r#"{"data":{},"type":""}"#,
        r#"{"data":[],"type":"user.deleted"}"#,
    ] {
        assert_eq!(handlers.handle(event(body), calls.clone()).await.unwrap(), Handled::Processed);
    }
    handlers.handle(fixture_event("user.created"), calls.clone()).await.unwrap();
    let called = calls.take();
    assert_eq!(called[..3], ["otherwise `newThing.created`", "otherwise ``", "otherwise `user.deleted`"]);
    assert!(called[3].starts_with("joined user_"), "{called:?}");
}

#[tokio::test]
async fn on_event_handles_unknown_types_and_raw_data() {
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
async fn undecodable_data_is_a_failure_that_is_retried() {
    let handlers = on_created(joined);
    let calls = Calls::default();
    let failure = handlers.handle(undecodable(), calls.clone()).await.unwrap_err();
    assert_eq!((failure.outcome(), failure.delay()), (Outcome::Failed, None));
    // The text contains the path, but not the value.
    let text = failure.to_string();
    assert!(text.contains("data.email_addresses") && !text.contains("ada"), "{text}");
    let answer = handlers.answer(undecodable(), calls.clone()).await;
    assert_eq!((answer.outcome(), answer.status()), (Outcome::Failed, 500));
    // The same applies if the data was decoded before.
    let decoded = undecodable();
    assert!(matches!(decoded.data(), EventData::Unrecognized(_)));
    assert_eq!(handlers.answer(decoded, calls.clone()).await.outcome(), Outcome::Failed);
    assert_eq!(calls.take(), [""; 0]);
}

#[tokio::test]
async fn on_undecodable_handles_data_that_cannot_be_decoded() {
    let handlers = Handlers::builder()
        .on(UserCreated, joined)
        .on_undecodable(|data: Unrecognized, cx: Context<Calls>| async move {
            let UnrecognizedReason::Undecodable(error) = data.reason() else {
                return Err(Failure::retry("another reason"));
            };
            cx.state().push(format!("{} {} {}", data.event_type(), error.path(), data.as_json()));
            if cx.attempt() == Some(2) {
                return Err(Failure::abort_message("the data cannot change"));
            }
            Ok(())
        })
        .build()
        .unwrap();
    let calls = Calls::default();
    assert_eq!(handlers.handle(undecodable(), calls.clone()).await.unwrap(), Handled::Processed);
    let failure = handlers.handle_attempt(undecodable(), calls.clone(), 2).await.unwrap_err();
    assert_eq!(failure.outcome(), Outcome::Rejected);
    // It is called only for types with a handler. Other events are still ignored.
    let without_handler = event(r#"{"data":[],"type":"user.deleted"}"#);
    assert_eq!(handlers.handle(without_handler, calls.clone()).await.unwrap(), Handled::Ignored);
    let call = r#"user.created data.email_addresses {"id":"user_1","email_addresses":"ada@example.com"}"#;
    assert_eq!(calls.take(), [call, call]);
}

#[test]
fn build_rejects_two_handlers_for_one_type() {
    let ignore = |_: Event, _: Context| async { Ok(()) };
    let on = || Handlers::<()>::builder().on(UserCreated, |_, _| async { Ok(()) });
    let other = || Handlers::<()>::builder().on_event("newThing.created", ignore);
    for (builder, event_type) in [
        (on().on(UserCreated, |_, _| async { Ok(()) }), "user.created"),
        (on().on_event("user.created", ignore), "user.created"),
        (on().on_event(EventType::UserCreated, ignore), "user.created"),
        (other().on_event("newThing.created", ignore), "newThing.created"),
        // The error names the first duplicate.
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
fn event_types_lists_the_types_with_a_handler() {
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
async fn any_error_converts_to_a_failure_that_is_retried() {
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
        // `?` converts the errors of anyhow and eyre in the same way.
        Err(Box::<dyn Error + Send + Sync>::from(io::Error::other("the network is down")))?
    }
    let failures = [io().await, text().await, string().await, boxed().await].map(Result::unwrap_err);
    let texts = ["the disk is full", "no room", "no room for 2", "the network is down"];
    for (failure, text) in failures.into_iter().zip(texts) {
        assert_eq!((failure.outcome(), failure.delay()), (Outcome::Failed, None));
        assert_eq!((failure.to_string(), failure.error().to_string()), (text.to_owned(), text.to_owned()));
        assert_eq!(failure.into_error().to_string(), text);
    }
    // The failure contains the error itself, not only its text.
    assert!(io().await.unwrap_err().error().is::<io::Error>());
    assert!(boxed().await.unwrap_err().error().is::<io::Error>());
}

#[tokio::test]
async fn a_failure_determines_the_answer() {
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
async fn the_context_describes_the_delivery() {
    let expected = fixture_event("user.created");
    let handlers = on_created(|user: User, cx: Context<Calls>| async move {
        assert_eq!(cx.event_type().as_str(), "user.created");
        assert_eq!(cx.message_id(), &message_id());
        assert_eq!(cx.attempted_at(), Timestamp::from_secs(1_760_000_001));
        assert_eq!(cx.occurred_at(), Some(Timestamp::from_millis(1_760_000_000_000)));
        assert_eq!(cx.event().instance_id(), Some("ins_2fAArUK24oCKCd5jY4gJfpP89tC"));
        // The event still has its data after the payload was moved out.
        assert_eq!(cx.data_as::<serde_json::Value>()?["id"], user.id);
        assert_eq!(cx.event().payload(UserCreated), Some(&user));
        cx.state().push(cx.raw_data());
        cx.state().push(format!("{:?}", cx.attempt()));
        // `Debug` shows neither the data nor the state.
        let debug = format!("{cx:?}");
        assert!(debug.contains("message_id") || debug.contains("msg_"), "{debug}");
        assert!(!debug.contains("Ada") && !debug.contains("Calls"), "{debug}");
        Ok(())
    });
    let calls = Calls::default();
    // Test both an event that is already decoded and one that is not.
    let decoded = fixture_event("user.created");
    assert!(!matches!(decoded.data(), EventData::Unrecognized(_)));
    handlers.handle(fixture_event("user.created"), calls.clone()).await.unwrap();
    handlers.handle_attempt(decoded, calls.clone(), 7).await.unwrap();
    let raw = expected.raw_data();
    assert_eq!(calls.take(), [raw, "None", raw, "Some(7)"]);
}

#[tokio::test]
async fn moves_the_payload_out_of_an_event_without_clones() {
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

    // If a clone exists, the payload is copied.
    let shared = fixture_event("user.created");
    let before = place(&shared);
    handlers.handle(shared.clone(), calls.clone()).await.unwrap();
    assert_eq!(place(&shared), before);
    assert_ne!(calls.take(), [before]);
}

#[test]
fn handling_futures_are_send_and_static() {
    fn assert_spawnable<T: Send + 'static>(future: T) -> T {
        future
    }
    // The state need not be `Sync`, because each call has its own.
    let handlers = on_created(|_, cx: Context<Cell<u32>>| async move {
        cx.state().set(1);
        Ok(())
    });
    let event = || fixture_event("user.created");
    let handling = assert_spawnable(handlers.handle(event(), Cell::new(0)));
    drop(assert_spawnable(handlers.handle_attempt(event(), Cell::new(0), 1)));
    drop(assert_spawnable(handlers.answer(event(), Cell::new(0))));
    drop(handlers);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(handling).unwrap(), Handled::Processed);
}

#[tokio::test]
async fn a_panic_propagates_to_the_caller() {
    let handlers = on_created(|user: User, cx: Context<bool>| async move {
        assert!(!cx.state(), "a panic on purpose for {}", user.id);
        Ok(())
    });
    let handled = tokio::spawn(handlers.handle(fixture_event("user.created"), true)).await;
    assert!(handled.unwrap_err().is_panic());
    let answered = tokio::spawn(handlers.answer(fixture_event("user.created"), true)).await;
    assert!(answered.unwrap_err().is_panic());
    assert_eq!(handlers.handle(fixture_event("user.created"), false).await.unwrap(), Handled::Processed);
}
