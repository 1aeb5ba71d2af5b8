use clerk_webhook_core::Handlers;
use clerk_webhook_core::event::marker::UserCreated;

fn main() {
    let _ = Handlers::<()>::builder().on(UserCreated, "joined").build();
}
