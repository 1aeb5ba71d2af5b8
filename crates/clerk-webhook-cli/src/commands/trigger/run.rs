//! `clerk-webhook trigger`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::ValueEnum;
use clerk_webhook_core::{HeaderFamily, MessageId, Timestamp};
use clerk_webhook_test::{AnyFixture, Delivery};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::assignment::{Assignment, TextAssignment};
use crate::args::event_pattern::EventNames;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::args::suggest;
use crate::failure::Failure;
use crate::output::{Output, printable};
use crate::send::answer_report::{self, Reading, labelled};
use crate::send::client::{Answer, Client, SendError, SendErrorKind, block_on};
use crate::send::endpoint::{Endpoint, EndpointArgs};
use crate::send::svix;

/// Beyond it an endpoint refuses a delivery as too old, or as of the future.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The largest body that is read from a file: thousands of times as large as those of Clerk.
const MAX_BODY: u64 = 64 << 20;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook trigger user.created --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook trigger user.created__saml --set data.first_name=Ada \\
      --set 'data.public_metadata={\"plan\":\"pro\"}' --to http://127.0.0.1:3000/
  clerk-webhook trigger user.deleted --to http://127.0.0.1:3000/ --dry-run | sh
  clerk-webhook trigger --file event.json --at -10m --to http://127.0.0.1:3000/

The envelope's timestamp becomes the moment of signing; all else is sent as the example has it, and the body of --file to \
the byte, unless something is set in it.

Exit codes: 0 it was answered with 2xx, 1 with anything else, 2 wrong usage, 3 no answer.";

/// Sign an event and send it, and say what Svix would do with the answer
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Event type, or a variant such as user.created__saml, as `clerk-webhook events` lists them; with --file it
    /// replaces the type in the body
    #[arg(
        value_name = "TYPE",
        required_unless_present = "file",
        value_parser = EventNames,
        hide_possible_values = true
    )]
    event_type: Option<String>,

    #[command(flatten)]
    endpoint: EndpointArgs,

    #[command(flatten)]
    secrets: SecretArgs,

    /// Set a value in the body, such as data.first_name=Ada or /data/first_name=Ada; it is JSON if it can be
    /// read as such, else text; repeatable
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<Assignment>,

    /// Set a value that is text whatever it looks like, such as data.external_id=42; repeatable, after all --set
    #[arg(long = "set-string", value_name = "PATH=TEXT")]
    text_sets: Vec<TextAssignment>,

    /// Send the body in this file instead of an example; - is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Message id [default: a new one]
    #[arg(long, value_name = "ID", value_parser = message_id)]
    id: Option<MessageId>,

    /// When it is signed: -10m or +30s from now, seconds since 1970, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "now", allow_hyphen_values = true)]
    at: Moment,

    /// Names of the signature headers: svix-* as Clerk sends them, or webhook-*
    #[arg(long, value_name = "FAMILY", default_value = "svix")]
    headers: Family,

    /// Send the same delivery so many times, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    copies: u16,

    /// Send all copies at once instead of one after the other
    #[arg(long)]
    concurrent: bool,

    /// Send nothing, and print the curl command that does, good for five minutes from --at
    #[arg(long)]
    dry_run: bool,
}

/// The two sets of names that signature headers have.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Family {
    Svix,
    Webhook,
}

/// What is sent.
#[derive(Clone, Debug, Serialize)]
struct Sent {
    r#type: Option<String>,
    id: String,
    /// When it was signed, in seconds since 1970.
    timestamp: i64,
    bytes: usize,
    url: String,
}

/// What became of a copy, for programs.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    sent: &'a Sent,
    copy: usize,
    #[serde(flatten)]
    reading: Reading,
}

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let output = &output.up_to_the_result();
        let endpoint = self.endpoint.endpoint()?;
        let secrets = self.secrets.secrets()?;
        let mut delivery =
            self.body(output)?.at(self.at.0).secrets(secrets).header_family(match self.headers {
                Family::Svix => HeaderFamily::Svix,
                Family::Webhook => HeaderFamily::Webhook,
            });
        if let Some(id) = &self.id {
            delivery = delivery.message_id(id.clone());
        }
        let (headers, body) = (delivery.headers(), delivery.body());
        let sent = Sent {
            r#type: event_type(&body),
            id: headers
                .iter()
                .find(|(name, _)| name.ends_with("-id"))
                .map(|(_, id)| id.clone())
                .unwrap_or_default(),
            timestamp: self.at.0.as_secs(),
            bytes: body.len(),
            url: endpoint.to_string(),
        };
        if self.dry_run {
            return dry_run(output, &sent, &delivery);
        }
        block_on(self.send(output, &endpoint, &sent, &headers, &body))
    }

    /// Makes the delivery of what was asked for, with everything set in it.
    fn body(&self, output: &Output) -> Result<Delivery, Failure> {
        let mut sets: Vec<_> =
            self.sets.iter().chain(self.text_sets.iter().map(|TextAssignment(set)| set)).cloned().collect();
        let body = match (&self.file, &self.event_type) {
            (Some(file), event_type) => {
                if let Some(event_type) = event_type {
                    sets.insert(0, envelope("type", Value::from(event_type.as_str())));
                }
                read(file)?
            }
            (None, event_type) => {
                sets.insert(0, envelope("timestamp", Value::from(self.at.0.as_millis())));
                fixture(event_type.as_deref().unwrap_or_default())?.body()
            }
        };
        let before: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut delivery = Delivery::of_body(body);
        for set in sets {
            // What was mistyped would become a new member, and go unnoticed.
            if self.file.is_none()
                && before.pointer(&set.pointer).is_none()
                && !set.pointer.contains("metadata/")
            {
                output.note(format_args!(
                    "{} is not in the example, so it is added",
                    printable(set.path.as_bytes(), 100)
                ));
            }
            delivery = delivery
                .try_set(&set.pointer, set.value)
                .map_err(|error| Failure::usage(format_args!("--set {}: {error}", set.path)))?;
        }
        Ok(delivery)
    }

    async fn send(
        &self,
        output: &Output,
        endpoint: &Endpoint,
        sent: &Sent,
        headers: &[(&'static str, String)],
        body: &Bytes,
    ) -> Result<(), Failure> {
        let client = Client::new(endpoint.uri(), svix::TIMEOUT)?;
        let (count, size) = (self.copies, sent.bytes);
        let name = printable(sent.r#type.as_deref().unwrap_or("a body without a type").as_bytes(), 100);
        let times = if count > 1 { format!(", {count} times") } else { String::new() };
        output.line(labelled("event", format_args!("{name}, {}, {size} bytes{times}", sent.id)))?;

        let post = || {
            let (client, uri, headers, body) =
                (client.clone(), endpoint.uri().clone(), headers.to_vec(), body.clone());
            async move { client.post(&uri, headers, body).await }
        };
        let mut all_delivered = true;
        let mut finish = |copy: usize, answer: Result<Answer, SendError>| {
            let answer = answer.map_err(|error| unanswered(&error))?;
            let reading = Reading::of(&answer).with_hint(self.hint(&answer));
            all_delivered &= reading.delivered;
            if !output.is_json() {
                if count == 1 {
                    reading.show(output)?;
                } else {
                    reading.show_short(output, &format!("copy {copy}"))?;
                }
            }
            output.object(&Report { sent, copy, reading })
        };
        if self.concurrent {
            let mut copies = JoinSet::new();
            for _ in 0..count {
                copies.spawn(post());
            }
            let mut copy = 0;
            while let Some(Ok(answer)) = copies.join_next().await {
                copy += 1;
                finish(copy, answer)?;
            }
        } else {
            for copy in 1..=count {
                finish(copy.into(), post().await)?;
            }
        }
        if all_delivered { Ok(()) } else { Err(Failure::Negative) }
    }

    /// Says that a refusal is as it has to be, where it was asked for.
    fn hint(&self, answer: &Answer) -> Option<String> {
        let skew = Timestamp::now().as_millis().abs_diff(self.at.0.as_millis());
        let refused =
            matches!(answer.status.as_u16(), 400 | 401 | 403) && answer_report::outcome(answer).is_none();
        (refused && u128::from(skew) > TOLERANCE.as_millis())
            .then(|| "--at lies more than five minutes from now, so an endpoint has to refuse it".to_owned())
    }
}

fn message_id(text: &str) -> Result<MessageId, String> {
    text.parse()
        .map_err(|_| "an id is 1 to 256 visible ASCII characters without a dot, such as msg_1".to_owned())
}

fn envelope(name: &str, value: Value) -> Assignment {
    Assignment { path: name.to_owned(), pointer: format!("/{name}"), value }
}

fn read(file: &Path) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    // One more than is allowed, so that more than that is seen.
    let result = if file == Path::new("-") {
        io::stdin().take(MAX_BODY + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BODY + 1).read_to_end(&mut bytes))
    };
    result.map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", file.display())))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(Failure::usage(format_args!(
            "{} has more than {} MiB, which is no body of a webhook",
            file.display(),
            MAX_BODY >> 20
        )));
    }
    Ok(bytes.into())
}

fn fixture(name: &str) -> Result<AnyFixture, Failure> {
    AnyFixture::named(name).ok_or_else(|| {
        Failure::usage(format_args!(
            "there is no event {}{}\n`clerk-webhook events` lists them; one of your own is sent by --file, or by \
             --set type=… on another",
            printable(name.as_bytes(), 60),
            suggest::event(name)
        ))
    })
}

/// Returns the type that a body says it has.
fn event_type(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        r#type: String,
    }
    serde_json::from_slice(body).ok().map(|envelope: Envelope| envelope.r#type)
}

fn dry_run(output: &Output, sent: &Sent, delivery: &Delivery) -> Result<(), Failure> {
    let (curl, body) = (delivery.curl(&sent.url), delivery.body());
    output.line(&curl)?;
    let headers: serde_json::Map<_, _> =
        delivery.headers().into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    let text = std::str::from_utf8(&body).ok();
    output.object(&json!({
        "dry_run": true,
        "type": sent.r#type,
        "id": sent.id,
        "timestamp": sent.timestamp,
        "bytes": sent.bytes,
        "url": sent.url,
        "headers": headers,
        "body": text,
        "body_base64": text.is_none().then(|| STANDARD.encode(&body)),
        "curl": curl,
    }))
}

fn unanswered(error: &SendError) -> Failure {
    let follow = if error.kind == SendErrorKind::Timeout {
        format!("; Svix {}", svix::explain(1, None))
    } else {
        String::new()
    };
    Failure::network(format_args!("{error}{follow}"))
}
