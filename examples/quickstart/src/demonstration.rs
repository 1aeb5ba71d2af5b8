//! Sends a valid delivery, a duplicate, and four deliveries that the server must reject.

use std::error::Error;

use clerk_webhook::test::{Delivery, fixture};
use clerk_webhook::{EventData, SigningSecret, Timestamp};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Channel};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::server::{Seen, Server};

/// One byte more than 2 MiB, the default limit of a body.
const TOO_MANY_BYTES: &str = "2097153";

struct Step {
    name: &'static str,
    request: Request<Body>,
    expected: StatusCode,
}

type Body = BoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Sends the deliveries, prints each response, and returns whether every response was the expected one.
pub async fn run(server: &mut Server, secret: &SigningSecret) -> Result<bool, Box<dyn Error>> {
    let row = |sent: &str, answered: &str, outcome: &str| println!("{sent:<36}  {answered:<21}  {outcome}");
    row("sent", "answered", "outcome");
    row(&"-".repeat(36), &"-".repeat(21), &"-".repeat(18));
    let mut as_expected = true;
    let mut handled = Vec::new();
    // Sends only the length of this body, and keeps the body open until the response arrives.
    let (_open, claimed) = Channel::new(1);
    for Step { name, request, expected } in steps(secret, claimed.boxed()) {
        let status = send(&server.url, request).await?;
        // The server reports the outcome before it responds.
        let seen = server.seen.recv().await.ok_or("the server stopped")?;
        row(name, &status.to_string(), seen.word());
        if status != expected {
            println!("UNEXPECTED: the response must be {expected}");
            as_expected = false;
        }
        if let Seen::Handled(_) = seen {
            handled.push(seen);
        }
    }
    println!("\nThe handler received:");
    for seen in &handled {
        println!("  {seen}");
    }
    let one_user = matches!(
        handled.as_slice(),
        [Seen::Handled(event)] if matches!(event.data(), EventData::UserCreated(_)),
    );
    Ok(as_expected && one_user)
}

fn steps(secret: &SigningSecret, claimed: Body) -> [Step; 6] {
    let user_created = || Delivery::of(fixture::user_created()).secrets([secret.clone()]);
    let valid = user_created();
    let five_minutes_ago = Timestamp::from_secs(Timestamp::now().as_secs() - 301);
    let too_large = Delivery::of_body("").secrets([secret.clone()]).header("content-length", TOO_MANY_BYTES);

    let request = |delivery: &Delivery| {
        delivery.http_request().map(|body| body.map_err(|never| match never {}).boxed())
    };
    let step = |name, delivery: Delivery, expected| Step { name, request: request(&delivery), expected };
    [
        step("a valid delivery", valid.clone(), StatusCode::OK),
        step("the same delivery again", valid, StatusCode::OK),
        step("forged: signed with the wrong secret", user_created().wrong_secret(), StatusCode::BAD_REQUEST),
        step("stale: signed 301 s ago", user_created().at(five_minutes_ago), StatusCode::BAD_REQUEST),
        step("altered: one letter in the body", user_created().altered(), StatusCode::BAD_REQUEST),
        // The server must reject it before it reads the body.
        Step {
            name: "too large: 2 MiB and one byte",
            request: request(&too_large).map(|_| claimed),
            expected: StatusCode::PAYLOAD_TOO_LARGE,
        },
    ]
}

/// Sends one delivery over a new connection.
async fn send(url: &str, mut request: Request<Body>) -> Result<StatusCode, Box<dyn Error>> {
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    request.headers_mut().insert(HOST, HeaderValue::from_str(address)?);
    Ok(sender.send_request(request).await?.status())
}

pub fn print_how_to_send_more(url: &str, secret: &SigningSecret) {
    println!(
        "\nSend more deliveries with the official Svix library (the secret is valid until this program ends):\n"
    );
    println!("  export CLERK_WEBHOOK_SIGNING_SECRET={}", *secret.expose_secret());
    println!("  npm ci --prefix tests/clients && node tests/clients/send.mjs {url}");
    println!("  pip install -r tests/clients/requirements.txt && python3 tests/clients/send.py {url}");
    println!("\nOr with curl (valid for five minutes):\n");
    for line in Delivery::of(fixture::user_deleted()).secrets([secret.clone()]).curl(url).lines() {
        println!("  {line}");
    }
    println!("\nPress Ctrl-C to stop. Received deliveries:");
}
