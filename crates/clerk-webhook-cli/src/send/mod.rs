//! Sends deliveries: the endpoint, the client, what a response shows, and Svix's reaction to it.

pub(crate) mod answer_report;
pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod evidence;
pub(crate) mod svix;
