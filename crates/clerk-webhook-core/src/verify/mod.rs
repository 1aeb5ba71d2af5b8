//! Secrets and signatures: who may deliver, and how that is decided.

mod headers;
mod secret;
mod sign;
mod verification;
mod verifier;

pub use headers::{HeaderFamily, HeaderFields, SignatureHeader};
pub use secret::{SecretError, SecretErrorKind, SigningSecret};
pub use sign::SignedHeaders;
pub use verification::{Verification, Verified};
pub use verifier::{AcceptedHeaders, Verifier, VerifierBuilder};
