//! The emulator held against what Azure's documentation and recorded traffic show.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so where it stands")]

mod client;
mod login;
