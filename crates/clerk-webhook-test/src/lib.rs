//! A test kit for receivers of Clerk webhooks: signed deliveries, broken deliveries, fixtures and histories.
//!
//! Tests with this kit need no Clerk account, tunnel, network or recorded requests. Applications use the kit
//! through the `clerk-webhook` crate: enable its `test` feature in the dev-dependency, and import the kit
//! from `clerk_webhook::test`.
//!
//! ```
//! use clerk_webhook_core::{EventData, Verifier, VerifyErrorKind};
//! use clerk_webhook_test::{Delivery, SECRET, fixture};
//!
//! let verifier = Verifier::new(SECRET)?;
//!
//! // A valid delivery of an event, with one changed value.
//! let delivery = Delivery::of(fixture::user_created()).set("/data/first_name", "Grace");
//! let event = verifier.receive(&delivery.headers(), delivery.body())?;
//! let EventData::UserCreated(user) = event.data() else { panic!("{:?}", event.data()) };
//! assert_eq!(user.first_name.as_deref(), Some("Grace"));
//!
//! // The same delivery, changed after signing.
//! let forged = delivery.altered();
//! let error = verifier.verify(&forged.headers(), &forged.body()).unwrap_err();
//! assert_eq!(error.kind(), VerifyErrorKind::NoMatchingSignature);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Contents
//!
//! - [`Delivery`] is a signed request. Its methods change the event, the headers and the signature, or break
//!   the delivery in one way.
//! - [`fixture`] contains at least one event of each of the 46 event types.
//! - [`History`] creates consistent sequences of events about users, organizations and other objects, with
//!   the expected final state ([`Truth`]). Use it to test code that maintains a copy of Clerk's objects.
//! - `FakeBackendApi`, with the `backend-api` feature, serves the objects of a history as Clerk's Backend API does.
//!
//! # Sending a delivery
//!
//! | target | method |
//! |---|---|
//! | a verifier, or any HTTP client | [`Delivery::headers`] and [`Delivery::body`] |
//! | a handler, without HTTP | [`Delivery::event`] |
//! | Axum, Tower, hyper | `Delivery::http_request`, or `From` for another body type |
//! | Actix Web | `Delivery::actix_request` |
//! | Warp | `Delivery::warp_request` |
//! | a running server, from a terminal | [`Delivery::curl`] |
//!
//! The testing chapter of the `clerk-webhook` guide contains a test for each framework, and a table
//! of all ways to break a delivery.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `http` | yes | `Delivery::http_request` and conversions into `http::Request` |
//! | `actix` | no | `Delivery::actix_request`; requires Rust 1.89 because of Actix |
//! | `warp` | no | `Delivery::warp_request` |
//! | `backend-api` | no | `FakeBackendApi`, which serves a history's objects as Clerk's Backend API does |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "backend-api")]
mod backend_api;
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

#[cfg(feature = "backend-api")]
pub use backend_api::{Delay, FakeBackendApi, Fault, Faults};
pub use delivery::Delivery;
pub use history::{
    Arrivals, History, HistoryBuilder, HistoryEvent, HistoryStream, ObjectKind, Scenario, Truth,
};
pub use pointer::PointerError;

/// The default signing secret of deliveries. It is public, so use it only in tests.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Compiles the examples in the README.
#[cfg(all(doctest, feature = "http", feature = "actix", feature = "backend-api", feature = "warp"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
