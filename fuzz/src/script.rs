//! How a body arrives, and what should become of it.

use std::collections::VecDeque;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use clerk_webhook_core::{
    Event, MessageId, ReceiveError, ReceiveErrorKind, SigningSecret, Timestamp, Verifier, VerifierBuilder,
};

use crate::input::{Flip, Input, Output};

/// The most frames without data that a body may have.
const MAX_EMPTY_FRAMES: usize = 1024;

/// The most bytes that a body is made longer to.
const MAX_BODY: usize = 136 * 1024;

/// Most bodies are not repeated, since long ones take long.
pub const MANY: u8 = 224;

/// A delivery that was signed, and how it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptedDelivery {
    /// Switches, one bit each, which the targets read.
    pub switches: u8,
    /// What changes after signing.
    pub flip: Flip,
    /// The limit on the body, as a distance from its length; the least value stands for no limit.
    pub limit: i16,
    /// The length that is claimed beside `Content-Length`, as a distance from the limit.
    pub hint: i16,
    /// How many more times the body is repeated, as a cube root beyond [`MANY`].
    pub repeat: u8,
    /// How long the receiver waits for the body, and how long the client for the answer; for `layer` only.
    pub patience: u8,
    /// The value of `Content-Length`.
    pub claim: Vec<u8>,
    /// How the body arrives, one byte for each step, see [`Step::byte`].
    pub steps: Vec<u8>,
    /// The body, or a part of it.
    pub body: Vec<u8>,
}

impl ScriptedDelivery {
    /// The body is made the data of an event, so that it is read as one.
    pub const IS_DATA: u8 = 1;
    /// The limit is set later than that of the verifier.
    pub const LATE_LIMIT: u8 = 2;
    /// There is a `Content-Length`.
    pub const HAS_CLAIM: u8 = 4;
    /// There are no signature headers.
    pub const UNSIGNED: u8 = 8;
    /// There is a `Content-Length` of 0 behind the other.
    pub const HAS_SECOND_CLAIM: u8 = 16;
    /// The service behind fails.
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

    /// Writes the input that reads as this delivery.
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

    /// Returns the body as the sender signs it.
    #[must_use]
    pub fn signed_body(&self) -> Vec<u8> {
        let root = usize::from(self.repeat.saturating_sub(MANY));
        let times = (1 + root.pow(3)).min(1 + MAX_BODY / self.body.len().max(1));
        let mut body = Vec::new();
        for time in 0..times {
            // With other bytes each time, so that the order of the parts of a long body matters.
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

    /// Returns the body as it arrives, and whether it is another one.
    #[must_use]
    pub fn sent_body(&self, signed: &[u8]) -> (Bytes, bool) {
        let mut body = signed.to_vec();
        let is_changed = self.flip.apply(&mut body);
        (Bytes::from(body), is_changed)
    }

    /// Returns the most bytes that the body may have.
    #[must_use]
    pub fn body_limit(&self, length: usize) -> usize {
        if self.limit == i16::MIN { usize::MAX } else { length.saturating_add_signed(self.limit.into()) }
    }

    /// Returns what arrives, with everything that the steps leave of the body as the last frame.
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

/// One thing that happens while a body arrives.
#[derive(Clone, Debug)]
pub enum Step {
    /// A frame, which may be empty.
    Data(Frame),
    /// Trailers.
    Trailers,
    /// Nothing yet.
    Wait,
    /// The body breaks off.
    Fail,
    /// A layer outside says that the body is too large.
    TooLargeOutside,
    /// The body ends before everything of it has arrived.
    End,
}

impl Step {
    /// Stands for data of 32 bytes, the next number for 64, and so on up to 256 KiB; below it stand lengths.
    pub const POWERS: u8 = 41;
    /// Stands for 64 frames without data, the next ones for 1000, 1023, 1024, and 1025.
    pub const EMPTY_FRAMES: u8 = 55;
    /// Stands for trailers.
    pub const TRAILERS: u8 = 60;
    /// Stands for nothing yet.
    pub const WAIT: u8 = 61;
    /// Stands for breaking off.
    pub const FAIL: u8 = 62;
    /// Stands for an early end.
    pub const END: u8 = 63;

    /// Returns the byte of a step: the upper six bits say what happens, the lower two how.
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

/// Data of one frame, in up to three pieces.
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

    /// Returns the pieces one behind the other.
    #[must_use]
    pub fn into_buf(self) -> FrameBuf {
        let [first, second, third] = self.0;
        first.chain(second.chain(third))
    }

    /// Returns the data where it is in one piece.
    #[must_use]
    pub fn in_one_piece(&self) -> Option<&Bytes> {
        let mut pieces = self.0.iter().filter(|piece| !piece.is_empty());
        pieces.next().filter(|_| pieces.next().is_none())
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }
}

/// The data of a frame as it is pushed.
pub type FrameBuf = Chain<Bytes, Chain<Bytes, Bytes>>;

/// What should have become of a body after its last step or at the one that ended it early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// This much of it, and where it lies if it came in one piece.
    Whole(Vec<u8>, Option<*const u8>),
    /// It was refused as it came.
    Refused(ReceiveErrorKind),
}

/// Follows the steps in the plainest way, and returns how many of them were taken, too.
///
/// Trailers count as frames without data, and the reader gives up when it had to wait as often as `patience` says,
/// where that is not zero.
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

/// Reads the value of a `Content-Length` as the product says that it does: a number or nothing.
#[must_use]
pub fn claimed_length(value: &[u8]) -> u64 {
    let digits = value.strip_prefix(b"+").unwrap_or(value);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
    });
    number.filter(|_| is_number).unwrap_or(0)
}

/// Returns the key that signs every delivery.
#[must_use]
pub fn secret() -> SigningSecret {
    SigningSecret::from_bytes(b"sixteen bytes or more").expect("the key is long enough")
}

/// Returns the id of every delivery.
#[must_use]
pub fn message_id() -> MessageId {
    "msg_1".parse().expect("the constant is an id")
}

/// Returns the time at which every delivery is signed and received.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_secs(1_700_000_000)
}

/// Begins a receiver of what [`secret`] signs, with another secret before it.
pub fn receiver() -> VerifierBuilder {
    let other = SigningSecret::from_bytes(&[7; 80]).expect("the key is long enough");
    Verifier::builder().secret(other).secret(secret()).clock(now)
}

/// Compares two results of receiving the same bytes.
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
        _ => panic!("{left:?} is not {right:?}"),
    }
}

/// Returns a word for what became of a delivery.
#[must_use]
pub fn outcome(result: &Result<Event, ReceiveError>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(error) => clerk_webhook_core::Answer::from(error).outcome().as_str(),
    }
}
