use std::io::Cursor;

use clerk_webhook_core::Answer;
use rocket::http::Status;
use rocket::response::{self, Responder};
use rocket::{Request, Response};

use crate::record::Record;

/// Responder that sends an [`Answer`], such as the result of
/// [`Handlers::answer`](clerk_webhook_core::Handlers::answer).
///
/// Fairings get the outcome from [`outcome`](crate::outcome).
///
/// ```
/// use clerk_webhook_core::event::marker::UserCreated;
/// use clerk_webhook_core::{Handlers, Verifier};
/// use clerk_webhook_rocket::{ClerkAnswer, ClerkEvent, ClerkFairing};
/// use rocket::{State, post, routes};
///
/// #[post("/webhooks/clerk", data = "<event>")]
/// async fn webhook(handlers: &State<Handlers>, event: ClerkEvent) -> ClerkAnswer {
///     ClerkAnswer(handlers.answer(event.0, ()).await)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handlers: Handlers = Handlers::builder()
///     .on(UserCreated, |user, _cx| async move {
///         println!("{} joined", user.id);
///         Ok(())
///     })
///     .build()?;
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let rocket =
///     rocket::build().attach(ClerkFairing::new(verifier)).manage(handlers).mount("/", routes![webhook]);
/// # drop(rocket);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct ClerkAnswer(pub Answer);

impl From<Answer> for ClerkAnswer {
    fn from(answer: Answer) -> Self {
        Self(answer)
    }
}

impl<'r> Responder<'r, 'static> for ClerkAnswer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Record::of(request).answered(self.0);
        let mut response = Response::new();
        set_answer(&mut response, self.0);
        Ok(response)
    }
}

/// Replaces the status, the body and the headers that an answer determines.
pub(crate) fn set_answer(response: &mut Response<'_>, answer: Answer) {
    response.set_status(Status::new(answer.status()));
    response.set_raw_header("Content-Type", answer.content_type());
    if let Some(seconds) = answer.retry_after() {
        response.set_raw_header("Retry-After", seconds.to_string());
    }
    if let Some(control) = answer.delivery_control() {
        response.set_raw_header(Answer::DELIVERY_CONTROL, control);
    }
    response.set_sized_body(answer.body().len(), Cursor::new(answer.body()));
}
