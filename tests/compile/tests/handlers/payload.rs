use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::event::payload::DeletedObject;
use clerk_webhook_core::{Context, Failure, Handlers};

async fn left(_user: DeletedObject, _cx: Context) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    let _ = Handlers::<()>::builder().on(UserCreated, left).build();
}
