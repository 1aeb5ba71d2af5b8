use bytes::Bytes;
use clerk_webhook_core::Answer;
use poem::http::response::{self, Parts};
use poem::{IntoResponse, Response, ResponseParts};

/// Response that sends an [`Answer`], such as the result of
/// [`Handlers::answer`](clerk_webhook_core::Handlers::answer).
///
/// The response extensions contain the [`Outcome`](clerk_webhook_core::Outcome) for middleware, such as
/// logging or metrics middleware.
///
/// ```
/// use clerk_webhook_core::event::marker::UserCreated;
/// use clerk_webhook_core::{Handlers, Verifier};
/// use clerk_webhook_poem::{ClerkAnswer, ClerkEvent};
/// use poem::web::Data;
/// use poem::{EndpointExt as _, Route, handler, post};
///
/// #[handler]
/// async fn webhook(handlers: Data<&Handlers>, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
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
/// let app = Route::new().at("/webhooks/clerk", post(webhook)).data(verifier).data(handlers);
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

impl IntoResponse for ClerkAnswer {
    fn into_response(self) -> Response {
        let (parts, body) = response::Response::<Bytes>::from(self.0).into_parts();
        let Parts { status, version, headers, extensions, .. } = parts;
        Response::from_parts(ResponseParts { status, version, headers, extensions }, body.into())
    }
}
