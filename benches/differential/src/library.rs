//! The libraries under comparison, each as a function from a delivery to a verdict.

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

/// A library that verifies deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Library {
    /// This project.
    ClerkWebhook,
    /// The svix crate, published by the sender.
    Svix,
    /// The svix crate with the case's clock. It ignores the time, and this program checks the time
    /// instead.
    SvixWithClock,
    /// The standardwebhooks crate, from the authors of the Standard Webhooks specification.
    StandardWebhooks,
    /// The last version of svix that accepts forged signatures (CVE-2024-21491).
    VulnerableSvix,
}

impl Library {
    /// All libraries that this project is compared with.
    pub const PEERS: &'static [Self] =
        &[Self::Svix, Self::SvixWithClock, Self::StandardWebhooks, Self::VulnerableSvix];

    /// Returns whether the library supports the case's clock.
    #[must_use]
    pub fn can_judge(self, case: &Case) -> bool {
        case.clock.is_of_system || !self.has_own_clock()
    }

    /// Returns whether the library reads only the system clock.
    #[must_use]
    pub fn has_own_clock(self) -> bool {
        !matches!(self, Self::ClerkWebhook | Self::SvixWithClock)
    }

    /// Returns the library's verdict.
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
            // A panic of this project fails the test.
            return verify();
        }
        panic::catch_unwind(AssertUnwindSafe(verify)).unwrap_or(LibraryVerdict::Panicked)
    }

    /// Returns the position of a verdict in the order of the library's checks.
    ///
    /// If a delivery has several flaws, the library reports the one with the lowest position.
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

/// A message that was accepted or signed.
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
/// Returns the reason for the rejection.
pub fn clerk_webhook(case: &Case) -> Result<Message, Reason> {
    let secret = SigningSecret::parse(&case.secret).map_err(|_| Reason::Secret)?;
    let verified = verifier(case, [secret]).verify(&header_map(case), &case.body);
    let verified = verified.map_err(|error| reason(&error))?;
    let id = verified.message_id().as_str().as_bytes().to_vec();
    Ok(Message { id, seconds: verified.attempted_at().as_secs(), body: case.body.clone() })
}

/// Asserts that all ways to verify with this project give the same verdict.
///
/// # Panics
///
/// Panics if one of them differs.
pub fn assert_ways_agree(case: &Case) {
    let Ok(secret) = SigningSecret::parse(&case.secret) else { return };
    let other =
        SigningSecret::from_bytes(b"the key of another endpoint").expect("the key has at least 16 bytes");
    let rotating = verifier(case, [other, secret.clone()]);
    let verifier = verifier(case, [secret]);
    let map = header_map(case);

    let expected = verifier.verify(&map, &case.body);
    assert_eq!(verifier.verify(&case.headers, &case.body), expected, "with a list of headers\n{case}");
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
    Verifier::builder().secrets(secrets).clock(move || now).build().expect("the verifier has a secret")
}

fn reason(error: &VerifyError) -> Reason {
    let part = || {
        let name = error.header().expect("the error must name a header").as_str();
        let is_it =
            |part: &Part| [Family::Svix, Family::Webhook].iter().any(|family| family.name(*part) == name);
        Part::ALL.into_iter().find(is_it).expect("the header must be one of the three signature headers")
    };
    match error.kind() {
        VerifyErrorKind::MissingHeader => Reason::Missing(part()),
        VerifyErrorKind::DuplicateHeader => Reason::Repeated(part()),
        VerifyErrorKind::InvalidHeader => Reason::Malformed(part()),
        VerifyErrorKind::InvalidTimestamp => Reason::NotSeconds,
        VerifyErrorKind::TimestampTooOld => Reason::TooOld,
        VerifyErrorKind::TimestampTooNew => Reason::TooNew,
        VerifyErrorKind::NoMatchingSignature => Reason::Signature,
        kind => panic!("unknown kind of error {kind:?}; add a reason for it"),
    }
}

/// Translates a result of a crate. The errors of the three crates have different types with the same
/// variants.
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
        other => panic!("unknown header {other:?} in an error of a crate"),
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
        let name = name.parse::<http_02::HeaderName>().expect("a case has valid header names");
        (name, http_02::HeaderValue::from_bytes(value).expect("a case has valid header values"))
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
        let name = name.parse::<HeaderName>().expect("a case has valid header names");
        headers.append(name, HeaderValue::from_bytes(value).expect("a case has valid header values"));
    }
    headers
}
