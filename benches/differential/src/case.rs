//! A delivery as a receiver sees it.

use std::fmt;
use std::iter;
use std::str;

use clerk_webhook_core::Timestamp;

use crate::key;
use crate::verdict::Part;

/// The names of the three headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `svix-*`.
    Svix,
    /// `webhook-*`.
    Webhook,
}

impl Family {
    /// Returns a header's name in lower case.
    #[must_use]
    pub const fn name(self, part: Part) -> &'static str {
        match (self, part) {
            (Self::Svix, Part::Id) => "svix-id",
            (Self::Svix, Part::Timestamp) => "svix-timestamp",
            (Self::Svix, Part::Signature) => "svix-signature",
            (Self::Webhook, Part::Id) => "webhook-id",
            (Self::Webhook, Part::Timestamp) => "webhook-timestamp",
            (Self::Webhook, Part::Signature) => "webhook-signature",
        }
    }

    /// Returns the other family.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Svix => Self::Webhook,
            Self::Webhook => Self::Svix,
        }
    }
}

/// The receiver's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The time.
    pub now: Timestamp,
    /// Whether it is the system clock, which is the only clock that most libraries can read.
    pub is_of_system: bool,
}

/// A delivery with the secret and the clock of its receiver.
#[derive(Clone, Debug)]
pub struct Case {
    /// The text of the secret.
    pub secret: String,
    /// Names and values in order, including repetitions.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// The receiver's time.
    pub clock: Clock,
}

impl Case {
    /// Returns the time on the receiver's clock, in seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now.as_secs()
    }

    /// Returns all values of a header.
    pub fn values(&self, family: Family, part: Part) -> impl Iterator<Item = &[u8]> {
        let is_it = move |name: &str| name.eq_ignore_ascii_case(family.name(part));
        self.headers.iter().filter(move |(name, _)| is_it(name)).map(|(_, value)| value.as_slice())
    }

    /// Returns the first value of a header, from `svix-*` if it exists there, otherwise from `webhook-*`.
    #[must_use]
    pub fn value(&self, part: Part) -> Option<&[u8]> {
        self.values(Family::Svix, part).chain(self.values(Family::Webhook, part)).next()
    }

    /// Returns whether the delivery has any header of a family.
    #[must_use]
    pub fn has(&self, family: Family) -> bool {
        Part::ALL.iter().any(|part| self.values(family, *part).next().is_some())
    }

    /// Returns whether a header occurs more than once in one family.
    #[must_use]
    pub fn is_repeated(&self, part: Part) -> bool {
        [Family::Svix, Family::Webhook].iter().any(|family| self.values(*family, part).nth(1).is_some())
    }

    /// Removes all occurrences of a header.
    pub fn remove(&mut self, family: Family, part: Part) {
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(family.name(part)));
    }

    /// Gives all occurrences of a header the name from a different family.
    pub fn rename(&mut self, from: Family, to: Family, part: Part) {
        for (name, _) in &mut self.headers {
            if name.eq_ignore_ascii_case(from.name(part)) {
                to.name(part).clone_into(name);
            }
        }
    }

    /// Removes all occurrences of a header except the first.
    pub fn keep_first(&mut self, part: Part) {
        for family in [Family::Svix, Family::Webhook] {
            let mut seen = false;
            self.headers.retain(|(name, _)| {
                let is_it = name.eq_ignore_ascii_case(family.name(part));
                let is_again = is_it && seen;
                seen |= is_it;
                !is_again
            });
        }
    }

    /// Replaces the first value of a header in the family that exists, or adds the header.
    pub fn set(&mut self, part: Part, value: impl Into<Vec<u8>>) {
        let position = |family: Family| {
            self.headers.iter().position(|(name, _)| name.eq_ignore_ascii_case(family.name(part)))
        };
        match position(Family::Svix).or_else(|| position(Family::Webhook)) {
            Some(position) => self.headers[position].1 = value.into(),
            None => {
                let family = if self.has(Family::Svix) { Family::Svix } else { Family::Webhook };
                self.headers.push((family.name(part).to_owned(), value.into()));
            }
        }
    }

    /// Returns the timestamp as Rust's `parse` reads it, without surrounding white space.
    #[must_use]
    pub fn seconds(&self) -> Option<i64> {
        str::from_utf8(self.value(Part::Timestamp)?.trim_ascii()).ok()?.parse().ok()
    }

    /// Returns the tokens in the signature list.
    pub fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        self.value(Part::Signature).into_iter().flat_map(|list| list.split(|byte| *byte == b' '))
    }

    /// Returns the token that the holder of the secret would create for this id, time and body.
    ///
    /// Like all libraries except those for Ruby and C#, it signs the number that the timestamp represents.
    #[must_use]
    pub fn genuine_token(&self) -> Option<Vec<u8>> {
        let key = key::read(&self.secret)?;
        let timestamp = match self.seconds() {
            Some(seconds) => seconds.to_string().into_bytes(),
            None => self.value(Part::Timestamp)?.to_vec(),
        };
        let mac = key::sign(&key, self.value(Part::Id)?, &timestamp, &self.body);
        Some(format!("v1,{mac}").into_bytes())
    }

    /// Changes signed content, and signs the delivery again if it was signed.
    ///
    /// A token that was a prefix or an extension of the old signature becomes the same prefix or extension of
    /// the new signature. Other tokens that are a prefix of the new signature by chance are replaced, because
    /// a single character matches often.
    pub fn change_signed(&mut self, change: impl FnOnce(&mut Self)) {
        let before = self.genuine_token();
        change(self);
        let (Some(before), Some(after)) = (before, self.genuine_token()) else { return };
        let replaced = |token: &[u8]| match token.strip_prefix(&before[..]) {
            Some(rest) => [&after, rest].concat(),
            None if before.starts_with(token) => after[..token.len()].to_vec(),
            None if after.starts_with(token) => [b"~", &token[1..]].concat(),
            None => token.to_vec(),
        };
        let tokens: Vec<_> = self.tokens().map(replaced).collect();
        if self.value(Part::Signature).is_some() {
            self.set(Part::Signature, tokens.join(&b' '));
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| {
            let more = bytes.len().saturating_sub(200);
            let text = bytes[..bytes.len() - more].escape_ascii();
            if more == 0 { format!("\"{text}\"") } else { format!("\"{text}\" and {more} more bytes") }
        };
        let kind = if self.clock.is_of_system { "system" } else { "given" };
        writeln!(f, "  clock ({kind}): {} ms", self.clock.now)?;
        writeln!(f, "  secret: {:?}", self.secret)?;
        let lines = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        for (name, value) in lines.chain(iter::once(("body", self.body.as_slice()))) {
            writeln!(f, "  {name}: {}", shown(value))?;
        }
        Ok(())
    }
}
