use actix_web::http::header::HeaderMap;
use clerk_webhook_core::HeaderFields;

/// A request's headers in Actix's map type.
pub(crate) struct Headers<'r>(pub(crate) &'r HeaderMap);

impl HeaderFields for Headers<'_> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
    }
}
