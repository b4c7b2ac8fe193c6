//! The emulator held against what Azure's documentation and recorded traffic show.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so where it stands")]

mod administrators;
mod authentication;
mod client;
mod directory;
mod faults;
mod federation;
mod graph;
mod identities;
mod lifecycle;
mod login;
mod mysql;
mod parameters;
mod principals;
mod recordings;
mod server_identities;
mod shapes;
mod sign_in;
mod sql;
mod storms;
mod strictness;
mod targets;
mod tenants;
mod token_proxy;
mod tokens;
