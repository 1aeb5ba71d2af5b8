//! The log lines of rejected deliveries.
//!
//! One test checks all lines, because their limit applies to the process. `tests/logs.rs` tests the limit.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use clerk_webhook_core::{Observation, ReceiveError, Verifier};
use clerk_webhook_tests::{SECRET, sign};
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_contains_the_outcome_and_every_cause() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone());
    let _guard = subscriber.set_default();

    let verifier = Verifier::new(SECRET).unwrap();
    let forged = verifier.receive(&sign(b"another body").to_pairs(), "private".into()).unwrap_err();
    Observation::refused(&forged);
    Observation::refused(&ReceiveError::misconfigured("set the verifier"));

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        text.lines().map(str::trim_start).collect::<Vec<_>>(),
        [
            "WARN clerk_webhook: rejected a delivery outcome=\"invalid_signature\" reason=\"the delivery could not be \
             verified: no signature in svix-signature matches: check that the signing secret belongs to this endpoint and \
             that the body reaches the verifier unchanged\" suppressed=0",
            "ERROR clerk_webhook: cannot receive deliveries outcome=\"misconfigured\" reason=\"the application cannot \
             receive deliveries: set the verifier\" suppressed=0",
        ],
    );
}
