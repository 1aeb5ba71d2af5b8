//! Programs that must not compile, with what the compiler says of them, in `tests/handlers`.
