//! Resources, tried against the emulator: a real server, and a small Azure around it.

mod postgresql_departure;
mod postgresql_role;
mod postgresql_user;
mod postgresql_user_principals;
mod world;
