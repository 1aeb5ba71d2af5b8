//! Target `headers`: verifies deliveries with any headers, clock and settings.

use std::time::Duration;

use clerk_webhook_core::{
    AcceptedHeaders, HeaderFields, SigningSecret, Timestamp, Verified, Verifier, VerifyError, VerifyErrorKind,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::input::{Flip, Input, Output};
use crate::reference::{self, Accepted, Field, Policy, Refusal};

/// A placeholder in a value: the signature of the key whose index is the next byte.
pub const SIGNATURE: u8 = 0x01;

/// A placeholder in a value: the receiver's clock plus the seconds in the next two bytes.
pub const TIMESTAMP: u8 = 0x02;

/// A placeholder in a value: the second byte after it, repeated n² times, where n is the first byte after it.
pub const REPEAT: u8 = 0x03;

/// A delivery and its receiver's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderCase {
    /// Which families the receiver reads.
    pub families: u8,
    /// Which methods set the tolerance.
    pub tolerance: u8,
    /// The tolerance in the past and in the future, in units of two seconds.
    pub seconds: [i16; 2],
    /// The receiver's clock in milliseconds.
    pub now: i64,
    /// The change after signing, in the body or in a field's value.
    pub flip: (u8, Flip),
    /// The receiver's keys, one to four.
    pub keys: Vec<Vec<u8>>,
    /// Names and values. The values contain placeholders.
    pub fields: Vec<Field>,
    /// The body.
    pub body: Vec<u8>,
}

impl HeaderCase {
    /// Reads an input.
    #[must_use]
    pub fn read(input: &[u8]) -> Self {
        let mut input = Input::new(input);
        let (families, tolerance) = (input.byte(), input.byte());
        let seconds = [input.short(), input.short()];
        let now = input.long();
        let flip = (input.byte(), Flip::read(&mut input));
        let keys = (0..=input.byte() % 4).map(|_| input.field()).collect();
        let fields = (0..input.byte() % 16).map(|_| (input.field(), input.field())).collect();
        Self { families, tolerance, seconds, now, flip, keys, fields, body: input.rest().to_vec() }
    }

    /// Writes the input that `read` reads as this delivery.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut output = Output::default();
        output.byte(self.families);
        output.byte(self.tolerance);
        self.seconds.iter().for_each(|seconds| output.short(*seconds));
        output.long(self.now);
        output.byte(self.flip.0);
        self.flip.1.write(&mut output);
        output.byte(self.keys.len() as u8 - 1);
        self.keys.iter().for_each(|key| output.field(key));
        output.byte(self.fields.len() as u8);
        for (name, value) in &self.fields {
            output.field(name);
            output.field(value);
        }
        output.rest(&self.body)
    }
}

/// Verifies a delivery with every function of the API, and compares each result with the reference.
pub fn check(input: &[u8]) -> &'static str {
    let delivery = HeaderCase::read(input);
    let keys: Vec<Vec<u8>> = delivery.keys.iter().map(|key| at_least_16_bytes(key)).collect();
    let (verifier, policy) = set_up(&delivery, &keys);

    let mut body = delivery.body.clone();
    let mut fields = fill_in(&delivery, &keys);
    let (part, flip) = delivery.flip;
    match fields.len().checked_sub(usize::from(part)) {
        Some(place) if place > 0 => flip.apply(&mut fields[place - 1].1),
        _ => flip.apply(&mut body),
    };

    let expected = reference::verify(&policy, &keys, &fields, &body);
    compare(&verifier, &fields, &body, &expected);
    let presence = (fields.has_signature_headers(), fields.has_complete_signature_headers());
    assert_eq!(presence, reference::presence(&fields));

    // The same with a `HeaderMap`, which contains only the valid fields.
    let (map, legal) = to_map(&fields);
    compare(&verifier, &map, &body, &reference::verify(&policy, &keys, &legal, &body));
    outcome(&expected)
}

/// Compares `verify` and `begin_verify` with the reference's verdict.
fn compare<H: HeaderFields>(
    verifier: &Verifier,
    headers: &H,
    body: &[u8],
    expected: &Result<Accepted, Refusal>,
) {
    let whole = verifier.verify(headers, body);
    assert_same(&whole, expected);
    let streamed = match verifier.begin_verify(headers) {
        Ok(mut verification) => {
            let is_open = !matches!(expected, Err(refusal) if refusal.is_final);
            assert!(is_open, "the delivery was not rejected before its body: {expected:?}");
            let (first, second) = body.split_at(body.len() / 2);
            verification.update(first);
            verification.update(second);
            verification.finish()
        }
        Err(error) => {
            let is_final = matches!(expected, Err(refusal) if refusal.is_final);
            assert!(is_final, "the delivery was rejected before its body: {error:?}");
            Err(error)
        }
    };
    assert_eq!(streamed, whole);
}

fn assert_same(product: &Result<Verified, VerifyError>, expected: &Result<Accepted, Refusal>) {
    match (product, expected) {
        (Ok(verified), Ok(accepted)) => {
            assert_eq!(verified.message_id().as_str().as_bytes(), accepted.id);
            assert_eq!(verified.attempted_at(), Timestamp::from_secs(accepted.seconds));
            assert_eq!(verified.secret_index(), accepted.key);
        }
        (Err(error), Err(refusal)) => {
            assert_eq!(
                (error.kind(), error.header(), error.skew_seconds()),
                (refusal.kind, Some(refusal.header), refusal.skew),
            );
        }
        _ => panic!("the product returned {product:?}, the reference {expected:?}"),
    }
}

fn set_up(delivery: &HeaderCase, keys: &[Vec<u8>]) -> (Verifier, Policy) {
    let now = Timestamp::from_millis(delivery.now);
    let secrets =
        keys.iter().map(|key| SigningSecret::from_bytes(key).expect("the key has at least 16 bytes"));
    let mut builder = Verifier::builder().secrets(secrets).clock(move || now);

    let (families, svix, webhook) = match delivery.families % 4 {
        0 | 1 => (AcceptedHeaders::Any, true, true),
        2 => (AcceptedHeaders::Svix, true, false),
        _ => (AcceptedHeaders::Webhook, false, true),
    };
    builder = builder.accepted_headers(families);

    // Up to a day and a half.
    let [past, future] = delivery.seconds.map(|seconds| 2 * u64::from(seconds.cast_unsigned()));
    let within_a_day = |seconds: u64| i128::from(seconds.min(86_400));
    let tolerance;
    (builder, tolerance) = match delivery.tolerance % 8 {
        0 => (builder, Some((300, 300))),
        1 => (builder.dangerous_accept_any_age(), None),
        2 => {
            let past = Duration::from_millis(past * 1000 + 999);
            (builder.tolerance(past), Some((within_a_day(past.as_secs()), within_a_day(past.as_secs()))))
        }
        3 => (builder.tolerance_past(Duration::from_secs(past)), Some((within_a_day(past), 300))),
        4 => (builder.tolerance_future(Duration::from_secs(future)), Some((300, within_a_day(future)))),
        5 => (builder.tolerance(Duration::MAX), Some((86_400, 86_400))),
        _ => {
            let (past, future) = (Duration::from_secs(past), Duration::from_secs(future));
            let seconds = (within_a_day(past.as_secs()), within_a_day(future.as_secs()));
            (builder.tolerance_past(past).tolerance_future(future), Some(seconds))
        }
    };
    let policy = Policy { svix, webhook, tolerance, now: now_in_seconds(delivery) };
    (builder.build().expect("the verifier has a secret"), policy)
}

fn now_in_seconds(delivery: &HeaderCase) -> i64 {
    delivery.now.div_euclid(1000)
}

fn at_least_16_bytes(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    key.resize(key.len().max(16), 0);
    key
}

/// Replaces the placeholders. Signatures come last, because they cover other values.
fn fill_in(delivery: &HeaderCase, keys: &[Vec<u8>]) -> Vec<Field> {
    let mut fields = delivery.fields.clone();
    for (_, value) in &mut fields {
        *value = expand(value, |kind, input| match kind {
            TIMESTAMP => {
                let seconds = now_in_seconds(delivery).saturating_add(i64::from(input.short()));
                Some(seconds.to_string().into_bytes())
            }
            // Kept until all signed values are complete.
            SIGNATURE => Some(vec![SIGNATURE, input.byte()]),
            REPEAT => {
                let count = usize::from(input.byte());
                Some(vec![input.byte(); count * count])
            }
            _ => None,
        });
    }
    let signed = fields.clone();
    for (name, value) in &mut fields {
        let family = name.iter().position(|byte| *byte == b'-').map_or(&[][..], |dash| &name[..=dash]);
        let of_family = |part: &[u8]| {
            let name = [family, part].concat();
            let field = signed.iter().find(|(other, _)| other.eq_ignore_ascii_case(&name));
            field.map_or(&[][..], |(_, value)| reference::trim(value))
        };
        *value = expand(value, |kind, input| {
            let is_signature = kind == SIGNATURE;
            is_signature.then(|| {
                let foreign = b"the key of another sender".to_vec();
                let key = keys.get(usize::from(input.byte())).unwrap_or(&foreign);
                let (id, timestamp) = (of_family(b"id"), of_family(b"timestamp"));
                reference::signature(key, id, timestamp, &delivery.body).into_bytes()
            })
        });
    }
    fields
}

fn expand(value: &[u8], replacement: impl Fn(u8, &mut Input<'_>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut expanded = Vec::new();
    let mut rest = value;
    while let [first, behind @ ..] = rest {
        let mut input = Input::new(behind);
        match replacement(*first, &mut input) {
            Some(bytes) => {
                expanded.extend(bytes);
                rest = input.rest();
            }
            None => {
                expanded.push(*first);
                rest = behind;
            }
        }
    }
    expanded
}

/// Returns a map, and the fields that are valid in it.
fn to_map(fields: &[Field]) -> (HeaderMap, Vec<Field>) {
    let (mut map, mut legal) = (HeaderMap::new(), Vec::new());
    for (name, value) in fields {
        if let (Ok(key), Ok(text)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(key, text);
            legal.push((name.clone(), value.clone()));
        }
    }
    (map, legal)
}

fn outcome(expected: &Result<Accepted, Refusal>) -> &'static str {
    match expected {
        Ok(_) => "ok",
        Err(refusal) => match refusal.kind {
            VerifyErrorKind::MissingHeader => "missing_header",
            VerifyErrorKind::DuplicateHeader => "duplicate_header",
            VerifyErrorKind::InvalidHeader => "invalid_header",
            VerifyErrorKind::InvalidTimestamp => "invalid_timestamp",
            VerifyErrorKind::TimestampTooOld => "timestamp_too_old",
            VerifyErrorKind::TimestampTooNew => "timestamp_too_new",
            VerifyErrorKind::NoMatchingSignature => "no_matching_signature",
            other => panic!("no outcome for the kind {other:?}"),
        },
    }
}
