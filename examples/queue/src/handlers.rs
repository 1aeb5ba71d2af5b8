//! The handlers. They call services that may be slow or unavailable, so they must not be part of the request.

use std::{env, error::Error, time::Duration};

use bytes::Bytes;
use clerk_webhook::event::payload::{Organization, User};
use clerk_webhook::{Context, Failure};
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::time;

/// How long a service may take to respond.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The services that the handlers call.
#[derive(Clone)]
pub struct Services {
    mail: AsyncSmtpTransport<Tokio1Executor>,
    chat: Client<HttpConnector, Full<Bytes>>,
    chat_url: Uri,
}

impl Services {
    /// Reads SMTP_SERVER and CHAT_URL.
    pub fn from_env() -> Result<Self, Box<dyn Error>> {
        let server = env::var("SMTP_SERVER")
            .map_err(|_| "SMTP_SERVER is not set. Set it to the host and port of a mail server")?;
        let url = env::var("CHAT_URL")
            .map_err(|_| "CHAT_URL is not set. Set it to the URL that receives chat messages")?;
        let (host, port) =
            server.rsplit_once(':').ok_or_else(|| format!("SMTP_SERVER={server} has no port"))?;
        // Without TLS, because the mail server of this example runs on the same machine.
        let mail = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port.parse()?)
            .timeout(Some(TIMEOUT))
            .build();
        let chat = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { mail, chat, chat_url: url.parse()? })
    }
}

/// Sends a welcome email.
pub async fn welcome(user: User, cx: Context<Services>) -> Result<(), Failure> {
    let Some(address) = user.primary_email_address().and_then(|email| email.email_address.as_deref()) else {
        return Ok(());
    };
    // If the worker crashes after it has sent the email, it sends the email again. The same Message-ID lets
    // mail servers recognize the copy.
    let email = Message::builder()
        .message_id(Some(format!("<{}@example.com>", cx.message_id())))
        .from("Example <hello@example.com>".parse()?)
        .to(address.parse().map_err(Failure::abort_message)?)
        .subject("Welcome")
        .body("Your account is ready.".to_owned())?;
    match cx.state().mail.send(email).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_permanent() => Err(Failure::abort_message(error)),
        Err(error) => Err(Failure::retry(error)),
    }
}

/// Posts a chat message.
pub async fn announce(organization: Organization, cx: Context<Services>) -> Result<(), Failure> {
    let name = organization.name.as_deref().unwrap_or(&organization.id);
    // Real chat services post only one message for each key, even if this handler runs again.
    let request = Request::post(cx.state().chat_url.clone())
        .header("idempotency-key", cx.message_id().as_str())
        .body(Full::from(format!("{name} was created")))?;
    let response = time::timeout(TIMEOUT, cx.state().chat.request(request)).await??;
    match response.status().as_u16() {
        200..300 => Ok(()),
        429 => Err(Failure::retry_after(Duration::from_secs(60), "the chat service is overloaded")),
        status @ 400..500 => {
            Err(Failure::abort_message(format!("the chat service rejected the message: {status}")))
        }
        status => Err(Failure::retry(format!("the chat service failed: {status}"))),
    }
}
