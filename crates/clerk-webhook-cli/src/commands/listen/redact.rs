//! What is not shown of an event: one-time codes, messages, secret links, private metadata.
//!
//! It goes by the names of fields and not by event types, so that what Clerk adds tomorrow is covered too where it is named
//! alike.

use serde_json::Value;

/// Hidden wherever they are, unless they are empty.
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

/// Hidden at every depth of e-mails and text messages: what the message says, and the variables of its template.
const OF_MESSAGES: [&str; 7] = ["content", "data", "html", "message", "preview", "subject", "text"];

/// Hidden where they are part of a name, unless the value only says whether or when.
const PARTS: [&str; 5] = ["password", "private_key", "secret", "ticket", "token"];

/// Hidden where they are words of a name.
const WORDS: [&str; 4] = ["otp", "passcode", "passcodes", "pin"];

/// Codes of which each is one of a few: they name something and open nothing.
const NAMING: [&str; 12] = [
    "area", "country", "currency", "decline", "error", "failure", "language", "postal", "reason", "region",
    "status", "zip",
];

/// Returns an event with what is sensitive replaced; every member and element is still there.
pub(super) fn redact(event: &Value) -> Value {
    let Value::Object(members) = event else {
        // Nobody knows what it is, and JSON in a string may be a whole event.
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

/// Which names are sensitive in an event.
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

    /// Returns what may be shown of a value whose own name hides nothing.
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
        // An error says what went wrong, and `code` is mostly the name of a reason.
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

/// Returns whether a name is that of a code which opens something: `verification_code`, `backup_codes`.
fn is_named_code(name: &str) -> bool {
    let kind = ["_code", "_codes"].iter().find_map(|end| name.strip_suffix(end));
    kind.and_then(|kind| kind.rsplit('_').next()).is_some_and(|kind| !NAMING.contains(&kind))
}

/// Returns whether it looks like a one-time code, and not like the name of a reason.
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
    use clerk_webhook_test::fixture::AnyFixture;
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
    fn codes_do_not_show_however_they_are_named() {
        for data in [
            json!({ "verification_code": "A602214" }),
            json!({ "one_time_code": 602_214 }),
            json!({ "one_time": "A602214" }),
            json!({ "passcode": "A602214" }),
            json!({ "pin": 602_214 }),
            json!({ "user_pin": "A602214" }),
            json!({ "backup_code": "A602214", "backup_codes": ["A602214"] }),
            json!({ "Code": "A602214" }),
            json!({ "deep": [[{ "code": "602-214" }]], "code": ["602214"] }),
        ] {
            let shown = redact(&json!({ "type": "user.updated", "data": data })).to_string();
            assert!(!shown.contains("602"), "{data}: {shown}");
        }
        let event = json!({ "type": "user.updated", "data": {
            "country_code": "IT", "currency_code": "EUR", "card_error_code": "e1234", "postal_code": "10121",
            "code": "form_code", "spin": 4, "backup_code_enabled": true, "error": { "code": "e1234" },
        } });
        assert_eq!(redact(&event), event);
    }

    #[test]
    fn nothing_of_a_message_shows_wherever_it_is() {
        for event in [
            json!({ "type": "email.created", "data": [{ "subject": "code 602214" }] }),
            json!({ "type": "sms.created", "data": { "EMAIL": { "subject": "602214", "html": "602214" } } }),
            json!({ "type": "email.created", "subject": "602214", "Preview": "602214", "data": {} }),
            json!({ "type": "email.created", "text": "602214", "content": { "a": "602214" } }),
            json!({ "type": "email.created", "data": { "error": { "message": "602214" } } }),
            json!({ "type": "email.created", "data": { "deep": [{ "data": { "a": "602214" } }] } }),
            json!({ "type": "x", "data": [{ "object": "sms_message", "text": "602214" }] }),
        ] {
            assert!(!redact(&event).to_string().contains("602214"), "{event}: {}", redact(&event));
        }
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
