use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use clerk_webhook_core::Answer;

/// Response that sends an [`Answer`], such as the result of
/// [`Handlers::answer`](clerk_webhook_core::Handlers::answer).
///
/// The response extensions contain the [`Outcome`](clerk_webhook_core::Outcome) for outer layers, such as a
/// logging or metrics layer.
///
/// ```
/// use axum::Router;
/// use axum::extract::{FromRef, State};
/// use axum::routing::post;
/// use clerk_webhook_core::{Handlers, Verifier};
/// use clerk_webhook_axum::{ClerkAnswer, ClerkEvent};
/// use clerk_webhook_core::event::marker::UserCreated;
///
/// #[derive(Clone)]
/// struct AppState {
///     verifier: Verifier,
///     handlers: Handlers,
/// }
///
/// impl FromRef<AppState> for Verifier {
///     fn from_ref(state: &AppState) -> Self {
///         state.verifier.clone()
///     }
/// }
///
/// async fn webhook(State(app): State<AppState>, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
///     ClerkAnswer(app.handlers.answer(event, ()).await)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handlers = Handlers::builder()
///     .on(UserCreated, |user, _cx| async move {
///         println!("{} joined", user.id);
///         Ok(())
///     })
///     .build()?;
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let app: Router = Router::new()
///     .route("/webhooks/clerk", post(webhook))
///     .with_state(AppState { verifier, handlers });
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
        http::Response::<Bytes>::from(self.0).map(Body::from)
    }
}
