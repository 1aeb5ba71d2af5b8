//! Poem, with the extractor and with the endpoint.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use clerk_webhook_core::{Event, Outcome};
use clerk_webhook_poem::{ClerkAnswer, ClerkEndpoint, ClerkEvent};
use clerk_webhook_store::{Deduplicator, DynDeliveryStore};
use clerk_webhook_tests::body::ScriptedBody;
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use poem::endpoint::BoxEndpoint;
use poem::http::HeaderValue;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{Body, Endpoint, EndpointExt as _, Request, Response, Route, Server, handler, post};
use tokio::net::TcpListener;

use super::super::handling::{Endpoint as WebhookEndpoint, Handling, OUTCOME};
use super::super::inbox::Inbox;
use super::{PATH, Parts};

pub fn extractor(parts: Parts) -> BoxEndpoint<'static> {
    #[handler]
    fn webhook(inbox: Data<&Inbox>, ClerkEvent(event): ClerkEvent) {
        inbox.push(&event);
    }

    let Parts { verifier, inbox, .. } = parts;
    Route::new().at(PATH, post(webhook).data(verifier).data(inbox)).after(add_outcome_header).boxed()
}

pub fn endpoint(parts: Parts) -> BoxEndpoint<'static> {
    let Parts { verifier, inbox, .. } = parts;
    let webhook = ClerkEndpoint::new(verifier, move |event: Event| {
        inbox.push(&event);
        async {}
    });
    Route::new().at(PATH, post(webhook)).after(add_outcome_header).boxed()
}

pub fn handling_extractor(parts: Parts) -> BoxEndpoint<'static> {
    #[handler]
    async fn webhook(
        deduplicator: Data<&Deduplicator<Arc<dyn DynDeliveryStore>>>,
        handling: Data<&Handling>,
        ClerkEvent(event): ClerkEvent,
    ) -> ClerkAnswer {
        ClerkAnswer(deduplicator.handle(&handling.handlers, event, handling.app.clone()).await)
    }

    let Parts { verifier, handling, .. } = parts;
    let routes = handling.endpoints.clone().into_iter().fold(Route::new(), |routes, endpoint| {
        let WebhookEndpoint { path, deduplicator } = endpoint;
        routes.at(path, post(webhook).data(deduplicator))
    });
    routes.data(verifier).data(handling).after(add_outcome_header).boxed()
}

pub fn handling_endpoint(parts: Parts) -> BoxEndpoint<'static> {
    let Parts { verifier, handling, .. } = parts;
    let Handling { handlers, app, endpoints } = handling;
    let routes = endpoints.into_iter().fold(Route::new(), |routes, endpoint| {
        let WebhookEndpoint { path, deduplicator } = endpoint;
        let (handlers, app) = (handlers.clone(), app.clone());
        let webhook = ClerkEndpoint::new(verifier.clone(), move |event: Event| {
            let (deduplicator, handlers, app) = (deduplicator.clone(), handlers.clone(), app.clone());
            async move { ClerkAnswer(deduplicator.handle(&handlers, event, app).await) }
        });
        routes.at(path, post(webhook))
    });
    routes.after(add_outcome_header).boxed()
}

async fn add_outcome_header(result: poem::Result<Response>) -> poem::Result<Response> {
    let mut response = result.unwrap_or_else(poem::Error::into_response);
    if let Some(outcome) = response.data::<Outcome>().copied() {
        response.headers_mut().insert(OUTCOME, HeaderValue::from_static(outcome.as_str()));
    }
    Ok(response)
}

pub async fn serve(listener: TcpListener, endpoint: BoxEndpoint<'static>) {
    let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
    Server::new_with_acceptor(acceptor).run(endpoint).await.unwrap();
}

/// Sends a request to an endpoint without a socket.
pub async fn call(
    endpoint: BoxEndpoint<'static>,
    request: http::Request<ScriptedBody>,
) -> http::Response<BoxBody<Bytes, io::Error>> {
    let (head, body) = request.into_parts();
    let body = Body::from(BoxBody::new(body.map_err(io::Error::other)));
    let mut request = Request::builder().method(head.method).uri(head.uri).body(body);
    *request.headers_mut() = head.headers;
    endpoint.get_response(request).await.into()
}
