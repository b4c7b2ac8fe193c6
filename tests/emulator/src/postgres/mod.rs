//! Real PostgreSQL servers behind a token-checking front. It does not know Azure Resource Manager.

pub(crate) mod bootstrap;
pub(crate) mod credentials;
pub(crate) mod find;
pub(crate) mod front;
pub(crate) mod pooler;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod server;
pub(crate) mod statements;
pub(crate) mod wire;
