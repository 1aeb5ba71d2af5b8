//! The output of `events`.

use clerk_webhook_core::EventType;
use clerk_webhook_test::fixture::AnyFixture;
use serde_json::{Value, json};

use super::fields;
use crate::failure::Failure;
use crate::output::{Output, style};

/// The sources of the event types and the examples.
const SOURCE: &str =
    "Clerk's published schema (openapi-specs of 2026-08-12) and types (@clerk/backend 3.25.0 of 2026-10-16)";

pub(super) fn list(output: &Output, types: &[EventType]) -> Result<(), Failure> {
    for (index, family) in types.chunk_by(|one, next| family(one) == family(next)).enumerate() {
        let width = |column: fn(&EventType) -> &str| {
            family.iter().map(|known| column(known).len()).max().unwrap_or(0)
        };
        let (name, payload) = (width(EventType::as_str), width(payload));
        if index > 0 {
            output.line("")?;
        }
        for known in family {
            output.line(format_args!(
                "{}{known:name$}{:#}  {}{:payload$}{:#}  {}",
                style::STRONG,
                style::STRONG,
                style::QUIET,
                self::payload(known),
                style::QUIET,
                known.summary().unwrap_or_default()
            ))?;
            output.object(&object(known))?;
        }
    }
    output.line(format_args!(
        "\n{}{} of the {} event types that this version supports; `clerk-webhook events TYPE` shows one.\n\
         The examples contain invented data.\n\
         Source: {SOURCE}.{:#}",
        style::QUIET,
        types.len(),
        EventType::ALL.len(),
        style::QUIET
    ))
}

/// Returns the object of an event type, for `--json`.
fn object(event_type: &EventType) -> Value {
    json!({
        "type": event_type.as_str(),
        "data": payload(event_type),
        "summary": event_type.summary(),
        "variants": variants(event_type),
        "source": SOURCE,
    })
}

/// Returns the part of an event type before the dot.
fn family(event_type: &EventType) -> &str {
    event_type.as_str().split_once('.').map_or("", |(family, _)| family)
}

fn payload(event_type: &EventType) -> &str {
    event_type.payload_name().unwrap_or_default()
}

/// Returns the names of an event type's additional examples.
fn variants(event_type: &EventType) -> Vec<&'static str> {
    AnyFixture::all()
        .filter(|fixture| fixture.event_type() == *event_type && fixture.name() != event_type.as_str())
        .map(|fixture| fixture.name())
        .collect()
}

pub(super) fn example(fixture: AnyFixture) -> Result<(), Failure> {
    use std::io::Write as _;

    let mut line = fixture.body().to_vec();
    line.push(b'\n');
    Ok(std::io::stdout().lock().write_all(&line)?)
}

pub(super) fn show(output: &Output, fixture: AnyFixture) -> Result<(), Failure> {
    let event_type = fixture.event_type();
    let fields = fields::of(fixture);
    if output.is_json() {
        let mut object = object(&event_type);
        object["example"] = fixture.json();
        object["fields"] = json!(fields);
        return output.object(&object);
    }
    let (strong, quiet) = (style::STRONG, style::QUIET);
    output.line(format_args!(
        "{strong}{}{strong:#}  {}",
        fixture.name(),
        event_type.summary().unwrap_or_default()
    ))?;
    output.line(format_args!("{quiet}Rust type of data: {}{quiet:#}", payload(&event_type)))?;
    let variants = variants(&event_type);
    if !variants.is_empty() {
        output.line(format_args!("{quiet}variants: {}{quiet:#}", variants.join(", ")))?;
    }
    output.line(format_args!("\n{strong}Example{strong:#} {quiet}(invented data){quiet:#}"))?;
    output.line(pretty(&fixture.json()))?;

    let width = fields.iter().map(|field| field.path.len()).max().unwrap_or(0);
    let types = |field: &fields::Field| {
        if field.types.is_empty() { "null".to_owned() } else { field.types.join(" or ") }
    };
    let kind = fields.iter().map(|field| types(field).len()).max().unwrap_or(0);
    output.line(format_args!(
        "\n{strong}Fields{strong:#} {quiet}(in all examples of {}){quiet:#}",
        payload(&event_type)
    ))?;
    for field in &fields {
        let is = match (field.required, field.nullable) {
            (true, true) => "required, may be null",
            (true, false) => "required",
            (false, true) => "optional",
            // An element of an array is neither required nor optional: without it, the array is only shorter.
            (false, false) if field.path.ends_with("[]") => "",
            (false, false) => "may be absent",
        };
        let line = format!("{:width$}  {:kind$}  {is}", field.path, types(field));
        output.line(line.trim_end())?;
    }
    output.line(format_args!(
        "\n{quiet}Required: without this field, the data does not decode (EventData::Unrecognized).\n\
         Optional: the field may be absent or null. Events of your instance can contain more fields.\n\
         Source: {SOURCE}.{quiet:#}"
    ))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
