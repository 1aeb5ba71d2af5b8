//! Redacts events: one-time codes, messages, secret links, and private metadata.
//!
//! The names of fields decide, not the event types. So events that Clerk adds later are redacted too, if
//! their fields have similar names.

use serde_json::Value;

/// The names of fields whose values are redacted everywhere, unless the value is empty.
const HIDDEN: [&str; 12] = [
    "api_key",
    "authorization",
    "body",
    "body_html",
    "body_plain",
    "cookie",
    "external_verification_redirect_url",
    "jwt",
    "magic_link",
    "nonce",
    "private_metadata",
    "url",
];

/// The names of fields that are redacted at every depth of emails and text messages: the content, and the
/// template variables.
const OF_MESSAGES: [&str; 7] = ["content", "data", "html", "message", "preview", "subject", "text"];

/// Parts of names. A field whose name contains one of them is redacted, unless its value is a boolean or a
/// number.
const PARTS: [&str; 5] = ["password", "private_key", "secret", "ticket", "token"];

/// Words of names. A field whose name contains one of them as a separate word is redacted.
const WORDS: [&str; 4] = ["otp", "passcode", "passcodes", "pin"];

/// The words before `_code` in the names of codes that are not secret, such as `country_code`. These codes
/// have only a few known values.
const NAMING: [&str; 12] = [
    "area", "country", "currency", "decline", "error", "failure", "language", "postal", "reason", "region",
    "status", "zip",
];

/// Replaces the sensitive values of an event. All other members and elements remain.
pub(crate) fn redact(event: &Value) -> Value {
    let Value::Object(members) = event else {
        // The structure is unknown, so everything is redacted: a JSON string could contain an event.
        return hidden(event);
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let event_type = text(members.get("type"));
    let data = members.get("data").unwrap_or(&Value::Null);
    let objects = data.as_array().map_or(std::slice::from_ref(data), Vec::as_slice);
    let is_message = ["email.", "sms."].iter().any(|prefix| event_type.starts_with(prefix))
        || objects
            .iter()
            .any(|object| ["email", "sms_message"].contains(&text(object.get("object")).as_str()));
    let names = Names { is_message };
    let member = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Object(_) | Value::Array(_) if name == "data" => names.within(name, value, ""),
            Value::String(_) if name == "data" => hidden(value),
            _ => names.shown(name, value, ""),
        };
        (name.clone(), value)
    };
    Value::Object(members.iter().map(member).collect())
}

/// Decides which names are sensitive in an event.
#[derive(Clone, Copy)]
struct Names {
    is_message: bool,
}

impl Names {
    fn shown(self, name: &str, value: &Value, parent: &str) -> Value {
        if self.is_sensitive(&name.to_ascii_lowercase(), value, &parent.to_ascii_lowercase()) {
            return hidden(value);
        }
        self.within(name, value, parent)
    }

    /// Redacts the contents of a value whose name is not sensitive.
    fn within(self, name: &str, value: &Value, parent: &str) -> Value {
        match value {
            Value::Object(members) => {
                let member =
                    |(inner, value): (&String, &Value)| (inner.clone(), self.shown(inner, value, name));
                Value::Object(members.iter().map(member).collect())
            }
            Value::Array(elements) => {
                let element = |element: &Value| match element {
                    Value::Object(_) | Value::Array(_) => self.within(name, element, parent),
                    _ => self.shown(name, element, parent),
                };
                Value::Array(elements.iter().map(element).collect())
            }
            Value::String(text) => Value::String(without_query(text)),
            other => other.clone(),
        }
    }

    fn is_sensitive(self, name: &str, value: &Value, parent: &str) -> bool {
        let says_whether_or_when = matches!(value, Value::Bool(_) | Value::Number(_));
        // In an error, `code` is usually the name of a reason, and `message` is its text.
        let is_reason = ["error", "errors", "reason"].iter().any(|end| parent.ends_with(end));
        HIDDEN.contains(&name)
            || (self.is_message && OF_MESSAGES.contains(&name))
            || (name == "message" && !is_reason)
            || (name == "code" && !is_reason && is_code(value))
            || is_named_code(name)
            || name.contains("one_time")
            || name.split(['_', '-']).any(|word| WORDS.contains(&word))
            || (!says_whether_or_when && PARTS.iter().any(|part| name.contains(part)))
    }
}

/// Returns whether a name means a secret code: `verification_code`, `backup_codes`.
fn is_named_code(name: &str) -> bool {
    let kind = ["_code", "_codes"].iter().find_map(|end| name.strip_suffix(end));
    kind.and_then(|kind| kind.rsplit('_').next()).is_some_and(|kind| !NAMING.contains(&kind))
}

/// Returns whether a value looks like a one-time code, and not like the name of a reason.
fn is_code(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => {
            let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
            let only_digits = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-'));
            only_digits || (has_digit && text.chars().count() >= 4)
        }
        _ => false,
    }
}

/// Replaces a value with a placeholder. The placeholder for a text states the length of the text.
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

/// If the text is a link, redacts its query, which can contain a ticket.
pub(crate) fn without_query(text: &str) -> String {
    let is_link = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    match text.find(['?', '#']).filter(|_| is_link) {
        Some(end) => format!("{}[redacted]", &text[..=end]),
        None => text.to_owned(),
    }
}

/// Returns the redacted value of a header.
pub(crate) fn header(name: &str, value: &[u8]) -> String {
    const SECRET: [&str; 7] = ["auth", "cookie", "jwt", "key", "secret", "session", "token"];
    let text = String::from_utf8_lossy(value).into_owned();
    if name.ends_with("-signature") {
        return text.split(' ').map(shorten).collect::<Vec<_>>().join(" ");
    }
    if SECRET.iter().any(|part| name.contains(part)) {
        return format!("[redacted: {} characters]", text.chars().count());
    }
    crate::output::printable(&text, 300)
}

/// Shortens a signature to a prefix that distinguishes it from others.
fn shorten(signature: &str) -> String {
    crate::output::printable(signature, 11)
}

#[cfg(test)]
mod tests {
    use clerk_webhook_test::fixture::AnyFixture;
    use serde_json::json;

    use super::*;

    #[test]
    fn redacts_codes_messages_and_links_of_the_examples() {
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
    fn does_not_redact_other_values() {
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
        for event in [
            AnyFixture::named("paymentAttempt.updated__failed").unwrap().json(),
            json!({ "type": "a", "data": { "error": { "code": "taken", "message": "It is taken" } } }),
            json!({ "type": "a", "data": null }),
            json!({ "type": "user.updated", "data": {
                "country_code": "IT", "currency_code": "EUR", "card_error_code": "e1234", "postal_code": "10121",
                "code": "form_code", "spin": 4, "backup_code_enabled": true, "error": { "code": "e1234" },
            } }),
        ] {
            assert_eq!(redact(&event), event);
        }
    }

    #[test]
    fn redacts_codes_and_messages_everywhere() {
        let user = |data: Value| json!({ "type": "user.updated", "data": data });
        for event in [
            user(json!({ "verification_code": "A602214", "passcode": "A602214" })),
            user(json!({ "one_time_code": 602_214, "one_time": "A602214" })),
            user(json!({ "pin": 602_214, "user_pin": "A602214" })),
            user(json!({ "backup_code": "A602214", "backup_codes": ["A602214"] })),
            user(json!({ "Code": "A602214", "deep": [[{ "code": "602-214" }]], "code": ["602214"] })),
            user(json!({ "deep": [{ "otp_code": 602_214, "code": "602 214", "reset_token": "602214" }] })),
            json!({ "type": "email.created", "data": [{ "subject": "code 602214" }] }),
            json!({ "type": "sms.created", "data": { "EMAIL": { "subject": "602214", "html": "602214" } } }),
            json!({ "type": "email.created", "subject": "602214", "Preview": "602214", "data": {} }),
            json!({ "type": "email.created", "text": "602214", "content": { "a": "602214" } }),
            json!({ "type": "email.created", "data": { "error": { "message": "602214" } } }),
            json!({ "type": "email.created", "data": { "deep": [{ "data": { "a": "602214" } }] } }),
            json!({ "type": "x", "data": [{ "object": "sms_message", "text": "602214" }] }),
            json!({ "data": "602214" }),
            // Bodies that are not events.
            json!("{\"data\":602214}"),
            json!([602_214]),
            json!(602_214),
        ] {
            let shown = redact(&event).to_string();
            assert!(!["602214", "602-", "602 "].iter().any(|code| shown.contains(code)), "{event}: {shown}");
        }
        let event = json!({ "type": "email.bounced", "data": { "subject": "602214", "status": "bounced" } });
        let data = json!({ "subject": "[redacted: 6 characters]", "status": "bounced" });
        assert_eq!(redact(&event)["data"], data);
    }

    #[test]
    fn shortens_signatures_and_redacts_secret_headers() {
        assert_eq!(
            header("svix-signature", b"v1,abcdefghijklmnop v1,qrstuvwxyzabcdef"),
            "v1,abcdefgh… v1,qrstuvwx…"
        );
        assert_eq!(header("svix-id", b"msg_1"), "msg_1");
        assert_eq!(header("authorization", b"Bearer abc"), "[redacted: 10 characters]");
        assert_eq!(header("x-odd", b"a\x1b[1m\xff"), "a\\u{1b}[1m\u{fffd}");
    }
}
