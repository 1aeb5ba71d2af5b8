//! Captured requests.

use clerk_webhook_core::Timestamp;
use clerk_webhook_test::{Delivery, SECRET};
use serde_json::Value;

use super::process::run_with;

/// A captured request.
#[derive(Clone, Debug)]
pub(crate) struct CapturedRequest {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl CapturedRequest {
    /// Creates a valid request that is signed now.
    pub(crate) fn of(body: &str) -> Self {
        Self::from_delivery(&Delivery::of_body(body.to_owned()))
    }

    /// Creates a valid request that was signed this many seconds ago.
    pub(crate) fn seconds_ago(seconds: i64, body: &str) -> Self {
        let at = Timestamp::from_secs(Timestamp::now().as_secs() - seconds);
        Self::from_delivery(&Delivery::of_body(body.to_owned()).at(at))
    }

    pub(crate) fn from_delivery(delivery: &Delivery) -> Self {
        let own = |(name, value): (&str, String)| (name.to_owned(), value);
        Self { headers: delivery.headers().into_iter().map(own).collect(), body: delivery.body().to_vec() }
    }

    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        &self.headers.iter().find(|(other, _)| other == name).expect("a header").1
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.with(name, value)
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn map(self, name: &str, change: impl Fn(&str) -> String) -> Self {
        let value = change(self.value(name));
        self.set(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// Returns the request in the `.http` format.
    pub(crate) fn http(&self) -> Vec<u8> {
        let mut bytes = b"POST /webhooks/clerk HTTP/1.1\r\n".to_vec();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Judges the request with `verify`, and checks that the output contains neither payload, secret nor signature.
    #[track_caller]
    pub(crate) fn verdict(&self) -> Value {
        let run = run_with(&["verify", "--json", "-"], Some(SECRET), &self.http());
        let mut objects = run.objects();
        assert_eq!(objects.len(), 1, "{run:?}");
        let object = objects.remove(0);
        assert_eq!(run.code, i32::from(object["verdict"] == "refused"), "{run:?}");
        let list = self.headers.iter().find(|(name, _)| name == "svix-signature");
        let signature: String =
            list.map(|(_, list)| list.chars().skip(3).take(40).collect()).unwrap_or_default();
        for hidden in ["do not show me", &SECRET[6..], &signature] {
            assert!(hidden.len() < 12 || !run.stdout.contains(hidden), "{run:?}");
        }
        object
    }
}
