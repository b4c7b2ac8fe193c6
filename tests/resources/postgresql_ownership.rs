//! The life of `entradb_postgresql_ownership`: objects move, applications keep working, and everything finds back.

mod access;
mod bench;
mod busy;
mod every_kind;
mod failed;
mod killed;
mod life;
mod migrating;
mod noted;
mod owners;
mod reassign;
mod reverted;
mod running;
mod twins;
mod views;
