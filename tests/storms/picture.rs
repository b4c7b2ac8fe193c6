//! Everything that a server remembers of roles, privileges and owners, as lines that can be compared.

use entradb_emulator::Emulator;
use tokio_postgres::Client;

/// What all databases share. Numbers are left out: what is made twice has two.
const SHARED: &str = "
    with grants as (select datname, datdba, a.* from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a)
    select string_agg(line, E'\\n' order by line) from (
      select format('role %s %s%s%s%s%s%s %s %s', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
                    rolreplication, rolconnlimit, rolvaliduntil) from pg_roles
      union all select format('setting %s %s %s', setrole::regrole, setdatabase, setconfig) from pg_db_role_setting
      union all select format('member %s', to_jsonb(m) - 'oid' - 'roleid' - 'member' - 'grantor'
                    || jsonb_build_object('role', roleid::regrole, 'member', member::regrole, 'by', grantor::regrole))
                from pg_auth_members m
      union all select format('label %s %s %s', objoid::regrole, provider, label) from pg_shseclabel
      union all select format('database %s of %s', datname, datdba::regrole) from pg_database
      union all select format('database %s to %s by %s: %s %s', datname, grantee::regrole, grantor::regrole, privilege_type,
                    is_grantable) from grants
    ) lines (line)";

/// What one database has. Rows for the toast and index of a table say nothing of their own.
const OWN: &str = "
    with things (what, owner, acl, class) as (
        select 'relation ' || oid::regclass, relowner, relacl, case relkind when 'S' then 's' else 'r' end::\"char\"
          from pg_class where relkind in ('r', 'p', 'f', 'v', 'm', 'S') and relowner <> 10
        union all select 'routine ' || oid::regprocedure, proowner, proacl, 'f' from pg_proc where proowner <> 10
        union all select 'type ' || oid::regtype, typowner, typacl, 'T' from pg_type
                  where typtype <> 'b' and typrelid = 0 and typowner <> 10
        union all select 'schema ' || nspname, nspowner, nspacl, 'n' from pg_namespace where nspowner <> 10)
    select string_agg(line, E'\\n' order by line) from (
      select format('%s of %s', what, owner::regrole) from things
      union all select format('%s to %s by %s: %s %s', what, g.grantee::regrole, g.grantor::regrole, g.privilege_type, g.is_grantable)
                from things, aclexplode(coalesce(acl, acldefault(class, owner))) g
      union all select format('large object of %s', lomowner::regrole) from pg_largeobject_metadata
      union all select format('column %s.%s: %s', attrelid::regclass, attname, attacl) from pg_attribute where attacl is not null
                and attrelid > 16384
      union all select format('default %s %s %s to %s by %s: %s %s', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype,
                g.grantee::regrole, g.grantor::regrole, g.privilege_type, g.is_grantable)
                from pg_default_acl, aclexplode(defaclacl) g
    ) lines (line)";

/// Sessions of clients that still hold something that others wait for.
const HOLDING: &str = "
    select count(*) from pg_stat_activity a where usename <> 'azuresu' and (state like 'idle in transaction%'
      or exists (select from pg_locks l where l.pid = a.pid and l.locktype = 'advisory'))";

/// The platform's superuser in each database that is looked at.
pub struct Eyes(Vec<(&'static str, Client)>);

impl Eyes {
    /// Opens them.
    pub async fn open(emulator: &Emulator, databases: &[&'static str]) -> Self {
        let mut eyes = Vec::new();
        for database in ["postgres"].iter().chain(databases) {
            eyes.push((*database, emulator.superuser(database).await));
        }
        Self(eyes)
    }

    /// The server as it is now.
    pub async fn picture(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, (database, client)) in self.0.iter().enumerate() {
            let query = if index == 0 { SHARED } else { OWN };
            let found: Option<String> = client.query_one(query, &[]).await.expect("a picture").get(0);
            let found = found.unwrap_or_default();
            lines.extend(found.lines().map(|line| format!("{database}: {line}")));
        }
        lines
    }

    /// Ends every session of a role.
    pub async fn terminate(&self, role: &str) {
        const END: &str = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1";
        self.0[0].1.query(END, &[&role]).await.expect("the superuser may");
    }

    /// How many sessions of clients hold an advisory lock or an open transaction.
    pub async fn holding(&self) -> i64 {
        self.0[0].1.query_one(HOLDING, &[]).await.expect("a count").get(0)
    }
}

/// What one picture has and the other has not.
pub fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let missing = expected
        .iter()
        .filter(|line| !found.contains(line))
        .map(|line| format!("- {line}"));
    let foreign = found
        .iter()
        .filter(|line| !expected.contains(line))
        .map(|line| format!("+ {line}"));
    missing.chain(foreign).collect()
}
