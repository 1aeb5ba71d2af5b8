//! Actix, with the extractor and with the middleware.

use std::net::TcpListener;

use actix_web::rt::{self, System};
use actix_web::web::{self, PayloadConfig, ReqData, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use bytes::Bytes;
use clerk_webhook_actix::{ClerkEvent, Event, VerifyWebhook};
use tokio::sync::oneshot;

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
