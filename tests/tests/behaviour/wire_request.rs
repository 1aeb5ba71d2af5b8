//! The bytes that a sender writes.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use clerk_webhook_core::{MessageId, SigningSecret, Timestamp};
use clerk_webhook_tests::secret;
use serde_json::Value;

use super::inbox::Delivered;
use super::stacks::PATH;

pub use clerk_webhook_tests::request::BODY;

/// A valid or invalid request, before its body is framed.
#[derive(Clone)]
pub struct WireRequest {
    pub method: &'static str,
    pub target: String,
    pub version: &'static str,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
}

impl WireRequest {
    /// Signs a body with the current time and with the secret that every receiver knows.
    pub fn of(body: impl Into<Bytes>) -> Self {
        Self::signed(&[secret()], Timestamp::now(), body)
    }

    pub fn at(timestamp: Timestamp, body: impl Into<Bytes>) -> Self {
        Self::signed(&[secret()], timestamp, body)
    }

    /// Signs with several secrets, as Svix does during a rotation.
    pub fn signed_by(secrets: &[SigningSecret], body: impl Into<Bytes>) -> Self {
        Self::signed(secrets, Timestamp::now(), body)
    }

    fn signed(secrets: &[SigningSecret], timestamp: Timestamp, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let (first, others) = secrets.split_first().unwrap();
        let signed = first.sign(&next_id(), timestamp, &body);
        let signed = others.iter().fold(signed, |signed, other| signed.and_signed_with(other, &body));
        let mut delivery = Self::unsigned(body);
        for (name, value) in signed.to_pairs() {
            delivery = delivery.header(name, value);
        }
        delivery
    }

    /// Signs the same message with a different time, as Svix does for a retry.
    pub fn attempted_at(&self, timestamp: Timestamp) -> Self {
        let id = self.message_id().parse().unwrap();
        let signed = secret().sign(&id, timestamp, &self.body);
        signed.to_pairs().into_iter().fold(self.clone(), |delivery, (name, value)| delivery.set(name, value))
    }

    /// Signs the delivery again, after it was changed.
    pub fn signed_again(&self) -> Self {
        self.attempted_at(Timestamp::now())
    }

    pub fn unsigned(body: impl Into<Bytes>) -> Self {
        Self {
            method: "POST",
            target: PATH.to_owned(),
            version: "HTTP/1.1",
            headers: vec![
                ("Host".to_owned(), b"localhost".to_vec()),
                ("Content-Type".to_owned(), b"application/json".to_vec()),
            ],
            body: body.into(),
        }
    }

    /// Replaces the body without signing again.
    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub fn target(self, target: impl Into<String>) -> Self {
        Self { target: target.into(), ..self }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Changes the value of an existing header.
    pub fn set(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.value_mut(name).clone_from(&value.into());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Renames all headers.
    pub fn rename(mut self, rename: impl Fn(&str) -> String) -> Self {
        for (name, _) in &mut self.headers {
            *name = rename(name);
        }
        self
    }

    pub fn value(&self, name: &str) -> String {
        let value = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        String::from_utf8(value.unwrap().1.clone()).unwrap()
    }

    fn value_mut(&mut self, name: &str) -> &mut Vec<u8> {
        let value = self.headers.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name));
        &mut value.unwrap().1
    }

    /// Returns the message id.
    pub fn message_id(&self) -> String {
        let has = |name: &&str| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let name = ["svix-id", "webhook-id"].into_iter().find(has);
        self.value(name.expect("the request has a message id")).trim().to_owned()
    }

    /// Returns the call that the handler must receive.
    pub fn delivered(&self) -> Delivered {
        let event: Value = serde_json::from_slice(&self.body).unwrap();
        let event_type = event["type"].as_str().unwrap_or_default().to_owned();
        Delivered { id: self.message_id(), event_type, body: self.body.clone(), attempt: None }
    }

    /// Writes the head. `framing` is the header line that describes how the body is framed.
    pub fn head(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.headers {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        if !framing.is_empty() {
            head.extend([framing.as_bytes(), b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        head
    }

    /// Writes the request with a `Content-Length`.
    pub fn with_length(&self) -> Vec<u8> {
        [&self.head(&format!("Content-Length: {}", self.body.len())), &self.body[..]].concat()
    }

    /// Writes the request in chunks of the given size.
    pub fn chunked(&self, size: usize) -> Vec<u8> {
        self.chunked_and(size, "")
    }

    /// Writes the request in chunks, with trailers after the last chunk.
    pub fn chunked_and(&self, size: usize, trailers: &str) -> Vec<u8> {
        let mut request = self.head("Transfer-Encoding: chunked");
        for chunk in self.body.chunks(size) {
            request.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()));
            request.extend(b"\r\n");
        }
        request.extend(format!("0\r\n{trailers}\r\n").bytes());
        request
    }
}

/// Returns a new message id, so that the tests can tell the deliveries apart.
fn next_id() -> MessageId {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("msg_{:024}", NEXT.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}
