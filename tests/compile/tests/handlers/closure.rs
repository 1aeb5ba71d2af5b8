use clerk_webhook_core::event::marker::UserCreated;
use clerk_webhook_core::event::payload::DeletedObject;
use clerk_webhook_core::{Context, Handlers};

fn main() {
    let _ = Handlers::<()>::builder()
        .on(UserCreated, |_user: DeletedObject, _cx: Context| async { Ok(()) })
        .build();
}
