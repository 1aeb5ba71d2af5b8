//! Guards that select a route. They do not verify deliveries.

use actix_web::guard::{Guard, fn_guard};
use clerk_webhook_core::HeaderFields as _;

use crate::headers::Headers;

/// Creates a guard that matches if the request has all three signature headers.
///
/// Use it to select a route if deliveries and other requests use the same path.
///
/// **The guard does not verify the delivery.** A guard cannot read the body, and any client can send three
/// headers. The handler must still extract a [`ClerkEvent`](crate::ClerkEvent), or the resource must use
/// [`VerifyWebhook`](crate::VerifyWebhook).
///
/// If a proxy drops a signature header, the guard does not match, and Actix tries the other routes. If one of
/// them responds with 2xx, the sender does not retry, and the event is lost.
///
/// ```
/// use actix_web::{App, HttpResponse, web};
/// use clerk_webhook_core::Verifier;
/// use clerk_webhook_actix::{ClerkEvent, guard};
///
/// async fn delivery(event: ClerkEvent) -> HttpResponse {
///     println!("{}", event.event_type());
///     HttpResponse::Ok().finish()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
/// let app = App::new().app_data(verifier).service(
///     web::resource("/hooks")
///         .route(web::post().guard(guard::signature_headers()).to(delivery))
///         .route(web::post().to(async || "something else")),
/// );
/// # drop(app);
/// # Ok(())
/// # }
/// ```
pub fn signature_headers() -> impl Guard {
    fn_guard(|request| Headers(request.head().headers()).has_complete_signature_headers())
}
