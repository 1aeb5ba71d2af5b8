//! Verification of deliveries: signing secrets, signature headers and the verifier.

mod error;
mod headers;
mod secret;
mod secret_error;
mod secret_text;
mod sign;
mod signature_header;
mod verification;
mod verifier;

pub use error::{VerifyError, VerifyErrorKind};
pub use headers::HeaderFields;
pub use secret::SigningSecret;
pub use secret_error::{SecretError, SecretErrorKind};
pub use sign::SignedHeaders;
pub use signature_header::{HeaderFamily, SignatureHeader};
pub use verification::{Verification, Verified};
pub use verifier::{AcceptedHeaders, Verifier, VerifierBuilder};
