//! Receives deliveries with a clock that the host provides, as `wasm32-unknown-unknown` requires.
//!
//! `.ci/wasm.sh` compiles this program for that target and runs it in Node.js, where reading a clock panics.

use std::error::Error;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use clerk_webhook_core::event::marker::UserDeleted;
use clerk_webhook_core::{
    Handlers, Observation, Outcome, ReceiveErrorKind, SecretErrorKind, SigningSecret, Timestamp, Verifier,
    VerifyErrorKind,
};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str =
    r#"{"data":{"deleted":true,"id":"user_1"},"timestamp":1716883200000,"type":"user.deleted"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    // With a subscriber, the crate computes the fields of the log lines.
    tracing::subscriber::set_global_default(Enabled)?;
    if cfg!(target_family = "wasm") {
        let error = Verifier::new(SECRET).err();
        assert_eq!(error.map(|error| error.kind()), Some(SecretErrorKind::NoClock));
        Verifier::builder().secret(SigningSecret::parse(SECRET)?).dangerous_accept_any_age().build()?;
    }

    let now = Timestamp::from_secs(1_716_883_200);
    let secret = SigningSecret::parse(SECRET)?;
    let verifier = Verifier::builder().secret(secret.clone()).clock(move || now).build()?;

    let headers = secret.sign(&"msg_1".parse()?, now, BODY.as_bytes()).to_pairs();
    let event = verifier.receive(&headers, BODY.into())?;
    let handlers = Handlers::builder().on(UserDeleted, |_user, _cx| async { Ok(()) }).build()?;
    let answer = pin!(handlers.answer(event, ())).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Ready(answer) if answer.outcome() == Outcome::Processed));

    let old = secret.sign(&"msg_2".parse()?, Timestamp::from_secs(now.as_secs() - 301), BODY.as_bytes());
    for (headers, body, expected) in [
        (headers, "forged", VerifyErrorKind::NoMatchingSignature),
        (old.to_pairs(), BODY, VerifyErrorKind::TimestampTooOld),
    ] {
        let Err(error) = verifier.receive(&headers, body.into()) else { return Err("accepted".into()) };
        assert_eq!(error.kind(), ReceiveErrorKind::Verify(expected));
        Observation::refused(&error);
    }
    Ok(())
}

/// A subscriber that is interested in everything and writes nothing.
struct Enabled;

impl Subscriber for Enabled {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
