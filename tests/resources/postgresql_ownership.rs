//! The life of `entradb_postgresql_ownership`: objects move, applications keep working, and everything finds back.

#![expect(
    clippy::disallowed_methods,
    reason = "the eyes of a test are no session of the provider"
)]

mod access;
mod bench;
mod busy;
mod every_kind;
mod life;
