//! The report about a delivery and its responses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::Timestamp;
use clerk_webhook_test::Delivery;
use serde::Serialize;
use serde_json::json;

use crate::diagnosis::TOLERANCE;
use crate::failure::Failure;
use crate::output::Output;
use crate::send::answer_report::AnswerReport;
use crate::send::client::{Answer, SendError, SendErrorKind};
use crate::send::evidence::{self, Kind};
use crate::send::svix;

/// The delivery that is sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TriggeredDelivery {
    pub(super) r#type: Option<String>,
    pub(super) id: String,
    /// The time of the signature, in seconds since 1970.
    pub(super) timestamp: i64,
    pub(super) bytes: usize,
    pub(super) url: String,
}

/// The result of a copy, for `--json`.
#[derive(Serialize)]
pub(super) struct CopyReport<'a> {
    #[serde(flatten)]
    pub(super) delivery: &'a TriggeredDelivery,
    pub(super) copy: usize,
    #[serde(flatten)]
    pub(super) report: AnswerReport,
}

/// Returns a hint if the endpoint rejected the delivery because of `--at`.
pub(super) fn hint(at: Timestamp, answer: &Answer) -> Option<String> {
    let skew = Timestamp::now().as_millis().abs_diff(at.as_millis());
    let is_refused = evidence::read(answer).is_some_and(|evidence| evidence.kind == Kind::Refusal);
    (is_refused && u128::from(skew) > TOLERANCE.as_millis()).then(|| {
        "--at differs from now by more than 5 minutes, so the endpoint must reject the delivery".to_owned()
    })
}

/// Prints the `curl` command that sends a delivery.
pub(super) fn dry_run(output: &Output, sent: &TriggeredDelivery, delivery: &Delivery) -> Result<(), Failure> {
    let (curl, body) = (delivery.curl(&sent.url), delivery.body());
    output.line(&curl)?;
    let text = std::str::from_utf8(&body).ok();
    let mut object = json!(sent);
    object["dry_run"] = json!(true);
    object["headers"] = delivery.headers().into_iter().map(|(name, value)| (name, json!(value))).collect();
    object["body"] = json!(text);
    object["body_base64"] = json!(text.is_none().then(|| STANDARD.encode(&body)));
    object["curl"] = json!(curl);
    output.object(&object)
}

/// Returns the failure for a request without a response, including what Svix would do.
pub(super) fn unanswered(error: &SendError) -> Failure {
    let follow = if error.kind == SendErrorKind::Timeout {
        format!("; Svix {}", svix::explain(1, None))
    } else {
        String::new()
    };
    Failure::network(format_args!("{error}{follow}"))
}
