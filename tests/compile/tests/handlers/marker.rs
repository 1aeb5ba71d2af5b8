use clerk_webhook_core::{EventType, Handlers};

fn main() {
    let _ = Handlers::<()>::builder().on(EventType::UserCreated, |_, _| async { Ok(()) }).build();
}
