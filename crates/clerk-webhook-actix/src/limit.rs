//! The limit on bodies that an application has set for Actix's own extractors.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use actix_web::test::TestRequest;
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{FromRequest as _, HttpRequest};
use clerk_webhook_core::ReceiveError;

/// What is known of the limit of a `PayloadConfig`, if the application has one.
///
/// It does not tell its limit, so Actix's own extractor is asked about lengths, as few as can be: it looks at the
/// length that a request claims before it reads anything.
pub(crate) struct ActixLimit<'r> {
    config: Option<&'r PayloadConfig>,
    content_type: Option<&'r HeaderValue>,
    /// The greatest length that it is known to accept, in bytes.
    accepted: usize,
    /// The smallest length that it is known to refuse.
    refused: Option<usize>,
}

impl<'r> ActixLimit<'r> {
    /// Finds the configuration where Actix does, but not the one that it assumes where there is none.
    pub(crate) fn of(request: &'r HttpRequest) -> Self {
        let shared = || request.app_data::<Data<PayloadConfig>>().map(Data::get_ref);
        let config = request.app_data().or_else(shared);
        Self { config, content_type: request.headers().get(CONTENT_TYPE), accepted: 0, refused: None }
    }

    /// Refuses a body with more bytes than the configuration allows.
    pub(crate) fn expect(&mut self, bytes: usize) -> Result<(), ReceiveError> {
        let Some(config) = self.config else { return Ok(()) };
        // A body that arrives byte by byte is asked about again and again, so every question halves what is open.
        while bytes > self.accepted {
            let question = match self.refused {
                Some(refused) if bytes >= refused => return Err(ReceiveError::body_too_large_upstream()),
                Some(refused) => bytes.max(self.accepted.midpoint(refused)),
                None => bytes.max(self.accepted.saturating_mul(2)),
            };
            if self.accepts(config, question) {
                self.accepted = question;
            } else {
                self.refused = Some(question);
            }
        }
        Ok(())
    }

    fn accepts(&self, config: &PayloadConfig, bytes: usize) -> bool {
        let mut question = TestRequest::default().app_data(config.clone());
        question = question.insert_header((CONTENT_LENGTH, bytes));
        if let Some(content_type) = self.content_type {
            question = question.insert_header((CONTENT_TYPE, content_type.clone()));
        }
        let request = question.to_http_request();
        let answer = pin!(Bytes::from_request(&request, &mut Payload::None));
        match answer.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => !matches!(error.as_error(), Some(PayloadError::Overflow)),
            // Without a body there is nothing to wait for.
            Poll::Ready(Ok(_)) | Poll::Pending => true,
        }
    }
}
