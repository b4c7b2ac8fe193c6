//! Who is signed in, and how, on the emulated Azure: every way, with its failures. A file each.

mod application;
mod azure_cli;
mod certificate;
mod cluster;
mod machine;
mod program;
mod proxy;
mod relay;
mod tenants;
