//! The verification of one delivery.

use std::fmt;
use std::ops::BitOr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;
use memchr::memchr_iter;
use smallvec::SmallVec;
use subtle::{Choice, ConstantTimeEq as _};

use super::error::{VerifyError, VerifyErrorKind};
use super::headers::SignatureHeaders;
use super::secret::HmacSha256;
use super::signature_header::HeaderFamily;
use crate::message_id::MessageId;
use crate::timestamp::Timestamp;

/// The number of secrets that are stored without an allocation: the current one and the next one.
const INLINE_SECRETS: usize = 2;

/// The number of signatures that are stored without an allocation: Svix signs with the current key and at
/// most ten old keys.
const INLINE_SIGNATURES: usize = 11;

/// The limits for a list of signatures, which bound the work that a forged list can cause (measured in
/// `benches/`, "many signatures"). Svix sends at most 11 signatures.
const MAX_LIST_BYTES: usize = 16 * 1024;
const MAX_LIST_SIGNATURES: usize = 256;

/// The number of base64 characters for 32 bytes.
const SIGNATURE_LENGTH: usize = 44;

/// A MAC as four words, because comparing it as 32 bytes in constant time takes ten times longer.
type MacWords = [u64; 4];

/// The well-formed signatures in a signature header.
#[derive(Default)]
pub(crate) struct Signatures(SmallVec<[MacWords; INLINE_SIGNATURES]>);

impl Signatures {
    /// Reads a space-separated list, and skips entries that are not valid `v1` signatures.
    ///
    /// # Errors
    ///
    /// Returns an error if the list contains no valid signature, because no body can match it.
    fn read(&mut self, headers: &SignatureHeaders<'_>) -> Result<(), VerifyError> {
        let list = headers.signatures;
        // Fast path: the list contains a single signature.
        if let Some(signature) = parse_signature(list) {
            self.0.push(signature);
            return Ok(());
        }
        if !is_legal_list(list) {
            let [_, _, signature_header] = headers.family.headers();
            return Err(VerifyError::of_header(VerifyErrorKind::InvalidHeader, signature_header));
        }
        let mut start = 0;
        for end in memchr_iter(b' ', list).chain([list.len()]) {
            self.0.extend(list.get(start..end).and_then(parse_signature));
            start = end + 1;
        }
        if self.0.is_empty() { Err(no_matching_signature(headers.family)) } else { Ok(()) }
    }

    /// Finalizes a MAC and returns whether it equals one of the signatures.
    ///
    /// Compares all signatures in constant time, so that the duration reveals nothing about a partial match.
    fn contain(&self, mac: HmacSha256) -> bool {
        let expected = words(&mac.finalize().into_bytes().into());
        let equal = self.0.iter().fold(Choice::from(0), |equal, signature| {
            let difference =
                signature.iter().zip(&expected).fold(0, |all, (left, right)| all | (left ^ right));
            equal | difference.ct_eq(&0)
        });
        equal.into()
    }
}

/// Verifies a delivery whose complete body is in memory.
///
/// The result is the same as with a [`Verification`] that receives one frame. This function is faster for
/// bodies of typical size, because it does not move the hash states.
pub(crate) fn verify_whole(
    headers: &SignatureHeaders<'_>,
    secrets: &[HmacSha256],
    body: &[u8],
) -> Result<Verified, VerifyError> {
    let id = headers.message_id()?;
    let mut signatures = Signatures::default();
    signatures.read(headers)?;
    let mut matched = None;
    for (index, keyed) in secrets.iter().enumerate() {
        let mut mac = keyed.clone();
        headers.begin_mac(&mut mac);
        mac.update(body);
        if signatures.contain(mac) && matched.is_none() {
            matched = Some(index);
        }
    }
    let secret_index = matched.ok_or_else(|| no_matching_signature(headers.family))?;
    Ok(Verified { id, attempted_at: Timestamp::from_secs(headers.seconds), secret_index })
}

fn no_matching_signature(family: HeaderFamily) -> VerifyError {
    let [_, _, signature_header] = family.headers();
    VerifyError::of_header(VerifyErrorKind::NoMatchingSignature, signature_header)
}

/// The verification of a delivery whose body arrives in frames.
///
/// [`Verifier::begin_verify`](crate::Verifier::begin_verify) creates it after checking the headers.
///
/// ```
/// # use clerk_webhook_core::{MessageId, SigningSecret, Timestamp, Verifier};
/// # let secret = SigningSecret::from_bytes(&[7; 24])?;
/// # let id: MessageId = "msg_1".parse()?;
/// # let verifier = Verifier::builder().secret(secret.clone()).build()?;
/// # let headers = secret.sign(&id, Timestamp::now(), b"two frames").to_pairs();
/// let mut verification = verifier.begin_verify(&headers)?;
/// verification.update(b"two ");
/// verification.update(b"frames");
/// assert_eq!(verification.finish()?.secret_index(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a delivery is verified by `finish`"]
pub struct Verification {
    id: MessageId,
    attempted_at: Timestamp,
    family: HeaderFamily,
    signatures: Signatures,
    /// One MAC per secret, updated with the content received so far.
    macs: SmallVec<[HmacSha256; INLINE_SECRETS]>,
}

impl Verification {
    pub(crate) fn begin(headers: &SignatureHeaders<'_>, secrets: &[HmacSha256]) -> Result<Self, VerifyError> {
        let id = headers.message_id()?;
        let mut signatures = Signatures::default();
        signatures.read(headers)?;
        let attempted_at = Timestamp::from_secs(headers.seconds);
        let mut macs = SmallVec::from(secrets);
        macs.iter_mut().for_each(|mac| headers.begin_mac(mac));
        Ok(Self { id, attempted_at, family: headers.family, signatures, macs })
    }

    /// Adds the next bytes of the body.
    pub fn update(&mut self, frame: &[u8]) {
        for mac in &mut self.macs {
            mac.update(frame);
        }
    }

    /// Completes the verification after the last frame.
    ///
    /// # Errors
    ///
    /// Returns an error if no signature matches any secret.
    pub fn finish(self) -> Result<Verified, VerifyError> {
        let mut matched = None;
        for (index, mac) in self.macs.into_iter().enumerate() {
            if self.signatures.contain(mac) && matched.is_none() {
                matched = Some(index);
            }
        }
        let secret_index = matched.ok_or_else(|| no_matching_signature(self.family))?;
        Ok(Verified { id: self.id, attempted_at: self.attempted_at, secret_index })
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("message_id", &self.id).finish_non_exhaustive()
    }
}

/// Returns whether a list of signatures contains only visible characters and spaces and does not exceed the
/// limits.
fn is_legal_list(list: &[u8]) -> bool {
    // The compiler can vectorize the loop because it has no early exit.
    let invisible = |byte: &u8| u8::from(!matches!(byte, b' '..=b'~'));
    list.len() <= MAX_LIST_BYTES
        && memchr_iter(b' ', list).count() < MAX_LIST_SIGNATURES
        && list.iter().map(invisible).fold(0, BitOr::bitor) == 0
}

/// Parses `v1,<base64 of 32 bytes>`. Returns `None` for all other entries, such as signatures of other
/// versions.
///
/// The decoding is strict, so that each MAC has exactly one representation.
fn parse_signature(token: &[u8]) -> Option<MacWords> {
    let encoded = token.strip_prefix(b"v1,").filter(|encoded| encoded.len() == SIGNATURE_LENGTH)?;
    // The decoder needs a buffer of 33 bytes, because 44 characters without padding would decode to 33 bytes.
    let mut decoded = [0; 33];
    let length = STANDARD.decode_slice(encoded, &mut decoded).ok()?;
    decoded.get(..length)?.try_into().ok().map(words)
}

fn words(mac: &[u8; 32]) -> MacWords {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(mac.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

/// A verified delivery, with the values of its signed headers.
///
/// Only a [`Verifier`](crate::Verifier) creates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    id: MessageId,
    attempted_at: Timestamp,
    secret_index: usize,
}

impl Verified {
    /// Returns the message id, which identifies duplicates.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.id
    }

    /// Returns the time at which the sender signed this delivery, in whole seconds.
    #[must_use]
    pub fn attempted_at(&self) -> Timestamp {
        self.attempted_at
    }

    /// Returns the index of the first matching secret in the verifier's list, counted from 0.
    ///
    /// Use it during a rotation: when no delivery returns the old secret's index anymore, remove the old
    /// secret.
    ///
    /// After you rotate a secret in the dashboard, the sender signs with both the new and the old secret
    /// until the grace period ends. Both secrets match, and this method returns the index of the one that
    /// comes first in the verifier's list. Therefore list the new secret first. Otherwise the old secret
    /// appears to be in use until the grace period ends.
    ///
    /// ```
    /// use clerk_webhook_core::{MessageId, SigningSecret, Timestamp, Verifier};
    ///
    /// let old = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
    /// let new = SigningSecret::parse("whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC")?;
    /// let (id, body): (MessageId, _) = ("msg_1".parse()?, b"{}");
    /// let headers = new.sign(&id, Timestamp::now(), body).and_signed_with(&old, body).to_pairs();
    ///
    /// let new_first = Verifier::builder().secrets([new.clone(), old.clone()]).build()?;
    /// assert_eq!(new_first.verify(&headers, body)?.secret_index(), 0); // the new secret
    /// let old_first = Verifier::builder().secrets([old, new]).build()?;
    /// assert_eq!(old_first.verify(&headers, body)?.secret_index(), 0); // the old secret, which also matches
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn secret_index(&self) -> usize {
        self.secret_index
    }

    pub(crate) fn into_parts(self) -> (MessageId, Timestamp, usize) {
        (self.id, self.attempted_at, self.secret_index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn accepts_only_one_text_for_each_mac() {
        let bytes: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(parse_signature(format!("v1,{MAC}").as_bytes()), Some(words(&bytes)));
        for invalid in [
            MAC.to_owned(),
            format!("V1,{MAC}"),
            format!("v1a,{MAC}"),
            format!("v2,{MAC}"),
            format!(",{MAC}"),
            format!("v1{MAC}"),
            format!("v1, {MAC}"),
            format!("v1,{MAC}="),
            format!("v1,{MAC},"),
            format!("v1,{}", &MAC[..43]),
            format!("v1,{}9=", &MAC[..42]),
            "v1".to_owned(),
            "v1,".to_owned(),
            String::new(),
        ] {
            assert_eq!(parse_signature(invalid.as_bytes()), None, "{invalid}");
        }
    }
}
