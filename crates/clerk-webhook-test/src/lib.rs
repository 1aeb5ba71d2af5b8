//! Signed deliveries of Clerk webhooks for tests, without Clerk, a tunnel or a recorded request.
//!
//! ```
//! use clerk_webhook_core::{EventData, Verifier, VerifyErrorKind};
//! use clerk_webhook_test::{Delivery, SECRET, fixture};
//!
//! let verifier = Verifier::new(SECRET)?;
//!
//! let delivery = Delivery::of(fixture::user_created()).set("/data/first_name", "Grace");
//! let event = verifier.receive(&delivery.headers(), delivery.body())?;
//! let EventData::UserCreated(user) = event.data() else { panic!("{:?}", event.data()) };
//! assert_eq!(user.first_name.as_deref(), Some("Grace"));
//!
//! let forged = delivery.altered();
//! let error = verifier.verify(&forged.headers(), &forged.body()).unwrap_err();
//! assert_eq!(error.kind(), VerifyErrorKind::NoMatchingSignature);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The guide of `clerk-webhook` has a test for each web framework, and a table of the ways to break a
//! delivery.
//!
//! | for | there is |
//! |---|---|
//! | axum, Tower, hyper | `Delivery::http_request`, or `From` for a body of a certain type; feature `http`, on by default |
//! | Actix | `Delivery::actix_request`; feature `actix`, which needs Rust 1.89 as Actix does |
//! | Warp | `Delivery::warp_request`; feature `warp` |
//! | handlers without HTTP | [`event`](Delivery::event) |
//! | any other client | [`headers`](Delivery::headers) and [`body`](Delivery::body) |
//! | a terminal | [`curl`](Delivery::curl) |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod broken;
#[cfg(any(feature = "http", feature = "actix", feature = "warp"))]
mod convert;
mod curl;
mod delivery;
pub mod fixture;
mod grammar;
mod history;
mod id;
mod pointer;
mod tampering;

pub use delivery::Delivery;
pub use history::{
    Arrivals, History, HistoryBuilder, HistoryEvent, HistoryStream, ObjectKind, Scenario, Truth,
};
pub use pointer::PointerError;

/// The signing secret with which deliveries are signed unless they are given another one; it signs nothing
/// but tests.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The snippets of the README.
#[cfg(all(doctest, feature = "http", feature = "actix", feature = "warp"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
