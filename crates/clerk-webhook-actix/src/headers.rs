use actix_web::http::header::HeaderMap;
use clerk_webhook_core::HeaderFields;

/// The headers of a request in the map type of Actix.
pub(crate) struct Headers<'r>(pub(crate) &'r HeaderMap);

impl HeaderFields for Headers<'_> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
    }
}
