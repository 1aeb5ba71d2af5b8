//! Guards, which choose a route and never decide who may deliver.

use actix_web::guard::{Guard, fn_guard};
use clerk_webhook_core::HeaderFields as _;

use crate::headers::Headers;

/// Creates a guard that is true where the headers of a signature are all present.
///
/// It is for routing only, say where deliveries and other requests come to the same path. It is **not a
/// verification**: a guard sees the head of a request and no body, and a signature is over the body. Anybody can
/// write three headers, so what it lets pass still has to be extracted as a [`ClerkEvent`](crate::ClerkEvent) or to
/// go through [`VerifyWebhook`](crate::VerifyWebhook). And a delivery that has lost a header on its way goes to the
/// other routes: what those answer by 2xx the sender takes for received.
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
