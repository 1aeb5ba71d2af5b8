use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::event::payload::User;
use clerk_webhook_core::{Context, Failure, Handlers};

async fn joined(_user: &User, _cx: Context) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    let _ = Handlers::<()>::builder().on(UserCreated, joined).build();
}
