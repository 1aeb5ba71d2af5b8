use std::rc::Rc;

use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::event::payload::User;
use clerk_webhook_core::{Context, Failure, Handlers};

async fn joined(_user: User, _cx: Context) -> Result<(), Failure> {
    let count = Rc::new(1);
    std::future::ready(()).await;
    drop(count);
    Ok(())
}

fn main() {
    let _ = Handlers::<()>::builder().on(UserCreated, joined).build();
}
