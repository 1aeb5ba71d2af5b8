//! The example receives what the official libraries of other languages sign and send.

use clerk_webhook_tests::clients::{Example, official_clients};

#[test]
fn the_official_clients_are_answered_right() {
    let example = Example::start(env!("CARGO_BIN_EXE_example-warp"));
    for client in official_clients("receiving from the official clients") {
        example.check(&client);
    }
}

#[test]
fn a_missing_secret_is_said_in_one_line() {
    Example::assert_names_missing_secret(env!("CARGO_BIN_EXE_example-warp"));
}
