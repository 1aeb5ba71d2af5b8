use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::event::payload::User;
use clerk_webhook_core::{Context, Failure, Handlers};

struct Database;
struct Mailer;

async fn joined(_user: User, _cx: Context<Mailer>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    let _ = Handlers::<Database>::builder().on(UserCreated, joined).build();
}
