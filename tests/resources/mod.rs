//! The life of each resource, on the emulated Azure: a file each.

mod managed_identity;
