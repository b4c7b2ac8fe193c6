//! Who is signed in, and how, on the emulated Azure: every way, with its failures. A file each.

mod azure_cli;
mod proxy;
mod relay;
