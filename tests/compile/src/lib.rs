//! Tests of programs that must not compile, with the expected compiler errors. See `tests/handlers.rs`.
