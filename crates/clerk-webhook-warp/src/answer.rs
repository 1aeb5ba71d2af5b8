use bytes::Bytes;
use clerk_webhook_core::Answer;
use warp::Reply;
use warp::reply::Response;

/// Reply that sends an [`Answer`], such as the result of
/// [`Handlers::answer`](clerk_webhook_core::Handlers::answer).
///
/// The response extensions contain the [`Outcome`](clerk_webhook_core::Outcome).
///
/// ```
/// use clerk_webhook_core::{Event, Handlers, Verifier};
/// use clerk_webhook_warp::{ClerkAnswer, clerk_event_or_reply};
/// use clerk_webhook_core::event::marker::UserCreated;
/// use warp::Filter;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handlers = Handlers::builder()
///     .on(UserCreated, |user, _cx| async move {
///         println!("{} joined", user.id);
///         Ok(())
///     })
///     .build()?;
/// let webhook = move |event: Event| {
///     let answer = handlers.answer(event, ());
///     async { ClerkAnswer(answer.await) }
/// };
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let routes = warp::path!("webhooks" / "clerk")
///     .and(warp::post())
///     .and(clerk_event_or_reply(verifier, webhook));
/// # drop(routes);
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

impl Reply for ClerkAnswer {
    fn into_response(self) -> Response {
        http::Response::<Bytes>::from(self.0).into_response()
    }
}
