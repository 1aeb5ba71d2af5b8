//! Creates a delivery and sends it.

use clerk_webhook_test::{Delivery, fixture::AnyFixture};
use serde_json::Value;
use tokio::task::JoinSet;

use super::args::Args;
use super::assignment::Assignment;
use super::report::{CopyReport, TriggeredDelivery, dry_run, hint, unanswered};
use super::user;
use crate::args::suggest;
use crate::capture;
use crate::failure::Failure;
use crate::output::{Output, note, printable};
use crate::send::answer_report::{AnswerReport, labelled};
use crate::send::client::{Answer, Client, SendError, block_on};
use crate::send::endpoint::Endpoint;
use crate::text::event_type;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = &output.up_to_the_result();
    let several = args.event_types.len() > 1;
    if several && args.file.is_some() {
        return Err(Failure::usage("--file contains one event: pass at most one type"));
    }
    if several && args.id.is_some() {
        return Err(Failure::usage("--id is the id of one message: pass only one type"));
    }
    let endpoint = args.endpoint.endpoint()?;
    let secrets = args.secrets.secrets()?;
    let names = args.event_types.iter().map(|name| Some(name.as_str()));
    let names: Vec<_> = if args.event_types.is_empty() { vec![None] } else { names.collect() };
    let mut messages = Vec::new();
    for (name, after) in names.into_iter().zip(0..) {
        let mut delivery = delivery(&args, name, after)?
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
        let client = args.endpoint.client(&endpoint)?;
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
fn delivery(args: &Args, name: Option<&str>, after: i64) -> Result<Delivery, Failure> {
    let mut sets: Vec<_> = args.sets.iter().chain(&args.text_sets).cloned().collect();
    let (before, mut delivery) = match &args.file {
        Some(file) => {
            if let Some(event_type) = name {
                let (path, pointer) = ("type".to_owned(), "/type".to_owned());
                sets.insert(0, Assignment { path, pointer, value: Value::from(event_type) });
            }
            (None, Delivery::of_body(capture::contents(file)?.1))
        }
        None => {
            let event = example(args, name.unwrap_or_default(), after)?;
            (Some(event.clone()), Delivery::of_json(event))
        }
    };
    for set in sets {
        // A misspelled path adds a new member, so a note tells the user that the example lacks this path.
        let is_new = before.as_ref().is_some_and(|event| event.pointer(&set.pointer).is_none());
        delivery = delivery
            .try_set(&set.pointer, set.value)
            .map_err(|error| Failure::usage(format_args!("--set {}: {error}", set.path)))?;
        if is_new && !set.pointer.contains("metadata/") {
            note(format_args!("the example has no {}, so it is added", printable(set.path.as_bytes(), 100)));
        }
    }
    Ok(delivery)
}

/// Returns an example with the time of the signature and with the user of `--user`.
fn example(args: &Args, name: &str, after: i64) -> Result<Value, Failure> {
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
        note(format_args!("{name} has no user, so --user does not change it"));
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
