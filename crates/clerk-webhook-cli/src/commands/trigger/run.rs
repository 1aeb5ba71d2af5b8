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
use super::user;
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
    let several = args.event_types.len() > 1;
    if several && args.file.is_some() {
        return Err(Failure::usage("--file contains one event: pass at most one type"));
    }
    if several && args.id.is_some() {
        return Err(Failure::usage("--id is the id of one message: pass only one type"));
    }
    let endpoint = args.endpoint.endpoint(output)?;
    let secrets = args.secrets.secrets()?;
    let names = args.event_types.iter().map(|name| Some(name.as_str()));
    let names: Vec<_> = if args.event_types.is_empty() { vec![None] } else { names.collect() };
    let mut messages = Vec::new();
    for (name, after) in names.into_iter().zip(0..) {
        let mut delivery = delivery(&args, name, after, output)?
            .at(args.at.0)
            .secrets(secrets.iter().cloned())
            .header_family(args.headers.into());
        if let Some(id) = &args.id {
            delivery = delivery.message_id(id.clone());
        }
        messages.push(message(delivery, &args, &endpoint));
    }
    if args.dry_run {
        return messages.iter().try_for_each(|(sent, delivery)| dry_run(output, sent, delivery));
    }
    block_on(async {
        let client =
            Client::new(endpoint.uri(), svix::TIMEOUT)?.with_user_agent(args.agent.user_agent.clone());
        let mut all_delivered = true;
        for (sent, delivery) in &messages {
            all_delivered &= send(&args, output, &client, &endpoint, sent, delivery).await?;
        }
        if all_delivered { Ok(()) } else { Err(Failure::Negative) }
    })
}

/// Describes a delivery.
fn message(delivery: Delivery, args: &Args, endpoint: &Endpoint) -> (TriggeredDelivery, Delivery) {
    let body = delivery.body();
    let id = delivery.headers().into_iter().find(|(name, _)| name.ends_with("-id")).map(|(_, id)| id);
    let sent = TriggeredDelivery {
        r#type: event_type(&body),
        id: id.unwrap_or_default(),
        timestamp: args.at.0.as_secs(),
        bytes: body.len(),
        url: endpoint.to_string(),
    };
    (sent, delivery)
}

/// Creates the delivery from the file or the example, and applies all assignments.
///
/// `after` is the number of earlier events of this call, whose times are earlier.
fn delivery(args: &Args, name: Option<&str>, after: i64, output: &Output) -> Result<Delivery, Failure> {
    let mut sets: Vec<_> =
        args.sets.iter().chain(args.text_sets.iter().map(|TextAssignment(set)| set)).cloned().collect();
    let (before, mut delivery) = match &args.file {
        Some(file) => {
            if let Some(event_type) = name {
                sets.insert(0, assignment("type", Value::from(event_type)));
            }
            (None, Delivery::of_body(read(file)?))
        }
        None => {
            let event = example(args, name.unwrap_or_default(), after, output)?;
            (Some(event.clone()), Delivery::of_json(event))
        }
    };
    for set in sets {
        // A misspelled path adds a new member, so a note tells the user that the example lacks this path.
        let is_new = before.as_ref().is_some_and(|event| event.pointer(&set.pointer).is_none());
        if is_new && !set.pointer.contains("metadata/") {
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

/// Returns an example with the time of the signature and with the user of `--user`.
fn example(args: &Args, name: &str, after: i64, output: &Output) -> Result<Value, Failure> {
    let fixture = fixture(name)?;
    let mut event = fixture.json();
    let at = Value::from(args.at.0.as_millis().saturating_add(after));
    // The deletion of a membership does not change its `updated_at`.
    if let Some(updated_at) = event.pointer_mut("/data/updated_at")
        && updated_at.is_i64()
        && !fixture.event_type().as_str().ends_with(".deleted")
    {
        *updated_at = at.clone();
    }
    if let Value::Object(envelope) = &mut event {
        envelope.insert("timestamp".to_owned(), at);
    }
    if let Some(user) = &args.user
        && !user::set(&mut event, user)
    {
        output.note(format_args!("{name} has no user, so --user does not change it"));
    }
    Ok(event)
}

/// Sends the copies of a delivery, and returns whether all responses are 2xx.
async fn send(
    args: &Args,
    output: &Output,
    client: &Client,
    endpoint: &Endpoint,
    sent: &TriggeredDelivery,
    delivery: &Delivery,
) -> Result<bool, Failure> {
    let (headers, body) = (delivery.headers(), delivery.body());
    let (count, size) = (args.copies, sent.bytes);
    let name = printable(sent.r#type.as_deref().unwrap_or("a body without a type").as_bytes(), 100);
    let times = if count > 1 { format!(", {count} times") } else { String::new() };
    output.line(labelled("event", format_args!("{name}, {}, {size} bytes{times}", sent.id)))?;

    let post = || {
        let (client, uri, headers, body) =
            (client.clone(), endpoint.uri().clone(), headers.clone(), body.clone());
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
    Ok(all_delivered)
}

fn assignment(name: &str, value: Value) -> Assignment {
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
