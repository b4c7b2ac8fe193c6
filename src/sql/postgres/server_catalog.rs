//! A snapshot of what all databases of a server share: roles, memberships, databases, who depends on whom.
//!
//! Four statements, sent together: a refresh of any number of roles costs one round trip.

use crate::sql::error::Error;
use crate::sql::postgres::acl::{Acl, acl_text};
use crate::sql::postgres::label::Label;
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::session::Session;
use crate::sql::statement::Name;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// From this version on a membership has options, stands once for each grantor and hangs on that one, and it takes the ADMIN option to grant it.
pub const OPTIONS: u32 = 16;

/// The snapshot.
#[derive(Clone, Debug, Default)]
pub struct ServerCatalog {
    /// The server's major version.
    pub version: u32,
    /// The role that is logged in.
    pub current_role: u32,
    /// All roles, by number.
    pub roles: BTreeMap<u32, Role>,
    /// Who is a member of what; from version 16 on once for each grantor.
    pub memberships: Vec<Membership>,
    /// All databases, by number.
    pub databases: BTreeMap<u32, Database>,
    /// How much in which database hangs on which role.
    pub dependencies: Vec<Dependency>,
    pub(crate) role_numbers: HashMap<String, u32>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its number, which stays when the name changes.
    pub oid: u32,
    /// Its name.
    pub name: Name,
    /// `LOGIN`.
    pub login: bool,
    /// `SUPERUSER`.
    pub superuser: bool,
    /// `INHERIT`.
    pub inherit: bool,
    /// `CREATEROLE`.
    pub create_role: bool,
    /// `CREATEDB`.
    pub create_database: bool,
    /// `REPLICATION`.
    pub replication: bool,
    /// `BYPASSRLS`.
    pub bypass_row_security: bool,
    /// `CONNECTION LIMIT`; `None` is no limit.
    pub connection_limit: Option<u32>,
    /// `VALID UNTIL`, as the server prints it.
    pub valid_until: Option<String>,
    /// `ALTER ROLE … SET`, in all databases.
    pub settings: BTreeMap<String, String>,
    /// `ALTER ROLE … IN DATABASE … SET`, by number of the database.
    pub database_settings: BTreeMap<u32, BTreeMap<String, String>>,
    /// `COMMENT ON ROLE`.
    pub comment: Option<String>,
    /// The label of provider `pgaadauth`, as it stands there.
    pub label: Option<String>,
}

impl Role {
    /// The Entra identity that it is bound to; `None` without a label, and with one that is not Azure's form.
    #[must_use]
    pub fn binding(&self) -> Option<Label> {
        self.label.as_deref().and_then(|label| label.parse().ok())
    }

    /// One that may log in, and nothing else: what tests begin with.
    #[cfg(test)]
    pub(crate) fn plain(oid: u32, name: &str) -> Role {
        Role {
            oid,
            name: Name::from_catalog(name),
            login: true,
            superuser: false,
            inherit: true,
            create_role: false,
            create_database: false,
            replication: false,
            bypass_row_security: false,
            connection_limit: None,
            valid_until: None,
            settings: BTreeMap::new(),
            database_settings: BTreeMap::new(),
            comment: None,
            label: None,
        }
    }
}

/// One grant of a role to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The role that was granted.
    pub role: u32,
    /// Who is a member of it.
    pub member: u32,
    /// Who granted it.
    pub grantor: u32,
    /// `WITH ADMIN`.
    pub admin: bool,
    /// `WITH INHERIT`; `None` before version 16, where the member's own `INHERIT` decides.
    pub inherit: Option<bool>,
    /// `WITH SET`; `None` before version 16, where every member may `SET ROLE`.
    pub set: Option<bool>,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Its number.
    pub oid: u32,
    /// Its name.
    pub name: Name,
    /// Its owner's number.
    pub owner: u32,
    /// Whether anybody may connect.
    pub allows_connections: bool,
    /// Whether it is a template.
    pub template: bool,
    /// Its access list; `None` while nothing was granted or revoked.
    pub acl: Option<Acl>,
}

/// Why something depends on a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependencyKind {
    /// The role owns it.
    Owner,
    /// The role stands in its access list.
    Privilege,
    /// The role stands in a row security policy.
    Policy,
}

impl DependencyKind {
    /// By the letter of `pg_shdepend`.
    #[must_use]
    pub fn read(letter: &str) -> Self {
        match letter {
            "o" => Self::Owner,
            "a" => Self::Privilege,
            _ => Self::Policy,
        }
    }
}

/// How many objects of one class depend on a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The role.
    pub role: u32,
    /// The database that the objects are in; `None` for what databases share, such as databases themselves.
    pub database: Option<u32>,
    /// The catalogue of the objects, by number.
    pub class: u32,
    /// In which way they depend.
    pub kind: DependencyKind,
    /// How many.
    pub count: u64,
}

pub(crate) const ROLES: &str = "SELECT r.oid, r.rolname, r.rolcanlogin, r.rolsuper, r.rolinherit, r.rolcreaterole, \
     r.rolcreatedb, r.rolreplication, r.rolbypassrls, r.rolconnlimit, r.rolvaliduntil::text AS until, \
     ARRAY(SELECT s.setdatabase::text || ':' || c FROM pg_catalog.pg_db_role_setting s, \
           pg_catalog.unnest(s.setconfig) c WHERE s.setrole = r.oid) AS settings, \
     pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment, l.label, r.rolname = current_user AS us \
     FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_shseclabel l \
     ON l.objoid = r.oid AND l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND l.provider = 'pgaadauth'";

/// The options of version 16 are read by name out of the row's JSON, which other versions lack without an error.
const MEMBERSHIPS: &str = "SELECT m.roleid, m.member, m.grantor, m.admin_option, \
     (pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean, (pg_catalog.to_jsonb(m) ->> 'set_option')::boolean \
     FROM pg_catalog.pg_auth_members m ORDER BY m.roleid, m.member, m.grantor";

const DATABASES: &str = concat!(
    "SELECT d.oid, d.datname, d.datdba, d.datallowconn, d.datistemplate, ",
    acl_text!("d.datacl"),
    " FROM pg_catalog.pg_database d"
);

const DEPENDENCIES: &str = "SELECT s.refobjid, s.dbid, s.classid, s.deptype, pg_catalog.count(*) \
     FROM pg_catalog.pg_shdepend s WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass \
     AND s.deptype IN ('o', 'a', 'r') GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";

impl ServerCatalog {
    /// What it takes to read the snapshot, to be asked together.
    pub const QUESTIONS: [Question; 4] = [
        Question::constant(ROLES, "ntbbbbbbbntlttb"),
        Question::constant(MEMBERSHIPS, "nnnbbb"),
        Question::constant(DATABASES, "ntnbbl"),
        Question::constant(DEPENDENCIES, "nnntn"),
    ];

    /// Reads the snapshot; any database of the server will do.
    pub async fn load(session: &Session) -> Result<ServerCatalog, Error> {
        let ask = |question: &Question| session.query(question.statement().template(), &[]);
        let [roles, memberships, databases, dependencies] = &Self::QUESTIONS;
        let (roles, memberships, databases, dependencies) =
            tokio::try_join!(ask(roles), ask(memberships), ask(databases), ask(dependencies))?;
        ServerCatalog::of(session.version(), &[roles, memberships, databases, dependencies])
    }

    /// The snapshot, from the answers to [`ServerCatalog::QUESTIONS`] in their order; those that were not asked are left out.
    pub fn of(version: u32, answers: &[Vec<Row>]) -> Result<ServerCatalog, Error> {
        let rows = |place: usize| answers.get(place).map_or(&[][..], Vec::as_slice);
        let [roles, memberships, databases, dependencies] = [0, 1, 2, 3].map(rows);
        let mut catalog = ServerCatalog {
            version,
            ..ServerCatalog::default()
        };
        for row in roles {
            let role = role(row)?;
            if row.bool(14)? {
                catalog.current_role = role.oid;
            }
            catalog.role_numbers.insert(role.name.as_str().to_owned(), role.oid);
            catalog.roles.insert(role.oid, role);
        }
        catalog.memberships = memberships.iter().map(membership).collect::<Result<_, _>>()?;
        for row in databases {
            let database = database(row)?;
            catalog.databases.insert(database.oid, database);
        }
        catalog.dependencies = dependencies.iter().map(dependency).collect::<Result<_, _>>()?;
        Ok(catalog)
    }

    /// The role of this name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.role_numbers.get(name).and_then(|oid| self.roles.get(oid))
    }

    /// The name of a role; a role made since the snapshot has none.
    #[must_use]
    pub fn role_name(&self, oid: u32) -> Option<&Name> {
        self.roles.get(&oid).map(|role| &role.name)
    }

    /// The database of this name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.values().find(|database| database.name.as_str() == name)
    }

    /// The role itself and all whose privileges it has without `SET ROLE`.
    #[must_use]
    pub fn inherited_by(&self, member: u32) -> BTreeSet<u32> {
        self.reach(member, |membership| {
            let own = self.roles.get(&membership.member).is_some_and(|role| role.inherit);
            membership.inherit.unwrap_or(own)
        })
    }

    /// The role itself and all that it may become with `SET ROLE`.
    #[must_use]
    pub fn assumable_by(&self, member: u32) -> BTreeSet<u32> {
        self.reach(member, |membership| membership.set.unwrap_or(true))
    }

    /// The role itself and all that it is a member of, in whatever way: what would make a circle.
    #[must_use]
    pub fn memberships_of(&self, member: u32) -> BTreeSet<u32> {
        self.reach(member, |_| true)
    }

    /// The grants of one role to another; from version 16 on there is one for each grantor.
    #[must_use]
    pub fn grants_of(&self, role: u32, member: u32) -> &[Membership] {
        // The catalogue is read in this order.
        let pair = |one: &Membership| (one.role, one.member);
        let begin = self.memberships.partition_point(|one| pair(one) < (role, member));
        let length = self.memberships[begin..].partition_point(|one| pair(one) == (role, member));
        &self.memberships[begin..begin + length]
    }

    /// Few members are in many roles, so each step looks through all memberships rather than index them first.
    fn reach(&self, from: u32, passes: impl Fn(&Membership) -> bool) -> BTreeSet<u32> {
        let (mut reached, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(member) = open.pop() {
            let granted = self
                .memberships
                .iter()
                .filter(|membership| membership.member == member && passes(membership));
            open.extend(
                granted
                    .map(|membership| membership.role)
                    .filter(|role| reached.insert(*role)),
            );
        }
        reached
    }
}

pub(crate) fn role(row: &Row) -> Result<Role, Error> {
    let mut settings: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
    for entry in row.list(11)? {
        let parts = entry.split_once(':').and_then(|(database, setting)| {
            let (name, value) = setting.split_once('=')?;
            Some((database.parse().ok()?, name.to_owned(), value.to_owned()))
        });
        if let Some((database, name, value)) = parts {
            settings.entry(database).or_default().insert(name, value);
        }
    }
    Ok(Role {
        oid: row.oid(0)?,
        name: Name::from_catalog(row.text(1)?),
        login: row.bool(2)?,
        superuser: row.bool(3)?,
        inherit: row.bool(4)?,
        create_role: row.bool(5)?,
        create_database: row.bool(6)?,
        replication: row.bool(7)?,
        bypass_row_security: row.bool(8)?,
        connection_limit: u32::try_from(row.number(9)?).ok(),
        valid_until: row.optional_text(10)?.map(Into::into),
        // The number 0 stands for "in all databases".
        settings: settings.remove(&0).unwrap_or_default(),
        database_settings: settings,
        comment: row.optional_text(12)?.map(Into::into),
        label: row.optional_text(13)?.map(Into::into),
    })
}

fn membership(row: &Row) -> Result<Membership, Error> {
    let option = |column| row.optional_bool(column);
    Ok(Membership {
        role: row.oid(0)?,
        member: row.oid(1)?,
        grantor: row.oid(2)?,
        admin: row.bool(3)?,
        inherit: option(4)?,
        set: option(5)?,
    })
}

fn database(row: &Row) -> Result<Database, Error> {
    Ok(Database {
        oid: row.oid(0)?,
        name: Name::from_catalog(row.text(1)?),
        owner: row.oid(2)?,
        allows_connections: row.bool(3)?,
        template: row.bool(4)?,
        acl: row.optional_list(5)?.map(Acl::parse).transpose()?,
    })
}

fn dependency(row: &Row) -> Result<Dependency, Error> {
    let kind = DependencyKind::read(row.text(3)?);
    let count = u64::try_from(row.number(4)?).unwrap_or_default();
    Ok(Dependency {
        role: row.oid(0)?,
        database: row.optional_oid(1)?,
        class: row.oid(2)?,
        kind,
        count,
    })
}
