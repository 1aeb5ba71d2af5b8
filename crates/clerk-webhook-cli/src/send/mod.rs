//! Sends deliveries: the endpoint, the client, and Svix's reaction to a response.

pub(crate) mod answer_report;
pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod svix;
