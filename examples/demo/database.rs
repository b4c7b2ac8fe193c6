//! The database as a password deployment leaves it, and who owns what in it. It looks with the platform's own eyes.

use std::collections::BTreeMap;

use entradb_emulator::Emulator;
use tokio_postgres::Client;

use crate::demo::application::login;
use crate::demo::console::{Context, Result};

pub(crate) const DATABASE: &str = "openmetadata_db";
pub(crate) const OLD_USER: &str = "openmetadata_user";

const CONTENT: &str = include_str!("openmetadata.sql");

/// Everything in the database that has an owner, without what extensions brought, and without the provider's own record of who owned what before.
const OWNERS: &str = "
with member as (select classid, objid from pg_depend where deptype = 'e'),
     object (kind, class, oid, name, owner) as (
        select case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
               'pg_class'::regclass, oid, format('%I.%I', relnamespace::regnamespace, relname), relowner
        from pg_class
        where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
          and relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        union all
        select case prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end,
               'pg_proc'::regclass, oid, oid::regprocedure::text, proowner
        from pg_proc where pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
        union all
        select case typtype when 'd' then 'domain' else 'type' end, 'pg_type'::regclass, oid, oid::regtype::text, typowner
        from pg_type
        where typnamespace::regnamespace::text !~ '^(pg_|information_schema)' and typcategory <> 'A'
          and (typrelid = 0 or exists (select from pg_class where oid = typrelid and relkind = 'c'))
          and typtype in ('d', 'e', 'c', 'r', 'b')
        union all
        select 'collation', 'pg_collation'::regclass, oid, collname, collowner
        from pg_collation where collnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        union all
        select 'text search configuration', 'pg_ts_config'::regclass, oid, cfgname, cfgowner
        from pg_ts_config where cfgnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        union all
        select 'statistics', 'pg_statistic_ext'::regclass, oid, stxname, stxowner from pg_statistic_ext
        union all
        select 'large object', 'pg_largeobject'::regclass, oid, oid::text, lomowner from pg_largeobject_metadata
        where not starts_with(coalesce(obj_description(oid, 'pg_largeobject'), ''), 'entradb_postgresql_ownership: ')
        union all
        select 'extension', 'pg_extension'::regclass, oid, extname, extowner from pg_extension where extname <> 'plpgsql')
select kind, name::text, pg_get_userbyid(owner)::text
from object where (class, oid) not in (select classid, objid from member)
order by 1, 2";

/// What somebody owns: kind and name, in order.
pub(crate) type Owners = BTreeMap<(String, String), String>;

/// Makes the user with the password and, as that user, everything that OpenMetadata would have made. Gives the password.
pub(crate) async fn deploy(emulator: &Emulator) -> Result<String> {
    let server = emulator.postgresql();
    let password = uuid::Uuid::new_v4().simple().to_string();
    let administrator = login(
        emulator,
        &server.administrator,
        &server.administrator_password,
        DATABASE,
    )
    .await?;
    let statements = format!(
        "create role {OLD_USER} login password '{password}';
         grant all on database {DATABASE} to {OLD_USER};
         grant all on schema public to {OLD_USER};"
    );
    administrator
        .batch_execute(&statements)
        .await
        .context("the user with the password")?;
    let application = login(emulator, OLD_USER, &password, DATABASE).await?;
    application
        .batch_execute(CONTENT)
        .await
        .context("the content of the database")?;
    Ok(password)
}

/// Who owns what, read past Entra and past the provider.
pub(crate) async fn owners(eyes: &Client) -> Result<Owners> {
    let rows = eyes.query(OWNERS, &[]).await.context("the owners")?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

/// Extensions stay with who made them: PostgreSQL has no statement that gives them away.
pub(crate) fn can_move(kind: &str) -> bool {
    kind != "extension"
}

/// One row for each kind: how many there are, and whose they were and are.
pub(crate) fn by_kind(before: &Owners, now: &Owners) -> Vec<Vec<String>> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, _) in now.keys() {
        *kinds.entry(kind).or_default() += 1;
    }
    let rows = kinds.into_iter().map(|(kind, count)| {
        vec![
            kind.to_owned(),
            count.to_string(),
            of_kind(before, kind),
            of_kind(now, kind),
        ]
    });
    rows.collect()
}

/// The owners of one kind, with numbers where there are several.
fn of_kind(owners: &Owners, kind: &str) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for ((of, _), owner) in owners {
        if of == kind {
            *counts.entry(owner).or_default() += 1;
        }
    }
    let several = counts.len() > 1;
    let named = counts.into_iter().map(|(owner, count)| match several {
        true => format!("{owner} ({count})"),
        false => owner.to_owned(),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// A single number.
pub(crate) async fn count(client: &Client, query: &str) -> Result<i64> {
    let row = client.query_one(query, &[]).await.context(format!("`{query}`"))?;
    Ok(row.get(0))
}
