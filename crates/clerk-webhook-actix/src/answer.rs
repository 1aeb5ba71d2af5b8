use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, Responder};
use clerk_webhook_core::Answer;

/// Response that sends an [`Answer`], such as the result of
/// [`Handlers::answer`](clerk_webhook_core::Handlers::answer).
///
/// The response extensions contain the [`Outcome`](clerk_webhook_core::Outcome) for middleware, such as
/// logging or metrics middleware.
///
/// ```
/// use actix_web::{App, web};
/// use clerk_webhook_core::{Handlers, Verifier};
/// use clerk_webhook_actix::{ClerkAnswer, ClerkEvent};
/// use clerk_webhook_core::event::marker::UserCreated;
///
/// async fn webhook(handlers: web::Data<Handlers>, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
///     ClerkAnswer(handlers.answer(event, ()).await)
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
/// let app = App::new()
///     .app_data(verifier)
///     .app_data(web::Data::new(handlers))
///     .service(web::resource("/webhooks/clerk").route(web::post().to(webhook)));
/// # drop(app);
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

impl Responder for ClerkAnswer {
    type Body = BoxBody;

    fn respond_to(self, _request: &HttpRequest) -> HttpResponse {
        response(self.0)
    }
}

/// Creates the response for an answer, with the outcome in its extensions.
pub(crate) fn response(answer: Answer) -> HttpResponse {
    let mut builder = HttpResponse::build(status(answer));
    builder.content_type(answer.content_type());
    if let Some(seconds) = answer.retry_after() {
        builder.insert_header((RETRY_AFTER, seconds));
    }
    if let Some(control) = answer.delivery_control() {
        builder.insert_header((Answer::DELIVERY_CONTROL, control));
    }
    let mut response = builder.body(answer.body());
    response.extensions_mut().insert(answer.outcome());
    response
}

/// Returns an answer's status as Actix's `StatusCode`.
pub(crate) fn status(answer: Answer) -> StatusCode {
    // Every status in the table of outcomes is valid.
    StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
