//! Routes requests to the page or to the endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{ALLOW, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::page::access::{ROOT, is_for};
use super::page::routes;
use super::receive;
use super::state::Listener;
use crate::server::connection::ConnectionSlot;
use crate::server::response::{Body, NoResponse, text};

pub(super) async fn respond(
    listener: Arc<Listener>,
    request: Request<Incoming>,
    peer: SocketAddr,
    slot: Arc<ConnectionSlot>,
) -> Result<Response<Body>, NoResponse> {
    let path = request.uri().path();
    if is_for(path) {
        if listener.page.is_open_to(&request) {
            slot.switch_to_page();
        }
        return Ok(routes::respond(&listener, peer, &request).await);
    }
    if request.method() == Method::POST {
        return receive::respond(listener, request).await;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if path == "/" && reads && listener.page.is_local(peer, &request) {
        let mut response = text(StatusCode::FOUND, "");
        response.headers_mut().insert(LOCATION, HeaderValue::from_static(ROOT));
        return Ok(response);
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "send deliveries with POST\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    Ok(response)
}
