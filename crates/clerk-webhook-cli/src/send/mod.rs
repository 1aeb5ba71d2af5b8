//! Sending deliveries: the endpoint, the client, and what Svix does with an answer.

pub(crate) mod answer_report;
pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod svix;
