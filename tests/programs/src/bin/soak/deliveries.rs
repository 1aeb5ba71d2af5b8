//! Creates valid and invalid deliveries, and defines the expected responses.

use std::fmt::Write as _;

use clerk_webhook_core::{HeaderFamily, MessageId, SigningSecret, Timestamp};
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::{fixture, fixtures, other_secret, secret};
use serde_json::{Value, json};

/// The share of each kind of delivery, in percent.
const MIXTURE: [(Kind, u64); 7] = [
    (Kind::Good, 60),
    (Kind::Forged, 12),
    (Kind::Stale, 8),
    (Kind::MissingHeader, 8),
    (Kind::NotAnEvent, 6),
    (Kind::TooLarge, 3),
    (Kind::CutOff, 3),
];

/// One in this many deliveries has the large body.
const LARGE_ONE_IN: u64 = 20;

/// The maximum length of bodies that arrive together with the head, so that a server never closes with unread
/// bytes.
const SMALL: usize = 4 * 1024;

/// Bodies that are not events.
const NOT_EVENTS: [&str; 6] = [
    "",
    "not JSON",
    "[]",
    r#"{"data":{}}"#,
    r#"{"data":{},"type":7}"#,
    r#"{"type":"user.created","data":{"id":"user_"#,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Good,
    /// Signed with a different secret.
    Forged,
    /// Signed too far in the past or in the future.
    Stale,
    MissingHeader,
    /// Authentic, but not JSON, or not an event.
    NotAnEvent,
    /// Announces a body of 1 GiB, and sends only its beginning. Rocket reads 14 bytes before it calls a guard.
    TooLarge,
    /// Ends in the middle of the body.
    CutOff,
}

impl Kind {
    fn any(random: &mut Random) -> Self {
        let mut rest = random.below(MIXTURE.iter().map(|(_, share)| share).sum());
        for (kind, share) in MIXTURE {
            if rest < share {
                return kind;
            }
            rest -= share;
        }
        Self::Good
    }

    pub fn status(self) -> u16 {
        match self {
            Self::Good => 200,
            Self::Forged | Self::Stale | Self::MissingHeader | Self::NotAnEvent | Self::CutOff => 400,
            Self::TooLarge => 413,
        }
    }
}

/// A request that is ready to be sent.
pub struct PreparedDelivery<'a> {
    pub kind: Kind,
    pub head: String,
    pub body: &'a [u8],
}

impl PreparedDelivery<'_> {
    /// Returns whether the response may be lost, because the server may reject the headers and close the
    /// connection while the body is being sent.
    pub fn may_lose_answer(&self) -> bool {
        matches!(self.kind, Kind::Stale | Kind::MissingHeader) && self.body.len() > SMALL
    }
}

/// The bodies, which are shared by all connections, and the secrets.
pub struct Deliveries {
    path: String,
    events: Vec<Body>,
    large_event: Body,
    not_events: Vec<Body>,
    secret: SigningSecret,
    other_secret: SigningSecret,
}

struct Body {
    content: Vec<u8>,
    chunked: Vec<u8>,
}

impl Deliveries {
    pub fn to(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            // `examples/axum` rejects the deletion of a user whose id is missing.
            events: fixtures()
                .into_iter()
                .filter(|(name, _)| !name.contains("without_id"))
                .map(|(_, content)| Body::new(content))
                .collect(),
            large_event: Body::new(large_event()),
            not_events: NOT_EVENTS.map(|text| Body::new(text.into())).into(),
            secret: secret(),
            other_secret: other_secret(),
        }
    }

    pub fn next(&self, random: &mut Random) -> PreparedDelivery<'_> {
        let kind = Kind::any(random);
        let body = match kind {
            Kind::NotAnEvent => one_of(&self.not_events, random),
            _ if random.below(LARGE_ONE_IN) == 0 => &self.large_event,
            _ => one_of(&self.events, random),
        };
        self.delivery(kind, body, random)
    }

    /// Returns a valid delivery of the largest event.
    pub fn largest(&self, random: &mut Random) -> PreparedDelivery<'_> {
        self.delivery(Kind::Good, &self.large_event, random)
    }

    fn delivery<'a>(&self, kind: Kind, body: &'a Body, random: &mut Random) -> PreparedDelivery<'a> {
        let id: MessageId = format!("msg_{:027}", random.bits()).parse().expect("digits are a valid id");
        let skew = [-600, 600][random.index(2)];
        let now = Timestamp::now();
        let signed = match kind {
            Kind::Forged => self.other_secret.sign(&id, now, &body.content),
            Kind::Stale => self.secret.sign(&id, Timestamp::from_secs(now.as_secs() + skew), &body.content),
            _ => self.secret.sign(&id, now, &body.content),
        };
        let family = [HeaderFamily::Svix, HeaderFamily::Webhook][random.index(2)];
        let missing = (kind == Kind::MissingHeader).then(|| random.index(3));

        let mut head = format!("POST {} HTTP/1.1\r\nHost: localhost\r\n", self.path);
        head.push_str("Content-Type: application/json\r\n");
        for (index, (name, value)) in signed.family(family).to_pairs().into_iter().enumerate() {
            if missing != Some(index) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        let (framing, body) = if kind == Kind::TooLarge {
            (format!("Content-Length: {}", 1 << 30), &body.content[..body.content.len().min(14)])
        } else if random.below(4) == 0 {
            ("Transfer-Encoding: chunked".to_owned(), &body.chunked[..])
        } else {
            (format!("Content-Length: {}", body.content.len()), &body.content[..])
        };
        head.push_str(&framing);
        head.push_str("\r\n\r\n");
        let body = if kind == Kind::CutOff { &body[..random.index(body.len())] } else { body };
        PreparedDelivery { kind, head, body }
    }
}

impl Body {
    fn new(content: Vec<u8>) -> Self {
        let mut chunked = Vec::new();
        // Uses several chunks even for a small body, so that servers pass it on in several pieces.
        for chunk in content.chunks(content.len().div_ceil(8).max(1)) {
            chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        Self { content, chunked }
    }
}

/// Returns an event of about 256 KiB: a user with a large amount of metadata.
fn large_event() -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&fixture("user.created")).expect("the fixture is JSON");
    let entries = (0..2048).map(|n| (format!("key_{n:04}"), json!({ "text": "x".repeat(100) })));
    event["data"]["public_metadata"] = Value::Object(entries.collect());
    event.to_string().into_bytes()
}

fn one_of<'a, T>(items: &'a [T], random: &mut Random) -> &'a T {
    &items[random.index(items.len())]
}
