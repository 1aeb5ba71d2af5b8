//! Creates a delivery and sends it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use clerk_webhook_test::{Delivery, fixture::AnyFixture};
use serde_json::Value;
use tokio::task::JoinSet;

use super::args::Args;
use super::assignment::{Assignment, TextAssignment};
use super::report::{CopyReport, TriggeredDelivery, dry_run, hint, unanswered};
use crate::args::suggest;
use crate::failure::Failure;
use crate::output::{Output, printable};
use crate::send::answer_report::{AnswerReport, labelled};
use crate::send::client::{Answer, Client, SendError, block_on};
use crate::send::endpoint::Endpoint;
use crate::send::svix;

/// The maximum size of a body from a file. Clerk's bodies are thousands of times smaller.
const MAX_BODY: u64 = 64 << 20;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let endpoint = args.endpoint.endpoint(output)?;
    let secrets = args.secrets.secrets()?;
    let mut delivery =
        delivery(&args, output)?.at(args.at.0).secrets(secrets).header_family(args.headers.into());
    if let Some(id) = &args.id {
        delivery = delivery.message_id(id.clone());
    }
    let (headers, body) = (delivery.headers(), delivery.body());
    let sent = TriggeredDelivery {
        r#type: event_type(&body),
        id: headers
            .iter()
            .find(|(name, _)| name.ends_with("-id"))
            .map(|(_, id)| id.clone())
            .unwrap_or_default(),
        timestamp: args.at.0.as_secs(),
        bytes: body.len(),
        url: endpoint.to_string(),
    };
    if args.dry_run {
        return dry_run(output, &sent, &delivery);
    }
    block_on(send(&args, output, &endpoint, &sent, &headers, &body))
}

/// Creates the delivery from the file or the example, and applies all assignments.
fn delivery(args: &Args, output: &Output) -> Result<Delivery, Failure> {
    let mut sets: Vec<_> =
        args.sets.iter().chain(args.text_sets.iter().map(|TextAssignment(set)| set)).cloned().collect();
    let body = match (&args.file, &args.event_type) {
        (Some(file), event_type) => {
            if let Some(event_type) = event_type {
                sets.insert(0, envelope("type", Value::from(event_type.as_str())));
            }
            read(file)?
        }
        (None, event_type) => {
            sets.insert(0, envelope("timestamp", Value::from(args.at.0.as_millis())));
            fixture(event_type.as_deref().unwrap_or_default())?.body()
        }
    };
    let before: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut delivery = Delivery::of_body(body);
    for set in sets {
        // A misspelled path adds a new member, so a note tells the user that the example lacks this path.
        if args.file.is_none() && before.pointer(&set.pointer).is_none() && !set.pointer.contains("metadata/")
        {
            output.note(format_args!(
                "the example has no {}, so it is added",
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
    args: &Args,
    output: &Output,
    endpoint: &Endpoint,
    sent: &TriggeredDelivery,
    headers: &[(&'static str, String)],
    body: &Bytes,
) -> Result<(), Failure> {
    let client = Client::new(endpoint.uri(), svix::TIMEOUT)?.with_user_agent(args.agent.user_agent.clone());
    let (count, size) = (args.copies, sent.bytes);
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
        let report = AnswerReport::of(&answer).with_hint(hint(args.at.0, &answer));
        all_delivered &= report.delivered;
        if !output.is_json() {
            if count == 1 {
                report.show(output)?;
            } else {
                report.show_short(output, &format!("copy {copy}"))?;
            }
        }
        output.object(&CopyReport { delivery: sent, copy, report })
    };
    if args.concurrent {
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

fn envelope(name: &str, value: Value) -> Assignment {
    Assignment { path: name.to_owned(), pointer: format!("/{name}"), value }
}

fn read(file: &Path) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    // Reads one byte more than allowed, to detect larger bodies.
    let result = if file == Path::new("-") {
        io::stdin().take(MAX_BODY + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(MAX_BODY + 1).read_to_end(&mut bytes))
    };
    result.map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", file.display())))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(Failure::usage(format_args!(
            "{} is larger than {} MiB, the maximum size of a body",
            file.display(),
            MAX_BODY >> 20
        )));
    }
    Ok(bytes.into())
}

fn fixture(name: &str) -> Result<AnyFixture, Failure> {
    AnyFixture::named(name).ok_or_else(|| {
        Failure::usage(format_args!(
            "unknown event {}{}\nRun `clerk-webhook events` to list all events. To send another type, use --file, or set \
             the type of an example with --set type=…",
            printable(name.as_bytes(), 60),
            suggest::event(name)
        ))
    })
}

/// Returns the event type in a body.
fn event_type(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        r#type: String,
    }
    serde_json::from_slice(body).ok().map(|envelope: Envelope| envelope.r#type)
}
