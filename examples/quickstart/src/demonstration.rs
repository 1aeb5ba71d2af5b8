//! One delivery that must be handled, once, and four that must not be accepted.

use std::error::Error;

use clerk_webhook_core::{EventData, MessageId, SigningSecret, Timestamp};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Channel, Full};
use hyper::body::Bytes;
use hyper::header::CONTENT_LENGTH;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::server::{Seen, Server};

/// A delivery as Clerk would make it: compact JSON, keys in alphabetical order.
const USER_CREATED: &str =
    include_str!("../../../crates/clerk-webhook-test/fixtures/events/user.created.json");
const USER_DELETED: &str =
    include_str!("../../../crates/clerk-webhook-test/fixtures/events/user.deleted.json");

/// One byte more than a body may have.
const TOO_MANY_BYTES: usize = 2 * 1024 * 1024 + 1;

struct Delivery {
    name: &'static str,
    headers: HeaderMap,
    body: Body,
    expected: StatusCode,
}

enum Body {
    Sent(Bytes),
    /// Only its length is sent: it must be refused before anything is read.
    Claimed,
}

/// Sends the deliveries, prints what became of them, and returns whether all was right.
pub async fn run(server: &mut Server, secret: &SigningSecret) -> Result<bool, Box<dyn Error>> {
    let row = |sent: &str, answered: &str, outcome: &str| println!("{sent:<36}  {answered:<21}  {outcome}");
    row("sent", "answered", "outcome");
    row(&"-".repeat(36), &"-".repeat(21), &"-".repeat(18));
    let mut right = true;
    let mut handled = Vec::new();
    for Delivery { name, headers, body, expected } in deliveries(secret)? {
        let status = send(&server.url, headers, body).await?;
        // The server notes what it does before it answers.
        let seen = server.seen.recv().await.ok_or("the server has ended")?;
        row(name, &status.to_string(), seen.word());
        if status != expected {
            println!("WRONG: the answer must be {expected}");
            right = false;
        }
        if let Seen::Handled(_) = seen {
            handled.push(seen);
        }
    }
    println!("\nThe handler got:");
    for seen in &handled {
        println!("  {seen}");
    }
    let one_user = matches!(
        handled.as_slice(),
        [Seen::Handled(event)] if matches!(event.data(), EventData::UserCreated(_)),
    );
    Ok(right && one_user)
}

fn deliveries(secret: &SigningSecret) -> Result<[Delivery; 6], Box<dyn Error>> {
    let body = Bytes::from(USER_CREATED);
    let mut altered = USER_CREATED.as_bytes().to_vec();
    if let Some(byte) = altered.iter_mut().find(|byte| byte.is_ascii_lowercase()) {
        *byte ^= 1;
    }
    let now = Timestamp::now();
    let stale = Timestamp::from_secs(now.as_secs() - 301);
    let other_secret = crate::throw_away_secret()?;
    let sign = |secret: &SigningSecret, at, body: &[u8]| {
        Ok::<_, Box<dyn Error>>(HeaderMap::from(&secret.sign(&new_id()?, at, body)))
    };
    let mut too_large = sign(secret, now, b"")?;
    too_large.insert(CONTENT_LENGTH, TOO_MANY_BYTES.into());

    let delivery = |name, headers, body, expected| Delivery { name, headers, body, expected };
    let correct = sign(secret, now, &body)?;
    Ok([
        delivery("a correct delivery", correct.clone(), Body::Sent(body.clone()), StatusCode::OK),
        delivery("the same once more", correct, Body::Sent(body.clone()), StatusCode::OK),
        delivery(
            "forged: signed with another secret",
            sign(&other_secret, now, &body)?,
            Body::Sent(body.clone()),
            StatusCode::BAD_REQUEST,
        ),
        delivery(
            "stale: signed 301 s ago",
            sign(secret, stale, &body)?,
            Body::Sent(body.clone()),
            StatusCode::BAD_REQUEST,
        ),
        delivery(
            "altered: one letter of the body",
            sign(secret, now, &body)?,
            Body::Sent(altered.into()),
            StatusCode::BAD_REQUEST,
        ),
        delivery("too large: 2 MiB and one byte", too_large, Body::Claimed, StatusCode::PAYLOAD_TOO_LARGE),
    ])
}

/// Makes an id such as Svix makes: `msg_` and 27 letters and digits.
fn new_id() -> Result<MessageId, Box<dyn Error>> {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut random = [0; 27];
    getrandom::fill(&mut random)?;
    let letters = random.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
    Ok(format!("msg_{}", letters.map(|letter| char::from(*letter)).collect::<String>()).parse()?)
}

/// Sends one delivery over a connection of its own.
async fn send(url: &str, headers: HeaderMap, body: Body) -> Result<StatusCode, Box<dyn Error>> {
    let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    // The body that is only claimed stays open until there is an answer.
    let (_open, claimed) = Channel::<Bytes, Box<dyn Error + Send + Sync>>::new(1);
    let body: BoxBody<Bytes, Box<dyn Error + Send + Sync>> = match body {
        Body::Sent(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed(),
        Body::Claimed => claimed.boxed(),
    };
    let mut request = Request::post("/webhooks/clerk").header("host", address).body(body)?;
    request.headers_mut().extend(headers);
    Ok(sender.send_request(request).await?.status())
}

pub fn print_how_to_send_more(url: &str, secret: &SigningSecret) -> Result<(), Box<dyn Error>> {
    println!("\nSend more, with Svix's own library (the secret ends with this program):\n");
    println!("  export CLERK_WEBHOOK_SIGNING_SECRET={}", *secret.expose_secret());
    println!("  npm ci --prefix tests/clients && node tests/clients/send.mjs {url}");
    println!("  pip install -r tests/clients/requirements.txt && python3 tests/clients/send.py {url}");
    println!("\nor with curl, for the next five minutes:\n");
    println!("  curl -i {url} \\");
    for (name, value) in secret.sign(&new_id()?, Timestamp::now(), USER_DELETED.as_bytes()).to_pairs() {
        println!("    -H '{name}: {value}' \\");
    }
    println!("    -H 'content-type: application/json' --data-binary '{USER_DELETED}'");
    println!("\nCtrl-C ends it. What arrives:");
    Ok(())
}
