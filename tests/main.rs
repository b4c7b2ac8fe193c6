//! The one test binary: the provider as Terraform sees it, and the rules of the codebase.

mod examples;
mod harness;
mod pages;
mod registry;
mod resources;
mod sign_in;
mod storms;
mod terraform;
mod tidy;
mod wire;
