//! The one test binary: the provider as Terraform sees it, and the rules of the codebase.

mod harness;
mod pages;
mod registry;
mod resources;
mod terraform;
mod tidy;
mod wire;
