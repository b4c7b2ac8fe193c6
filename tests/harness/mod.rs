//! Speaks the provider protocol as Terraform does, and refuses what Terraform would refuse.
//!
//! ```ignore
//! let provider = Plugin::start(&[("TF_LOG", "TRACE")]).await;
//! provider.configure(config! {}).await;
//! let users = provider.resource("entradb_postgresql_user");
//! let mut user = users.create(config! { "server" => "…", "name" => "app" }).await;
//! user.settled().await;
//! user.update(config! { "server" => "…", "name" => "other" }).await;
//! user.destroy().await;
//! ```

pub mod apply;
pub mod azure;
pub mod calls;
pub mod core_rules;
pub mod instance;
mod kettle;
pub mod message;
pub mod plugin;
pub mod process;
pub mod resource;
pub mod schema;

/// What a configuration says, as an `Object`: what is left out is filled in by the schema.
#[macro_export]
macro_rules! config {
    ($($name:expr => $value:expr),* $(,)?) => {
        ::entradb::protocol::value::Object::from([
            $(($name.to_owned(), ::entradb::protocol::value::Value::from($value)),)*
        ])
    };
}

/// A nested block, map or object inside a `config!`.
#[macro_export]
macro_rules! block {
    ($($name:expr => $value:expr),* $(,)?) => {
        ::entradb::protocol::value::Value::Map($crate::config! { $($name => $value),* })
    };
}
