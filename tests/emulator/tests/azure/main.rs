//! The emulator held against what Azure's documentation and recorded traffic show.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so where it stands")]

mod administrators;
mod authentication;
mod client;
mod faults;
mod federation;
mod graph;
mod identities;
mod lifecycle;
mod login;
mod mysql;
mod principals;
mod shapes;
mod sign_in;
mod sql;
mod strictness;
mod targets;
mod tokens;
