use std::fmt;

use clerk_webhook_core::{Event, Verifier};
use poem::{Endpoint, IntoResponse, Request};

use crate::receive::receive;

/// Endpoint that calls a function for each verified delivery.
///
/// It contains its verifier, so the route needs no data. A delivery that fails verification is answered with a
/// [`ClerkEventError`](crate::ClerkEventError), and the function is not called.
///
/// The endpoint verifies every request, with any method. Pass it to [`poem::post`].
///
/// ```
/// use clerk_webhook_core::event::marker::UserCreated;
/// use clerk_webhook_core::{Handlers, Verifier};
/// use clerk_webhook_poem::{ClerkAnswer, ClerkEndpoint};
/// use poem::{Route, post};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let handlers = Handlers::builder()
///     .on(UserCreated, |user, _cx| async move {
///         println!("{} joined", user.id);
///         Ok(())
///     })
///     .build()?;
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let webhook = ClerkEndpoint::new(verifier, move |event| {
///     let answer = handlers.answer(event, ());
///     async { ClerkAnswer(answer.await) }
/// });
/// let app = Route::new().at("/webhooks/clerk", post(webhook));
/// # drop(app);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClerkEndpoint<H> {
    verifier: Verifier,
    handler: H,
}

impl<H, F> ClerkEndpoint<H>
where
    H: Fn(Event) -> F,
{
    /// Creates an endpoint that applies the verifier's limits.
    pub fn new(verifier: Verifier, handler: H) -> Self {
        Self { verifier, handler }
    }
}

impl<H, F> Endpoint for ClerkEndpoint<H>
where
    H: Fn(Event) -> F + Send + Sync,
    F: Future<Output: IntoResponse> + Send,
{
    type Output = F::Output;

    async fn call(&self, request: Request) -> poem::Result<F::Output> {
        let (request, mut body) = request.split();
        let event = receive(&request, &mut body, Some(&self.verifier)).await?;
        Ok((self.handler)(event).await)
    }
}

impl<H> fmt::Debug for ClerkEndpoint<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkEndpoint").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
