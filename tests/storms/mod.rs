//! What a provider lives through without harm: being killed at every statement, many others at once, and what stands
//! between it and a database.

mod at_once;
mod convergence;
mod logins;
pub mod picture;
mod pooler;
mod pooler_and_server;
mod proxies;
mod stage;
