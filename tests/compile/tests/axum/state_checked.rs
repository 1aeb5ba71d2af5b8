use axum::extract::FromRequest;
use clerk_webhook_axum::ClerkEvent;

struct AppState;

// The check that `#[axum::debug_handler(state = AppState)]` generates for the last argument of a handler.
fn check<M>()
where
    ClerkEvent: FromRequest<AppState, M>,
{
}

fn main() {
    check();
}
