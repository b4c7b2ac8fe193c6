//! What Azure puts into a new server: its roles, who owns `public`, its system databases, the Entra functions.
//! It does not know how a server is reached.

use tokio_postgres::Client;

use crate::error::{Context, Result};

/// The password administrator of the server.
pub(crate) const ADMINISTRATOR: &str = "pgadmin";

const FUNCTIONS: &str = include_str!("functions.sql");

const DROP_FUNCTIONS: &str = "
drop function if exists pg_catalog.pgaadauth_create_principal_with_oid(text, text, text, boolean, boolean);
drop function if exists pg_catalog.pgaadauth_create_principal(text, boolean, boolean);
drop function if exists pg_catalog.pgaadauth_update_principal_with_oid(text, text, text, boolean, boolean);
drop function if exists pg_catalog.pgaadauth_list_principals(boolean);
";

/// The server's roles, and `template1` as every later database is to be.
pub(crate) async fn template(client: &Client, password: &str) -> Result<()> {
    let statements = format!(
        "create role azure_pg_admin nologin;
         create role replication nologin replication;
         grant pg_monitor, pg_signal_backend to azure_pg_admin;
         create role {ADMINISTRATOR} login createrole createdb in role azure_pg_admin password {};
         alter schema public owner to azure_pg_admin;
         alter database template1 owner to azure_pg_admin;
         alter database postgres owner to azure_pg_admin;",
        literal(password)
    );
    client
        .batch_execute(&statements)
        .await
        .context("the server's roles cannot be made")
}

/// Databases of the platform and of the user.
pub(crate) async fn databases(client: &Client, names: &[String]) -> Result<()> {
    for name in ["azure_sys", "azure_maintenance"] {
        client
            .batch_execute(&format!("create database {name} owner azuresu"))
            .await
            .context("a system database cannot be made")?;
        client
            .batch_execute(&format!("revoke connect, temporary on database {name} from public"))
            .await
            .context("a system database cannot be closed")?;
    }
    for name in names {
        create_database(client, name).await?;
    }
    Ok(())
}

/// A database as ARM makes it: the password administrator owns it, `azure_pg_admin` owns its `public`.
pub(crate) async fn create_database(client: &Client, name: &str) -> Result<()> {
    let statement = format!("create database {} owner {ADMINISTRATOR}", identifier(name));
    client
        .batch_execute(&statement)
        .await
        .context(format!("database `{name}` cannot be made"))
}

/// What the platform keeps in database `postgres`: its copy of the directory.
pub(crate) async fn directory(client: &Client) -> Result<()> {
    let statements = "alter schema public owner to azure_pg_admin;
        set allow_system_table_mods = on;
        create table pg_catalog.pgaadauth_directory (
            object_id text primary key, name text not null, kind text not null, hidden bigint not null default 0);
        revoke all on pg_catalog.pgaadauth_directory from public;";
    client
        .batch_execute(statements)
        .await
        .context("the copy of the directory cannot be made")
}

/// The functions exist only while Entra authentication is switched on; what the platform itself needs stays.
pub(crate) async fn functions(client: &Client, enabled: bool, tenant: &str) -> Result<()> {
    let functions = FUNCTIONS.replace("{tenant}", tenant);
    let removal = if enabled { "" } else { DROP_FUNCTIONS };
    client
        .batch_execute(&format!("set allow_system_table_mods = on; {functions} {removal}"))
        .await
        .context("the Entra functions cannot be made or removed")
}

/// A name as SQL writes it.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL writes it; `standard_conforming_strings` is on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
