//! Scripts of how a body arrives, and a model of the expected result.

use std::collections::VecDeque;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use clerk_webhook_core::{
    Event, MessageId, ReceiveError, ReceiveErrorKind, SigningSecret, Timestamp, Verifier, VerifierBuilder,
};

use crate::input::{Flip, Input, Output};

/// The maximum number of frames without data in a body.
const MAX_EMPTY_FRAMES: usize = 1024;

/// The maximum length up to which a body is repeated, in bytes.
const MAX_BODY: usize = 136 * 1024;

/// Bodies are repeated only if [`ScriptedDelivery::repeat`] exceeds this number, because long bodies are
/// slow.
pub const MANY: u8 = 224;

/// A signed delivery and the way in which it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptedDelivery {
    /// Switches, one bit each.
    pub switches: u8,
    /// The change after signing.
    pub flip: Flip,
    /// The body limit minus the length of the body. The minimum value means no limit.
    pub limit: i16,
    /// The announced length minus the body limit, in addition to `Content-Length`.
    pub hint: i16,
    /// The cube root of the number of repetitions, plus [`MANY`].
    pub repeat: u8,
    /// When the body times out, and when the client disconnects. Only `layer` uses it.
    pub patience: u8,
    /// The value of `Content-Length`.
    pub claim: Vec<u8>,
    /// The steps in which the body arrives, one byte each; see [`Step::byte`].
    pub steps: Vec<u8>,
    /// The body, or the part of it that is repeated.
    pub body: Vec<u8>,
}

impl ScriptedDelivery {
    /// The body becomes an event's data, so that it can be parsed.
    pub const IS_DATA: u8 = 1;
    /// The limit is set on the delivery, and the verifier has a different one.
    pub const LATE_LIMIT: u8 = 2;
    /// The request has a `Content-Length`.
    pub const HAS_CLAIM: u8 = 4;
    /// The request has no signature headers.
    pub const UNSIGNED: u8 = 8;
    /// The request has a second `Content-Length` of 0.
    pub const HAS_SECOND_CLAIM: u8 = 16;
    /// The inner service fails.
    pub const INNER_FAILS: u8 = 32;

    /// Reads an input.
    #[must_use]
    pub fn read(input: &[u8]) -> Self {
        let mut input = Input::new(input);
        Self {
            switches: input.byte(),
            flip: Flip::read(&mut input),
            limit: input.short(),
            hint: input.short(),
            repeat: input.byte(),
            patience: input.byte(),
            claim: input.field(),
            steps: input.field(),
            body: input.rest().to_vec(),
        }
    }

    /// Writes the input that `read` reads as this delivery.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut output = Output::default();
        output.byte(self.switches);
        self.flip.write(&mut output);
        output.short(self.limit);
        output.short(self.hint);
        output.byte(self.repeat);
        output.byte(self.patience);
        output.field(&self.claim);
        output.field(&self.steps);
        output.rest(&self.body)
    }

    /// Returns whether a switch is on.
    #[must_use]
    pub fn has(&self, switch: u8) -> bool {
        self.switches & switch != 0
    }

    /// Returns the body that the sender signs.
    #[must_use]
    pub fn signed_body(&self) -> Vec<u8> {
        let root = usize::from(self.repeat.saturating_sub(MANY));
        let times = (1 + root.pow(3)).min(1 + MAX_BODY / self.body.len().max(1));
        let mut body = Vec::new();
        for time in 0..times {
            // Each repetition has different bytes, so that a wrong order of the parts is detected.
            let difference = (time ^ time >> 8) as u8;
            body.extend(self.body.iter().map(|byte| byte.wrapping_add(difference)));
        }
        if !self.has(Self::IS_DATA) {
            return body;
        }
        let mut event = br#"{"data":""#.to_vec();
        event.extend(body.iter().map(|byte| b'a' + byte % 26));
        event.extend(br#"","type":"test"}"#);
        event
    }

    /// Returns the body that arrives, and whether it was changed.
    #[must_use]
    pub fn sent_body(&self, signed: &[u8]) -> (Bytes, bool) {
        let mut body = signed.to_vec();
        let is_changed = self.flip.apply(&mut body);
        (Bytes::from(body), is_changed)
    }

    /// Returns the body limit in bytes.
    #[must_use]
    pub fn body_limit(&self, length: usize) -> usize {
        if self.limit == i16::MIN { usize::MAX } else { length.saturating_add_signed(self.limit.into()) }
    }

    /// Returns the steps. A final frame contains the part of the body that the steps do not cover.
    #[must_use]
    pub fn arrivals(&self, body: &Bytes) -> VecDeque<Step> {
        let mut rest = body.clone();
        let mut steps: VecDeque<_> =
            self.steps.iter().flat_map(|byte| Step::read(*byte, &mut rest)).collect();
        if !rest.is_empty() {
            steps.push_back(Step::Data(Frame::new(rest, 0)));
        }
        steps
    }
}

/// An event while a body arrives.
#[derive(Clone, Debug)]
pub enum Step {
    /// A frame of data, which may be empty.
    Data(Frame),
    /// Trailers.
    Trailers,
    /// The body is not ready.
    Wait,
    /// The body fails.
    Fail,
    /// An outer layer reports that the body is too large.
    TooLargeOutside,
    /// The body ends early.
    End,
}

impl Step {
    /// Data of 32 bytes. Each following number doubles it, up to 256 KiB. Lower numbers are lengths in bytes.
    pub const POWERS: u8 = 41;
    /// 64 frames without data. The following numbers mean 1000, 1023, 1024 and 1025 frames.
    pub const EMPTY_FRAMES: u8 = 55;
    /// Trailers.
    pub const TRAILERS: u8 = 60;
    /// The body is not ready.
    pub const WAIT: u8 = 61;
    /// The body fails.
    pub const FAIL: u8 = 62;
    /// The body ends early.
    pub const END: u8 = 63;

    /// Returns the byte for a step. The upper six bits are the kind of step, and the lower two are its form.
    #[must_use]
    pub const fn byte(what: u8, how: u8) -> u8 {
        what << 2 | how
    }

    fn read(byte: u8, rest: &mut Bytes) -> Vec<Self> {
        let (what, how) = (byte >> 2, byte & 3);
        let mut cut = |length: usize| {
            let data = rest.split_to(length.min(rest.len()));
            vec![Self::Data(Frame::new(data, how))]
        };
        let is_even = how % 2 == 0;
        match what {
            ..Self::POWERS => cut(what.into()),
            Self::POWERS..Self::EMPTY_FRAMES => cut(32 << (what - Self::POWERS)),
            Self::EMPTY_FRAMES..Self::TRAILERS => {
                let count = [64, 1000, 1023, 1024, 1025][usize::from(what - Self::EMPTY_FRAMES)];
                vec![Self::Data(Frame::new(Bytes::new(), how)); count]
            }
            Self::TRAILERS => vec![Self::Trailers],
            Self::WAIT => vec![Self::Wait],
            Self::FAIL if is_even => vec![Self::Fail],
            Self::FAIL => vec![Self::TooLargeOutside],
            _ => vec![Self::End],
        }
    }
}

/// The data of one frame, in up to three pieces.
#[derive(Clone, Debug)]
pub struct Frame([Bytes; 3]);

impl Frame {
    fn new(mut data: Bytes, shape: u8) -> Self {
        let mut half = || data.split_to(data.len() / 2);
        match shape {
            0 => Self([data, Bytes::new(), Bytes::new()]),
            1 => Self([Bytes::new(), Bytes::new(), data]),
            2 => Self([half(), Bytes::new(), data]),
            _ => Self([half(), half(), data]),
        }
    }

    /// Returns a buffer that chains the pieces.
    #[must_use]
    pub fn into_buf(self) -> FrameBuf {
        let [first, second, third] = self.0;
        first.chain(second.chain(third))
    }

    /// Returns the data if it consists of one piece.
    #[must_use]
    pub fn in_one_piece(&self) -> Option<&Bytes> {
        let mut pieces = self.0.iter().filter(|piece| !piece.is_empty());
        pieces.next().filter(|_| pieces.next().is_none())
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }
}

/// The type of a frame's data.
pub type FrameBuf = Chain<Bytes, Chain<Bytes, Bytes>>;

/// The expected result of receiving a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// The complete body, and its address if it arrived in one piece.
    Whole(Vec<u8>, Option<*const u8>),
    /// The body was rejected while it arrived.
    Refused(ReceiveErrorKind),
}

/// Executes the steps with the simplest algorithm, and also returns the number of executed steps.
///
/// Trailers are treated as frames without data. The body times out at the wait whose number is `patience`,
/// unless `patience` is zero.
#[must_use]
pub fn arrive<'s>(
    steps: impl IntoIterator<Item = &'s Step>,
    limit: usize,
    patience: usize,
) -> (Arrived, usize) {
    let (mut body, mut address, mut taken) = (Vec::new(), None, 0);
    let (mut empty_frames, mut waits) = (0, 0);
    for step in steps {
        taken += 1;
        let refused = |kind| (Arrived::Refused(kind), taken);
        match step {
            Step::Data(frame) if !frame.is_empty() => {
                let piece = frame.in_one_piece().filter(|_| body.is_empty());
                address = piece.map(|piece| piece.as_ptr());
                body.extend(frame.0.concat());
                if body.len() > limit {
                    return refused(ReceiveErrorKind::BodyTooLarge);
                }
            }
            Step::Data(_) | Step::Trailers => {
                empty_frames += 1;
                if empty_frames > MAX_EMPTY_FRAMES {
                    return refused(ReceiveErrorKind::BodyFailed);
                }
            }
            Step::Wait => {
                waits += 1;
                if waits == patience {
                    return refused(ReceiveErrorKind::BodyTimeout);
                }
            }
            Step::Fail => return refused(ReceiveErrorKind::BodyFailed),
            Step::TooLargeOutside => return refused(ReceiveErrorKind::BodyTooLarge),
            Step::End => break,
        }
    }
    (Arrived::Whole(body, address), taken)
}

/// Reads the value of a `Content-Length` as the product documents it. An invalid value is treated as 0.
#[must_use]
pub fn claimed_length(value: &[u8]) -> u64 {
    let digits = value.strip_prefix(b"+").unwrap_or(value);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
    });
    number.filter(|_| is_number).unwrap_or(0)
}

/// Returns the secret that signs every delivery.
#[must_use]
pub fn secret() -> SigningSecret {
    SigningSecret::from_bytes(b"sixteen bytes or more").expect("the key has at least 16 bytes")
}

/// Returns the message id of every delivery.
#[must_use]
pub fn message_id() -> MessageId {
    "msg_1".parse().expect("the constant is a valid message id")
}

/// Returns the time at which every delivery is signed and received.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_secs(1_700_000_000)
}

/// Returns a builder for a verifier with two secrets. The second one is [`secret`].
pub fn receiver() -> VerifierBuilder {
    let other = SigningSecret::from_bytes(&[7; 80]).expect("the key has at least 16 bytes");
    Verifier::builder().secret(other).secret(secret()).clock(now)
}

/// Asserts that two ways to receive the same bytes have the same result.
pub fn assert_same(left: &Result<Event, ReceiveError>, right: &Result<Event, ReceiveError>) {
    match (left, right) {
        (Ok(left), Ok(right)) => {
            assert_eq!(left.raw_body(), right.raw_body());
            let said =
                |event: &Event| (event.message_id().clone(), event.attempted_at(), event.secret_index());
            assert_eq!(said(left), said(right));
            assert_eq!(left.event_type(), right.event_type());
        }
        (Err(left), Err(right)) => assert_eq!(left.kind(), right.kind()),
        _ => panic!("{left:?} differs from {right:?}"),
    }
}

/// Returns a delivery's outcome in one word.
#[must_use]
pub fn outcome(result: &Result<Event, ReceiveError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(error) => clerk_webhook_core::Answer::from(error).outcome().as_str(),
    }
}
