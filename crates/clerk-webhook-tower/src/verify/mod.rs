//! Verifies deliveries before a service receives them.

mod body;
mod future;
mod layer;
mod refusal;
mod service;
mod timeout;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::VerifyWebhookLayer;
pub use refusal::{DefaultRefusal, RefusalResponse};
pub use service::VerifyWebhook;
pub use timeout::{NoTimeout, ReadTimeout};
