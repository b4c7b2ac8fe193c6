//! The one test binary: the provider as Terraform sees it, and the rules of the codebase.

mod examples;
mod harness;
mod pages;
mod registry;
mod resources;
<<<<<<< HEAD
mod storms;
=======
mod sign_in;
>>>>>>> main
mod terraform;
mod tidy;
mod wire;
