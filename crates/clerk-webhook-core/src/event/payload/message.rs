//! Emails and text messages.

use serde::{Deserialize, Serialize};

use super::{Metadata, Sensitive};
use crate::Timestamp;

/// An email to a user: the `data` of `email.created`.
///
/// If [`delivered_by_clerk`](Self::delivered_by_clerk) is `Some(false)`, the application must send the email.
/// The subject, the bodies and `data` contain one-time codes and sign-in links, so `Debug` does not show
/// them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Email {
    /// The id (`ema_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The name of the template, such as `verification_code`.
    pub slug: Option<String>,
    /// The local part of the sender's address.
    pub from_email_name: Option<String>,
    /// The local part of the reply address.
    pub reply_to_email_name: Option<String>,
    /// The recipient's email address.
    pub to_email_address: Option<String>,
    /// The id of the recipient's address (`idn_…`).
    pub email_address_id: Option<String>,
    /// The recipient's user id, if the recipient is already a user.
    pub user_id: Option<String>,
    /// The subject, which often contains the one-time code.
    pub subject: Option<Sensitive<String>>,
    /// The body as HTML.
    pub body: Option<Sensitive<String>>,
    /// The body as plain text.
    pub body_plain: Option<Sensitive<String>>,
    /// The sending status, such as `queued`.
    pub status: Option<String>,
    /// The values of the template's variables. Each template has different variables.
    #[serde(default)]
    pub data: Metadata,
    /// Whether Clerk sends the message.
    pub delivered_by_clerk: Option<bool>,
    /// The reason why Clerk does not send the message; since 2026.
    pub suppression_reason: Option<String>,
}

/// A text message to a user: the `data` of `sms.created`.
///
/// If [`delivered_by_clerk`](Self::delivered_by_clerk) is `Some(false)`, the application must send the
/// message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "SmsWire")]
#[non_exhaustive]
pub struct Sms {
    /// The id (`sms_…`).
    pub id: String,
    /// The name of the template, such as `verification_code`.
    pub slug: Option<String>,
    /// The sender's phone number.
    pub from_phone_number: Option<String>,
    /// The recipient's phone number.
    pub to_phone_number: Option<String>,
    /// The id of the recipient's number (`idn_…`).
    pub phone_number_id: Option<String>,
    /// The recipient's user id, if the recipient is already a user.
    pub user_id: Option<String>,
    /// The text, which can contain a one-time code.
    pub message: Option<Sensitive<String>>,
    /// The sending status, such as `queued`.
    pub status: Option<String>,
    /// The values of the template's variables. Each template has different variables.
    #[serde(default)]
    pub data: Metadata,
    /// Whether Clerk sends the message.
    pub delivered_by_clerk: Option<bool>,
    /// The creation time. It is also decoded from `created_at_ms`, the name in Clerk's schema.
    pub created_at: Option<Timestamp>,
}

/// The received form with both spellings of the field. A serde alias would reject data that contains both.
#[derive(Deserialize)]
struct SmsWire {
    #[serde(deserialize_with = "super::id")]
    id: String,
    slug: Option<String>,
    from_phone_number: Option<String>,
    to_phone_number: Option<String>,
    phone_number_id: Option<String>,
    user_id: Option<String>,
    message: Option<Sensitive<String>>,
    status: Option<String>,
    #[serde(default)]
    data: Metadata,
    delivered_by_clerk: Option<bool>,
    created_at: Option<Timestamp>,
    created_at_ms: Option<Timestamp>,
}

impl From<SmsWire> for Sms {
    fn from(wire: SmsWire) -> Self {
        Self {
            id: wire.id,
            slug: wire.slug,
            from_phone_number: wire.from_phone_number,
            to_phone_number: wire.to_phone_number,
            phone_number_id: wire.phone_number_id,
            user_id: wire.user_id,
            message: wire.message,
            status: wire.status,
            data: wire.data,
            delivered_by_clerk: wire.delivered_by_clerk,
            created_at: wire.created_at_ms.or(wire.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sms(more: &str) -> Sms {
        let json = format!(
            r#"{{"id":"sms_1","from_phone_number":"+12025550100","to_phone_number":"+12025550101",
                "message":"424242 is your code","status":"queued","delivered_by_clerk":false{more}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn decodes_both_spellings_of_the_time() {
        for (times, expected) in [
            (r#","created_at":7"#, Some(7)),
            (r#","created_at_ms":8"#, Some(8)),
            (r#","created_at":7,"created_at_ms":8"#, Some(8)),
            (r#","created_at":7,"created_at_ms":null"#, Some(7)),
            ("", None),
        ] {
            assert_eq!(sms(times).created_at.map(Timestamp::as_millis), expected, "{times}");
        }
    }

    #[test]
    fn serializes_and_decodes_again() {
        let sms = sms(r#","created_at_ms":8,"data":{"otp_code":"424242"}"#);
        let json = serde_json::to_string(&sms).unwrap();
        assert_eq!(serde_json::from_str::<Sms>(&json).unwrap(), sms);
    }

    #[test]
    fn debug_does_not_show_codes() {
        let shown = format!("{:?}", sms(r#","data":{"otp_code":"424242"}"#));
        assert!(!shown.contains("424242"), "{shown}");
        let email: Email = serde_json::from_str(
            r#"{"id":"ema_1","from_email_name":"noreply","delivered_by_clerk":true,"subject":"424242",
                "body":"<b>424242</b>","body_plain":"424242","data":{"otp_code":"424242"}}"#,
        )
        .unwrap();
        let shown = format!("{email:?}");
        assert!(!shown.contains("424242"), "{shown}");
    }
}
