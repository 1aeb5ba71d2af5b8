//! Sends deliveries: the endpoint, the client, and the reaction of Svix to a response.

pub(crate) mod answer_report;
pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod svix;
