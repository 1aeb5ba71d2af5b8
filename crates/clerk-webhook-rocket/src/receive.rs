use clerk_webhook_core::{Event, HeaderFields, PendingDelivery, ReceiveError, SignatureHeader, Verifier};
use rocket::Request;
use rocket::data::{ByteUnit, Data};
use rocket::http::HeaderMap;
use rocket::tokio::io::AsyncReadExt as _;
use rocket::tokio::time::timeout;

/// The advice in the log if a route was not checked at launch, because it was written without Rocket's macros.
const NO_VERIFIER: &str = "Rocket manages no `Verifier`. Add `.attach(ClerkFairing::new(verifier))`";

/// The size in bytes of the parts in which the body is read.
const PART: usize = 8 * 1024;

pub(crate) async fn receive(request: &Request<'_>, data: Data<'_>) -> Result<Event, ReceiveError> {
    let verifier: Option<&Verifier> = request.rocket().state();
    let verifier = verifier.ok_or(ReceiveError::misconfigured(NO_VERIFIER))?;
    let delivery = verifier.begin_receive(&Headers(request.headers()))?;
    let claimed = request.headers().get_one("Content-Length").and_then(|length| length.parse().ok());
    delivery.expect_length(claimed.unwrap_or_default())?;
    let collected = timeout(verifier.read_timeout(), collect(data, delivery)).await;
    collected.unwrap_or_else(|_| Err(ReceiveError::body_timeout()))?.finish()
}

async fn collect(data: Data<'_>, mut delivery: PendingDelivery) -> Result<PendingDelivery, ReceiveError> {
    // `push` applies the verifier's limit. At a limit of `open`, Rocket ends the body without an error.
    let mut body = data.open(ByteUnit::max_value());
    let mut part = vec![0; PART];
    loop {
        let length = body.read(&mut part).await.map_err(ReceiveError::body_failed)?;
        if length == 0 {
            return Ok(delivery);
        }
        delivery.push(&part[..length])?;
    }
}

/// The signature headers in Rocket's map type.
pub(crate) struct Headers<'r>(pub(crate) &'r HeaderMap<'r>);

impl HeaderFields for Headers<'_> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        SignatureHeader::ALL.iter().flat_map(|header| {
            let name = header.as_str();
            self.0.get(name).map(move |value| (name.as_bytes(), value.as_bytes()))
        })
    }
}
