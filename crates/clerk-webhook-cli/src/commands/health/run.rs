//! Asks the server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use super::args::Args;
use crate::commands::serve;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::{BAD, GOOD};
use crate::send::client::{self, Client};
use crate::send::endpoint::Endpoint;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The path that answers without the database.
const PATH: &str = "/livez";

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let url = match args.url {
        Some(url) => url,
        None => default_url()?,
    };
    let endpoint = Endpoint::parse_like("http://127.0.0.1:9464/livez", &url)?;
    client::block_on(ask(&endpoint, &output.up_to_the_result()))
}

async fn ask(endpoint: &Endpoint, output: &Output) -> Result<(), Failure> {
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = endpoint.uri().clone();
    let answer = Client::new(endpoint.uri(), PATIENCE)?.send(request).await;
    let url = endpoint.redacted();
    let (status, problem) = match answer {
        Ok(answer) => (Some(answer.status), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let is_healthy = status.is_some_and(|status| status.is_success());
    output.object(&json!({
        "healthy": is_healthy, "url": url, "status": status.map(|status| status.as_u16()), "error": problem,
    }))?;
    let (style, word) = if is_healthy { (GOOD, "healthy") } else { (BAD, "unhealthy") };
    let reason = match (status, problem) {
        (Some(status), _) => format!("{url} answered {}", status.as_u16()),
        (None, problem) => problem.unwrap_or_default(),
    };
    output.line(format_args!("{style}{word}{style:#}: {reason}"))?;
    if is_healthy { Ok(()) } else { Err(Failure::Negative) }
}

/// Returns the URL of the administrator's listener, or of the public one if the former is off.
fn default_url() -> Result<String, Failure> {
    let (public, admin) = serve::listeners()?;
    let address = reachable(admin.unwrap_or(public));
    Ok(format!("http://{address}{PATH}"))
}

/// Replaces the address of all interfaces, which cannot be connected to on every system.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
