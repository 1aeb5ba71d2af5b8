//! What is not shown of an event: one-time codes, messages, secret links, private metadata.
//!
//! It goes by the names of fields and not by event types, so that what Clerk adds tomorrow is covered too where it is named
//! alike.

use serde_json::{Map, Value};

/// Hidden wherever they are, unless they are empty.
const HIDDEN: [&str; 15] = [
    "api_key",
    "authorization",
    "backup_codes",
    "body",
    "body_html",
    "body_plain",
    "cookie",
    "external_verification_redirect_url",
    "jwt",
    "magic_link",
    "nonce",
    "otp",
    "otp_code",
    "private_metadata",
    "url",
];

/// Hidden in e-mails and text messages: what the message says, and the variables of its template.
const OF_MESSAGES: [&str; 7] = ["content", "data", "html", "message", "preview", "subject", "text"];

/// Hidden where they are part of a name, unless the value only says whether or when.
const PARTS: [&str; 5] = ["password", "private_key", "secret", "ticket", "token"];

/// Returns an event with what is sensitive replaced; every member and element is still there.
pub(super) fn redact(event: &Value) -> Value {
    let Value::Object(members) = event else {
        // Nobody knows what it is, and JSON in a string may be a whole event.
        return hidden(event);
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let event_type = text(members.get("type"));
    let object = text(event.pointer("/data/object"));
    let is_message = ["email.", "sms."].iter().any(|prefix| event_type.starts_with(prefix))
        || ["email", "sms_message"].contains(&object.as_str());
    let member = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Object(data) if name == "data" => {
                members_of(data, |name| is_message && OF_MESSAGES.contains(&name))
            }
            Value::String(_) if name == "data" => hidden(value),
            _ => shown(name, value, ""),
        };
        (name.clone(), value)
    };
    Value::Object(members.iter().map(member).collect())
}

fn members_of(members: &Map<String, Value>, also: impl Fn(&str) -> bool) -> Value {
    let member = |(name, value): (&String, &Value)| {
        let is_hidden = also(&name.to_ascii_lowercase());
        (name.clone(), if is_hidden { hidden(value) } else { shown(name, value, "data") })
    };
    Value::Object(members.iter().map(member).collect())
}

fn shown(name: &str, value: &Value, parent: &str) -> Value {
    if is_sensitive(&name.to_ascii_lowercase(), value, parent) {
        return hidden(value);
    }
    match value {
        Value::Object(members) => {
            let member = |(inner, value): (&String, &Value)| (inner.clone(), shown(inner, value, name));
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(elements) => {
            Value::Array(elements.iter().map(|element| shown(name, element, parent)).collect())
        }
        Value::String(text) => Value::String(without_query(text)),
        other => other.clone(),
    }
}

fn is_sensitive(name: &str, value: &Value, parent: &str) -> bool {
    let says_whether_or_when = matches!(value, Value::Bool(_) | Value::Number(_));
    // An error says what went wrong, and `code` is mostly the name of a reason.
    let is_reason = parent.ends_with("error") || parent.ends_with("errors") || parent.ends_with("reason");
    HIDDEN.contains(&name)
        || (name == "message" && !is_reason)
        || (name == "code" && !is_reason && is_number(value))
        || (!says_whether_or_when && PARTS.iter().any(|part| name.contains(part)))
}

fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-')),
        _ => false,
    }
}

/// Says that there is something, and how much where it is text.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(text) if text.is_empty() => value.clone(),
        Value::String(text) => Value::String(format!("[redacted: {} characters]", text.chars().count())),
        Value::Array(elements) if elements.is_empty() => value.clone(),
        Value::Object(members) if members.is_empty() => value.clone(),
        _ => Value::String("[redacted]".to_owned()),
    }
}

/// Links carry tickets in their query.
fn without_query(text: &str) -> String {
    let is_link = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    match text.find(['?', '#']).filter(|_| is_link) {
        Some(end) => format!("{}[redacted]", &text[..=end]),
        None => text.to_owned(),
    }
}

/// Returns the value of a header as it may be shown.
pub(super) fn header(name: &str, value: &[u8]) -> String {
    const SECRET: [&str; 7] = ["auth", "cookie", "jwt", "key", "secret", "session", "token"];
    let text = String::from_utf8_lossy(value).into_owned();
    if name.ends_with("-signature") {
        return text.split(' ').map(shorten).collect::<Vec<_>>().join(" ");
    }
    if SECRET.iter().any(|part| name.contains(part)) {
        return format!("[redacted: {} characters]", text.chars().count());
    }
    super::text::clean(&text, 300)
}

/// Enough of a signature to tell it from another one.
fn shorten(signature: &str) -> String {
    super::text::clean(signature, 11)
}

#[cfg(test)]
mod tests {
    use clerk_webhook_test::AnyFixture;
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_messages_and_links_of_the_fixtures_do_not_show() {
        for (name, secrets) in [
            ("email.created", ["602214", "DOCTYPE", "Turin"].as_slice()),
            ("sms.created", &["314159", "Keep it to yourself"]),
            ("user.updated", &["7h3kq9wz", "ledger", "1906", "\"nonce\":\"nonce\""]),
            ("organizationInvitation.created", &["b3duLXRpY2tldA", "cost_center"]),
            ("waitlistEntry.updated", &["d2FpdGVk"]),
        ] {
            let fixture = AnyFixture::named(name).unwrap();
            let body = fixture.json().to_string();
            let shown = redact(&fixture.json()).to_string();
            for secret in secrets {
                assert!(body.contains(secret) && !shown.contains(secret), "{name} {secret}: {shown}");
            }
        }
    }

    #[test]
    fn what_is_not_sensitive_stays() {
        let event = AnyFixture::named("user.updated").unwrap().json();
        let shown = redact(&event);
        for place in [
            "/data/first_name",
            "/data/password_enabled",
            "/data/password_last_updated_at",
            "/data/email_addresses",
            "/data/public_metadata",
            "/data/image_url",
            "/timestamp",
            "/event_attributes",
        ] {
            assert!(event.pointer(place).is_some());
            assert_eq!(shown.pointer(place), event.pointer(place), "{place}");
        }
        let failed = AnyFixture::named("paymentAttempt.updated__failed").unwrap().json();
        assert_eq!(redact(&failed), failed);
        let error =
            json!({ "type": "a", "data": { "error": { "code": "taken", "message": "It is taken" } } });
        assert_eq!(redact(&error), error);
    }

    #[test]
    fn a_message_of_a_type_that_nobody_knows_yet_is_one_too() {
        let event = json!({ "type": "email.bounced", "data": { "subject": "602214", "html": "602214", "status": "bounced" } });
        assert_eq!(
            redact(&event)["data"],
            json!({ "subject": "[redacted: 6 characters]", "html": "[redacted: 6 characters]", "status": "bounced" })
        );
        let event = json!({ "type": "x", "data": { "deep": [{ "otp_code": 602_214, "code": "602 214", "reset_token": "abc" }] } });
        let shown = redact(&event).to_string();
        assert!(!shown.contains("602") && !shown.contains("abc"), "{shown}");
    }

    #[test]
    fn what_is_no_event_does_not_show() {
        for body in [json!("{\"data\":602214}"), json!([602_214]), json!(602_214)] {
            assert!(!redact(&body).to_string().contains("602214"), "{body}");
        }
        assert!(!redact(&json!({ "data": "602214" })).to_string().contains("602214"));
        assert_eq!(redact(&json!({ "data": null, "type": "a" })), json!({ "data": null, "type": "a" }));
    }

    #[test]
    fn headers_show_enough_to_be_told_apart() {
        assert_eq!(
            header("svix-signature", b"v1,abcdefghijklmnop v1,qrstuvwxyzabcdef"),
            "v1,abcdefgh… v1,qrstuvwx…"
        );
        assert_eq!(header("svix-id", b"msg_1"), "msg_1");
        assert_eq!(header("authorization", b"Bearer abc"), "[redacted: 10 characters]");
        assert_eq!(header("x-odd", b"a\x1b[1m\xff"), "a\\u{1b}[1m\u{fffd}");
    }
}
