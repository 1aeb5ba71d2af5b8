//! Actix, with the extractor and with the middleware.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::{self, System};
use actix_web::web::{self, PayloadConfig, ReqData, ServiceConfig};
use actix_web::{App, Error, HttpResponse, HttpServer};
use bytes::Bytes;
use clerk_webhook_actix::{ClerkAnswer, ClerkEvent, VerifyWebhook};
use clerk_webhook_core::{Event, Outcome};
use clerk_webhook_store::{Deduplicator, DynDeliveryStore};
use tokio::sync::oneshot;

use super::super::handling::{Endpoint, Handling, OUTCOME};
use super::super::inbox::Inbox;
use super::{PATH, Parts};

pub fn extractor(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(inbox: web::Data<Inbox>, ClerkEvent(event): ClerkEvent) -> HttpResponse {
        inbox.push(&event, None);
        HttpResponse::Ok().finish()
    }

    move |config| {
        let Parts { verifier, inbox, .. } = parts.clone();
        let resource = web::resource(PATH).route(web::post().to(webhook));
        config.app_data(verifier).app_data(web::Data::new(inbox)).service(resource);
    }
}

pub fn middleware(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(inbox: web::Data<Inbox>, event: ReqData<Event>, body: Bytes) -> HttpResponse {
        inbox.push(&event, Some(&body));
        HttpResponse::Ok().finish()
    }

    move |config| {
        let Parts { verifier, inbox, .. } = parts.clone();
        // Without it `Bytes` ends at 256 KiB. It says more than the verifier, whose limit is therefore the one
        // that counts.
        let bytes = PayloadConfig::new(4 * 1024 * 1024);
        let resource = web::resource(PATH).app_data(bytes).route(web::post().to(webhook));
        config.app_data(web::Data::new(inbox)).service(resource.wrap(VerifyWebhook::new(verifier)));
    }
}

/// What recognises the duplicates that come to an endpoint.
type Deduplication = web::Data<Deduplicator<Arc<dyn DynDeliveryStore>>>;

pub fn handling_extractor(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(
        deduplicator: Deduplication,
        handling: web::Data<Handling>,
        ClerkEvent(event): ClerkEvent,
    ) -> ClerkAnswer {
        ClerkAnswer(deduplicator.handle(&handling.handlers, event, handling.app.clone()).await)
    }

    move |config| {
        let Parts { verifier, handling, .. } = parts.clone();
        for Endpoint { path, deduplicator } in handling.endpoints.clone() {
            let resource = web::resource(path).app_data(web::Data::new(deduplicator));
            config.service(resource.route(web::post().to(webhook)).wrap(from_fn(tell)));
        }
        config.app_data(verifier).app_data(web::Data::new(handling));
    }
}

pub fn handling_middleware(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(
        deduplicator: Deduplication,
        handling: web::Data<Handling>,
        event: ReqData<Event>,
    ) -> ClerkAnswer {
        let (event, app) = (event.into_inner(), handling.app.clone());
        ClerkAnswer(deduplicator.handle(&handling.handlers, event, app).await)
    }

    move |config| {
        let Parts { verifier, handling, .. } = parts.clone();
        for Endpoint { path, deduplicator } in handling.endpoints.clone() {
            let resource = web::resource(path).app_data(web::Data::new(deduplicator));
            let verified = VerifyWebhook::new(verifier.clone());
            config.service(resource.route(web::post().to(webhook)).wrap(verified).wrap(from_fn(tell)));
        }
        config.app_data(web::Data::new(handling));
    }
}

/// Tells in a header what became of a delivery.
async fn tell(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let outcome = response.response().extensions().get::<Outcome>().copied();
    if let Some(outcome) = outcome {
        let name = HeaderName::from_static(OUTCOME);
        response.headers_mut().insert(name, HeaderValue::from_static(outcome.as_str()));
    }
    Ok(response)
}

/// Serves HTTP/1.1 and HTTP/2 until it is stopped.
pub fn serve(
    listener: TcpListener,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    stopped: oneshot::Receiver<()>,
) {
    System::new().block_on(async {
        let app = move || App::new().configure(configure.clone());
        let server = HttpServer::new(app).workers(1).disable_signals().listen_auto_h2c(listener).unwrap();
        let server = server.run();
        let handle = server.handle();
        rt::spawn(async move {
            let _: Result<(), _> = stopped.await;
            handle.stop(false).await;
        });
        server.await.unwrap();
    });
}
