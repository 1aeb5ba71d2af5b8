//! The methods that break a delivery in one way.

use serde_json::Value;

use crate::delivery::Delivery;
use crate::grammar::is_field_value;
use crate::tampering::{Field, OUT_OF_DATE};

/// Methods that break the delivery.
///
/// Methods that take a header name accept the names of both families: `svix-id` and `webhook-id` both select
/// the message id, whichever family the delivery uses. They panic if the name is not a header that every
/// delivery has.
impl Delivery {
    /// Signs the delivery ten minutes before [`at`](Self::at), twice the default tolerance of a verifier.
    ///
    /// For a verifier with a larger tolerance, use [`at`](Self::at) instead.
    #[must_use]
    pub fn stale(mut self) -> Self {
        self.tampering.skew = -OUT_OF_DATE;
        self
    }

    /// Signs the delivery ten minutes after [`at`](Self::at), like a sender whose clock is fast.
    #[must_use]
    pub fn from_the_future(mut self) -> Self {
        self.tampering.skew = OUT_OF_DATE;
        self
    }

    /// Signs the delivery only with a secret that no receiver has.
    #[must_use]
    pub fn wrong_secret(mut self) -> Self {
        self.tampering.has_wrong_secret = true;
        self
    }

    /// Omits the id, timestamp and signature headers, like a client other than Clerk.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        for field in [Field::Id, Field::Timestamp, Field::Signature] {
            self.tampering.field(field).is_missing = true;
        }
        self
    }

    /// Omits a header.
    ///
    /// # Panics
    ///
    /// Panics if the name is not a header of a delivery.
    #[must_use]
    #[track_caller]
    pub fn without(mut self, header: &str) -> Self {
        self.tampering.field(Field::of(header)).is_missing = true;
        self
    }

    /// Sends a header twice with the same value.
    ///
    /// # Panics
    ///
    /// Panics if the name is not a header of a delivery.
    #[must_use]
    #[track_caller]
    pub fn repeated(mut self, header: &str) -> Self {
        self.tampering.field(Field::of(header)).is_repeated = true;
        self
    }

    /// Replaces a header's value after signing, for example the signature with `v1,`.
    ///
    /// # Panics
    ///
    /// Panics if the name is not a header of a delivery, or if the value contains characters that are not
    /// allowed in header values.
    #[must_use]
    #[track_caller]
    pub fn replaced(mut self, header: &str, value: &str) -> Self {
        let field = Field::of(header);
        assert!(
            is_field_value(value),
            "the value of {header} contains a character that is not allowed in header values"
        );
        self.tampering.field(field).value = Some(value.to_owned());
        self
    }

    /// Changes one character of the body after signing.
    ///
    /// In an event, the character is part of an id. The result is still an event, so only the signature shows
    /// that the body was changed.
    #[must_use]
    pub fn altered(mut self) -> Self {
        self.tampering.is_altered = true;
        self
    }

    /// Removes the second half of the body after signing.
    ///
    /// # Panics
    ///
    /// Panics if the body is empty.
    #[must_use]
    #[track_caller]
    pub fn cut_short(mut self) -> Self {
        assert!(!self.signed_body().is_empty(), "an empty body cannot be cut short");
        self.tampering.is_cut_short = true;
        self
    }

    /// Serializes the JSON of the body again after signing, with different white space.
    ///
    /// This simulates a proxy or middleware that parses the JSON and writes it again.
    ///
    /// # Panics
    ///
    /// Panics if the body is not JSON.
    #[must_use]
    #[track_caller]
    pub fn reserialized(mut self) -> Self {
        let is_json = serde_json::from_slice::<Value>(&self.signed_body()).is_ok();
        assert!(is_json, "cannot serialize the body again: it is not JSON");
        self.tampering.is_reserialized = true;
        self
    }
}
