//! The example accepts deliveries that the official libraries for other languages sign and send.

use clerk_webhook_tests::clients::{Example, official_clients};

#[test]
fn accepts_deliveries_of_the_official_clients() {
    let example = Example::start(env!("CARGO_BIN_EXE_example-rocket"));
    for client in official_clients("receiving from the official clients") {
        example.check(&client);
    }
}

#[test]
fn reports_a_missing_secret_in_one_line() {
    Example::assert_names_missing_secret(env!("CARGO_BIN_EXE_example-rocket"));
}
