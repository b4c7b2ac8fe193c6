//! End to end: the real `terraform`, the real provider binary, the emulated Azure. Knows nothing of the provider's inside.

mod azure;
mod control_plane;
mod debugging;
mod following;
mod guide;
mod guides;
mod installing;
mod interrupted;
mod lifecycle;
mod refusals;
mod secrets;
mod side_by_side;
mod stack;
mod stumbling;
mod unknown;
pub mod workspace;
