//! Converts deliveries into the requests of web frameworks.

#[cfg(feature = "actix")]
use actix_web::test::TestRequest;
#[cfg(feature = "http")]
use bytes::Bytes;
#[cfg(feature = "http")]
use http_body_util::Full;
#[cfg(feature = "warp")]
use warp::test::RequestBuilder;

use crate::delivery::Delivery;

/// Conversions into requests.
impl Delivery {
    /// Returns the delivery as a request from the `http` crate, for an Axum router, a Tower service or hyper.
    ///
    /// For a service that requires a certain body type, use [`From`] instead.
    ///
    /// ```
    /// use axum::Router;
    /// use axum::routing::post;
    /// use clerk_webhook_core::Verifier;
    /// use clerk_webhook_axum::ClerkEvent;
    /// use clerk_webhook_test::{Delivery, SECRET, fixture};
    /// use tower::ServiceExt as _;
    ///
    /// async fn webhook(ClerkEvent(event): ClerkEvent) -> String {
    ///     event.event_type().to_string()
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let app = Router::new().route("/webhooks/clerk", post(webhook)).with_state(Verifier::new(SECRET)?);
    ///
    /// let delivery = Delivery::of(fixture::user_created());
    /// assert_eq!(app.clone().oneshot(delivery.http_request()).await?.status(), 200);
    /// assert_eq!(app.oneshot(delivery.altered().http_request()).await?.status(), 400);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_request(&self) -> http::Request<Full<Bytes>> {
        self.into()
    }

    /// Returns the delivery as a request for the Actix test service.
    ///
    /// ```
    /// use actix_web::test::{call_service, init_service};
    /// use actix_web::{App, web};
    /// use clerk_webhook_core::Verifier;
    /// use clerk_webhook_actix::ClerkEvent;
    /// use clerk_webhook_test::{Delivery, SECRET, fixture};
    ///
    /// async fn webhook(ClerkEvent(event): ClerkEvent) -> String {
    ///     event.event_type().to_string()
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let route = web::resource("/webhooks/clerk").route(web::post().to(webhook));
    /// let app = init_service(App::new().app_data(Verifier::new(SECRET)?).service(route)).await;
    ///
    /// let delivery = Delivery::of(fixture::user_created());
    /// assert_eq!(call_service(&app, delivery.actix_request().to_request()).await.status(), 200);
    /// assert_eq!(call_service(&app, delivery.altered().actix_request().to_request()).await.status(), 400);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "actix")]
    #[must_use]
    pub fn actix_request(&self) -> TestRequest {
        let request = TestRequest::post().uri(self.target()).set_payload(self.body());
        self.headers().into_iter().fold(request, |request, header| {
            // `set_payload` has already set `Content-Length`; an explicit header replaces it.
            if header.0.eq_ignore_ascii_case("content-length") {
                request.insert_header(header)
            } else {
                request.append_header(header)
            }
        })
    }

    /// Returns the delivery as a request for a Warp filter.
    ///
    /// ```
    /// use clerk_webhook_test::{Delivery, SECRET, fixture};
    /// use clerk_webhook_core::{Event, Verifier};
    /// use clerk_webhook_warp::{clerk_event, handle_rejection};
    /// use warp::Filter;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let routes = warp::path!("webhooks" / "clerk")
    ///     .and(warp::post())
    ///     .and(clerk_event(Verifier::new(SECRET)?))
    ///     .map(|event: Event| event.event_type().to_string())
    ///     .recover(handle_rejection);
    ///
    /// let delivery = Delivery::of(fixture::user_created());
    /// assert_eq!(delivery.warp_request().reply(&routes).await.status(), 200);
    /// assert_eq!(delivery.altered().warp_request().reply(&routes).await.status(), 400);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if a header occurs twice, which `warp::test` does not support. In this case pass
    /// `http_request()` to `warp::service(routes)`.
    #[cfg(feature = "warp")]
    #[track_caller]
    pub fn warp_request(&self) -> RequestBuilder {
        let mut request = warp::test::request().method("POST").path(self.target()).body(self.body());
        let mut names = Vec::new();
        for (name, value) in self.headers() {
            let lower = name.to_ascii_lowercase();
            assert!(
                !names.contains(&lower),
                "warp::test cannot repeat {name}: pass http_request() to warp::service instead"
            );
            names.push(lower);
            request = request.header(name, value);
        }
        request
    }
}

/// Creates a POST request with any body type that can be created from [`Bytes`].
///
/// ```
/// use clerk_webhook_test::{Delivery, fixture};
/// use http::Request;
///
/// let delivery = Delivery::of(fixture::user_created());
/// let request: Request<axum::body::Body> = (&delivery).into();
/// assert_eq!(request.uri(), "/webhooks/clerk");
///
/// let request = Request::<bytes::Bytes>::from(delivery);
/// assert!(request.headers().contains_key("svix-signature"));
/// ```
#[cfg(feature = "http")]
impl<B: From<Bytes>> From<&Delivery> for http::Request<B> {
    fn from(delivery: &Delivery) -> Self {
        let mut request = http::Request::builder().method(http::Method::POST).uri(delivery.target());
        for (name, value) in delivery.headers() {
            request = request.header(name, value);
        }
        #[expect(clippy::expect_used, reason = "path, names and values were validated when they were set")]
        request.body(B::from(delivery.body())).expect("the request is valid")
    }
}

/// Creates a POST request like the conversion from `&Delivery`.
#[cfg(feature = "http")]
impl<B: From<Bytes>> From<Delivery> for http::Request<B> {
    fn from(delivery: Delivery) -> Self {
        (&delivery).into()
    }
}
