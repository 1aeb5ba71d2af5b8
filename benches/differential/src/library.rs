//! The libraries, each as a function from a delivery to a verdict.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

use clerk_webhook_core::{HeaderFields, SigningSecret, Verified, Verifier, VerifyError, VerifyErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_of_vulnerable_svix as http_02;
use standardwebhooks::WebhookError as StandardError;
use svix::webhooks::WebhookError as SvixError;
use vulnerable_svix::webhooks::WebhookError as VulnerableError;

use crate::case::{Case, Family};
use crate::verdict::{LibraryVerdict, Part, Reason};

/// Something that verifies deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Library {
    /// This project.
    ClerkWebhook,
    /// The crate of the sender.
    Svix,
    /// The same, with the clock of the case: it is asked to ignore the time, which is judged here.
    SvixWithClock,
    /// The crate of the specification.
    StandardWebhooks,
    /// The crate of the sender as it was when anybody could forge a signature.
    VulnerableSvix,
}

impl Library {
    /// All that this project is compared with.
    pub const PEERS: &'static [Self] =
        &[Self::Svix, Self::SvixWithClock, Self::StandardWebhooks, Self::VulnerableSvix];

    /// Returns whether it can be told the time of a delivery's receiver.
    #[must_use]
    pub fn can_judge(self, case: &Case) -> bool {
        case.clock.is_of_system || !self.has_own_clock()
    }

    /// Returns whether it reads the system's clock and no other.
    #[must_use]
    pub fn has_own_clock(self) -> bool {
        !matches!(self, Self::ClerkWebhook | Self::SvixWithClock)
    }

    /// Asks for the verdict.
    #[must_use]
    pub fn verdict(self, case: &Case) -> LibraryVerdict {
        let verify = || match self {
            Self::ClerkWebhook => match clerk_webhook(case) {
                Ok(_) => LibraryVerdict::Accepted,
                Err(reason) => LibraryVerdict::Refused(reason),
            },
            Self::Svix => svix(case),
            Self::SvixWithClock => svix_with_clock(case),
            Self::StandardWebhooks => standard_webhooks(case),
            Self::VulnerableSvix => vulnerable_svix(case),
        };
        if self == Self::ClerkWebhook {
            // A panic here is for the test to report.
            return verify();
        }
        panic::catch_unwind(AssertUnwindSafe(verify)).unwrap_or(LibraryVerdict::Panicked)
    }

    /// Returns the place of a verdict in the order in which the library checks things.
    ///
    /// Of a delivery with several flaws it reports the one with the lowest place.
    #[must_use]
    pub fn place(self, verdict: LibraryVerdict) -> u8 {
        let reason = match verdict {
            LibraryVerdict::Accepted => return 10,
            LibraryVerdict::Panicked => return 5,
            LibraryVerdict::Refused(reason) => reason,
        };
        let is_ours = self == Self::ClerkWebhook;
        match reason {
            Reason::Secret => 0,
            Reason::Malformed(Part::Id) if is_ours => 6,
            Reason::Malformed(Part::Signature) if is_ours => 7,
            Reason::Missing(part) | Reason::Repeated(part) | Reason::Malformed(part) => match part {
                Part::Id => 1,
                Part::Timestamp => {
                    if is_ours {
                        2
                    } else {
                        3
                    }
                }
                Part::Signature => {
                    if is_ours {
                        3
                    } else {
                        2
                    }
                }
            },
            Reason::NotSeconds => 4,
            Reason::TooOld | Reason::TooNew => 5,
            Reason::Payload => 8,
            Reason::Signature => 9,
        }
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ClerkWebhook => "clerk-webhook",
            Self::Svix => "svix 2.9",
            Self::SvixWithClock => "svix 2.9, any clock",
            Self::StandardWebhooks => "standardwebhooks 1.0.1",
            Self::VulnerableSvix => "svix 1.16.0",
        })
    }
}

/// What was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The id.
    pub id: Vec<u8>,
    /// The seconds of the timestamp.
    pub seconds: i64,
    /// The body.
    pub body: Vec<u8>,
}

/// Verifies with this project.
///
/// # Errors
///
/// Says why the delivery was refused.
pub fn clerk_webhook(case: &Case) -> Result<Message, Reason> {
    let secret = SigningSecret::parse(&case.secret).map_err(|_| Reason::Secret)?;
    let verified = verifier(case, [secret]).verify(&header_map(case), &case.body);
    let verified = verified.map_err(|error| reason(&error))?;
    let id = verified.message_id().as_str().as_bytes().to_vec();
    Ok(Message { id, seconds: verified.attempted_at().as_secs(), body: case.body.clone() })
}

/// Makes sure that every way to verify with this project says the same.
///
/// # Panics
///
/// Panics where one does not.
pub fn assert_ways_agree(case: &Case) {
    let Ok(secret) = SigningSecret::parse(&case.secret) else { return };
    let other = SigningSecret::from_bytes(b"the key of another endpoint").expect("it is long enough");
    let rotating = verifier(case, [other, secret.clone()]);
    let verifier = verifier(case, [secret]);
    let map = header_map(case);

    let expected = verifier.verify(&map, &case.body);
    assert_eq!(verifier.verify(&case.headers, &case.body), expected, "by a list of headers\n{case}");
    assert_eq!(in_frames(&verifier, &map, &case.body), expected, "in frames\n{case}");
    let place = |verified: &Verified| (verified.message_id().clone(), verified.attempted_at());
    let after_another = rotating.verify(&map, &case.body);
    assert!(after_another.as_ref().is_ok_and(|verified| verified.secret_index() == 1) == expected.is_ok());
    assert_eq!(after_another.as_ref().map(place), expected.as_ref().map(place), "with two secrets\n{case}");
}

fn in_frames(verifier: &Verifier, headers: &impl HeaderFields, body: &[u8]) -> Result<Verified, VerifyError> {
    let mut verification = verifier.begin_verify(headers)?;
    body.chunks(7).for_each(|frame| verification.update(frame));
    verification.finish()
}

fn verifier(case: &Case, secrets: impl IntoIterator<Item = SigningSecret>) -> Verifier {
    let now = case.clock.now;
    Verifier::builder().secrets(secrets).clock(move || now).build().expect("there is a secret")
}

fn reason(error: &VerifyError) -> Reason {
    let part = || {
        let name = error.header().expect("it is about a header").as_str();
        let is_it =
            |part: &Part| [Family::Svix, Family::Webhook].iter().any(|family| family.name(*part) == name);
        Part::ALL.into_iter().find(is_it).expect("it is one of the three")
    };
    match error.kind() {
        VerifyErrorKind::MissingHeader => Reason::Missing(part()),
        VerifyErrorKind::DuplicateHeader => Reason::Repeated(part()),
        VerifyErrorKind::InvalidHeader => Reason::Malformed(part()),
        VerifyErrorKind::InvalidTimestamp => Reason::NotSeconds,
        VerifyErrorKind::TimestampTooOld => Reason::TooOld,
        VerifyErrorKind::TimestampTooNew => Reason::TooNew,
        VerifyErrorKind::NoMatchingSignature => Reason::Signature,
        kind => panic!("{kind:?} is new"),
    }
}

/// Translates a result of the crates, whose errors are of one kind and of three types.
macro_rules! verdict_of {
    ($result:expr, $errors:ident) => {
        match $result {
            Ok(()) => LibraryVerdict::Accepted,
            Err($errors::MissingHeader(part)) => LibraryVerdict::Refused(Reason::Missing(part_of(part))),
            Err($errors::InvalidHeader(part)) => LibraryVerdict::Refused(Reason::Malformed(part_of(part))),
            Err($errors::InvalidTimestamp) => LibraryVerdict::Refused(Reason::NotSeconds),
            Err($errors::TimestampTooOldError) => LibraryVerdict::Refused(Reason::TooOld),
            Err($errors::FutureTimestampError) => LibraryVerdict::Refused(Reason::TooNew),
            Err($errors::InvalidPayload) => LibraryVerdict::Refused(Reason::Payload),
            Err($errors::InvalidSignature) => LibraryVerdict::Refused(Reason::Signature),
            Err(_) => LibraryVerdict::Refused(Reason::Secret),
        }
    };
}

fn part_of(word: &str) -> Part {
    match word {
        "id" => Part::Id,
        "timestamp" => Part::Timestamp,
        "signature" => Part::Signature,
        other => panic!("{other} is new"),
    }
}

fn svix(case: &Case) -> LibraryVerdict {
    let verify = |webhook: svix::webhooks::Webhook| webhook.verify(&case.body, &header_map(case));
    verdict_of!(svix::webhooks::Webhook::new(&case.secret).and_then(verify), SvixError)
}

fn svix_with_clock(case: &Case) -> LibraryVerdict {
    let verify =
        |webhook: svix::webhooks::Webhook| webhook.verify_ignoring_timestamp(&case.body, &header_map(case));
    let timeless = verdict_of!(svix::webhooks::Webhook::new(&case.secret).and_then(verify), SvixError);
    let Some(seconds) = case.seconds() else { return timeless };
    let age = i128::from(case.now()) - i128::from(seconds);
    let verdict = match age {
        _ if seconds < 0 => Reason::NotSeconds,
        301.. => Reason::TooOld,
        ..=-301 => Reason::TooNew,
        _ => return timeless,
    };
    [timeless, LibraryVerdict::Refused(verdict)]
        .into_iter()
        .min_by_key(|verdict| Library::SvixWithClock.place(*verdict))
        .unwrap_or(timeless)
}

fn standard_webhooks(case: &Case) -> LibraryVerdict {
    let verify = |webhook: standardwebhooks::Webhook| webhook.verify(&case.body, &header_map(case));
    verdict_of!(standardwebhooks::Webhook::new(&case.secret).and_then(verify), StandardError)
}

fn vulnerable_svix(case: &Case) -> LibraryVerdict {
    let field = |(name, value): &(String, Vec<u8>)| {
        let name = name.parse::<http_02::HeaderName>().expect("the names of a case are legal");
        (name, http_02::HeaderValue::from_bytes(value).expect("the values of a case are legal"))
    };
    let mut headers = http_02::HeaderMap::new();
    for (name, value) in case.headers[..].iter().map(field) {
        headers.append(name, value);
    }
    let verify = |webhook: vulnerable_svix::webhooks::Webhook| webhook.verify(&case.body, &headers);
    verdict_of!(vulnerable_svix::webhooks::Webhook::new(&case.secret).and_then(verify), VulnerableError)
}

fn header_map(case: &Case) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &case.headers {
        let name = name.parse::<HeaderName>().expect("the names of a case are legal");
        headers.append(name, HeaderValue::from_bytes(value).expect("the values of a case are legal"));
    }
    headers
}
