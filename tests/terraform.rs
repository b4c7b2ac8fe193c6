//! End to end: the real `terraform`, the real provider binary, the emulated Azure. Knows nothing of the provider's inside.

mod azure;
mod interrupted;
mod lifecycle;
pub mod workspace;
