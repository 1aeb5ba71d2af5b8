//! The methods of a delivery that break it, each in one way.

use serde_json::Value;

use crate::delivery::Delivery;
use crate::grammar::is_field_value;
use crate::tampering::{Field, OUT_OF_DATE};

/// What breaks it.
///
/// A header is named in either family: `svix-id` and `webhook-id` both stand for the id, whatever it is called in this
/// delivery. All that takes the name of a header panics where a delivery has no such header.
impl Delivery {
    /// Signs it ten minutes before [`at`](Self::at): twice as long ago as verifiers tolerate unless they are told otherwise.
    ///
    /// For a verifier that tolerates more there is [`at`](Self::at) alone.
    #[must_use]
    pub fn stale(mut self) -> Self {
        self.tampering.skew = -OUT_OF_DATE;
        self
    }

    /// Signs it ten minutes after [`at`](Self::at), as a sender whose clock is wrong.
    #[must_use]
    pub fn from_the_future(mut self) -> Self {
        self.tampering.skew = OUT_OF_DATE;
        self
    }

    /// Signs it with a secret that no receiver has, instead of all others.
    #[must_use]
    pub fn wrong_secret(mut self) -> Self {
        self.tampering.is_signed_by_nobody = true;
        self
    }

    /// Leaves out the id, the timestamp and the signature, as somebody who calls the endpoint without being Clerk.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        for field in [Field::Id, Field::Timestamp, Field::Signature] {
            self.tampering.field(field).is_missing = true;
        }
        self
    }

    /// Leaves a header out.
    ///
    /// # Panics
    ///
    /// Panics where it is not a header of a delivery.
    #[must_use]
    #[track_caller]
    pub fn without(mut self, header: &str) -> Self {
        self.tampering.field(Field::of(header)).is_missing = true;
        self
    }

    /// Sends a header twice, with the same value.
    ///
    /// # Panics
    ///
    /// Panics where it is not a header of a delivery.
    #[must_use]
    #[track_caller]
    pub fn repeated(mut self, header: &str) -> Self {
        self.tampering.field(Field::of(header)).is_repeated = true;
        self
    }

    /// Replaces the value of a header after signing, such as the signature with `v1,` or with one of another version.
    ///
    /// # Panics
    ///
    /// Panics where it is not a header of a delivery, or not the value of any header.
    #[must_use]
    #[track_caller]
    pub fn replaced(mut self, header: &str, value: &str) -> Self {
        let field = Field::of(header);
        assert!(is_field_value(value), "the value of {header} has a character that a header cannot have");
        self.tampering.field(field).value = Some(value.to_owned());
        self
    }

    /// Changes a letter of the body after signing.
    ///
    /// In an event it is a letter of an id: what comes out is still an event, which only the signature tells from the one
    /// that was signed.
    #[must_use]
    pub fn altered(mut self) -> Self {
        self.tampering.is_altered = true;
        self
    }

    /// Leaves out the second half of the body after signing.
    ///
    /// # Panics
    ///
    /// Panics where the body is empty already.
    #[must_use]
    #[track_caller]
    pub fn cut_short(mut self) -> Self {
        assert!(!self.signed_body().is_empty(), "an empty body cannot be cut short");
        self.tampering.is_cut_short = true;
        self
    }

    /// Writes the JSON of the body anew after signing, in other bytes, as software does that parses it before the receiver
    /// gets to see it.
    ///
    /// # Panics
    ///
    /// Panics where the body is not JSON.
    #[must_use]
    #[track_caller]
    pub fn reserialized(mut self) -> Self {
        let is_json = serde_json::from_slice::<Value>(&self.signed_body()).is_ok();
        assert!(is_json, "a body that is not JSON cannot be serialized anew");
        self.tampering.is_reserialized = true;
        self
    }
}
