//! Whose objects we may grant on, and how: as a member of their owner, borrowed for the length of a transaction.
//! Knows no privilege.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::diagnostic::Result;
use crate::resources::postgresql::borrowed;
use crate::resources::postgresql::role_name::is_platform;
use crate::sql::postgres::server_catalog::{OPTIONS, ServerCatalog};
use crate::sql::statement::Statement;

/// The role whose members manage every ordinary role.
const ADMINISTRATORS: &str = "azure_pg_admin";

/// How we get to act for a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// We have its privileges already.
    Already,
    /// By becoming a member for a moment.
    Borrowed,
    /// The same, where only the server knows whether it lets us.
    Tried,
    /// Not at all.
    Never,
}

/// Who we are on a server, and for whom we may act.
pub struct Acting<'a> {
    server: &'a ServerCatalog,
    inherited: BTreeSet<u32>,
    assumable: BTreeSet<u32>,
    /// Whom we administer, by ADMIN OPTION.
    administered: BTreeSet<u32>,
    /// Who is a member of ours, in whatever way: we cannot become a member of these.
    members: BTreeSet<u32>,
    is_administrator: bool,
    /// Roles, by name, for which the server has refused to let us act.
    refused: &'a BTreeSet<String>,
}

impl<'a> Acting<'a> {
    /// As the role that is logged in.
    pub fn new(server: &'a ServerCatalog, refused: &'a BTreeSet<String>) -> Self {
        let me = server.current_role;
        let member_of = server.memberships_of(me);
        let inherited = server.inherited_by(me);
        // From version 16 on a grant is written down as that of a role whose privileges we have.
        let grantors = if server.version >= OPTIONS {
            &inherited
        } else {
            &member_of
        };
        let with_admin = server
            .memberships
            .iter()
            .filter(|grant| grant.admin && grantors.contains(&grant.member));
        Self {
            server,
            assumable: server.assumable_by(me),
            administered: with_admin.map(|grant| grant.role).collect(),
            members: members_of(server, me),
            is_administrator: server
                .role(ADMINISTRATORS)
                .is_some_and(|role| member_of.contains(&role.oid)),
            inherited,
            refused,
        }
    }

    /// Whether we are the owner of everything.
    pub fn is_superuser(&self) -> bool {
        let me = self.server.roles.get(&self.server.current_role);
        me.is_some_and(|me| me.superuser)
    }

    /// How we get to act for this role, with its privileges.
    pub fn reach(&self, owner: u32) -> Reach {
        self.reach_from(&self.inherited, owner)
    }

    /// How we get to speak in the name of this role, by `SET ROLE`.
    pub fn voice(&self, grantor: u32) -> Reach {
        self.reach_from(&self.assumable, grantor)
    }

    fn reach_from(&self, already: &BTreeSet<u32>, owner: u32) -> Reach {
        if already.contains(&owner) || self.is_superuser() {
            return Reach::Already;
        }
        let role = |number: u32| self.server.roles.get(&number);
        let (Some(me), Some(role)) = (role(self.server.current_role), role(owner)) else {
            return Reach::Never;
        };
        if is_platform(role) || (self.members.contains(&owner) && !borrowed::opens_circles(self.server)) {
            return Reach::Never;
        }
        if self.administered.contains(&owner) || (self.server.version < OPTIONS && me.create_role) {
            return Reach::Borrowed;
        }
        let may_try = self.is_administrator && !self.refused.contains(role.name.as_str());
        if may_try { Reach::Tried } else { Reach::Never }
    }

    /// The statement by which we become a member of the role.
    pub fn borrow(&self, role: u32) -> Option<Statement> {
        borrowed::borrow(self.server, [role]).ok()?.begin.pop()
    }

    /// Puts the memberships that the work needs around it: of owners, and of grantors in whose name something is taken back.
    ///
    /// # Errors
    /// None for the roles within our reach: what cannot be borrowed is out of it.
    pub fn wrap(
        &self,
        owners: &BTreeSet<u32>,
        grantors: &BTreeSet<u32>,
        work: Vec<Statement>,
    ) -> Result<Vec<Statement>> {
        let needed: BTreeSet<u32> = self
            .ways(owners, grantors)
            .filter(|(_, reach)| matches!(reach, Reach::Borrowed | Reach::Tried))
            .map(|(role, _)| role)
            .collect();
        let loan = borrowed::borrow(self.server, needed)?;
        Ok(loan.begin.into_iter().chain(work).chain(loan.end).collect())
    }

    /// Those of whom only the server knows whether we may act for them, by name.
    pub fn uncertain(&self, owners: &BTreeSet<u32>, grantors: &BTreeSet<u32>) -> BTreeMap<String, u32> {
        self.ways(owners, grantors)
            .filter(|(_, reach)| *reach == Reach::Tried)
            .filter_map(|(role, _)| Some((self.server.role_name(role)?.as_str().to_owned(), role)))
            .collect()
    }

    fn ways(&self, owners: &BTreeSet<u32>, grantors: &BTreeSet<u32>) -> impl Iterator<Item = (u32, Reach)> {
        let owners = owners.iter().map(|owner| (*owner, self.reach(*owner)));
        owners.chain(grantors.iter().map(|grantor| (*grantor, self.voice(*grantor))))
    }
}

/// The role and all its members, and theirs.
fn members_of(server: &ServerCatalog, role: u32) -> BTreeSet<u32> {
    let (mut found, mut open) = (BTreeSet::from([role]), vec![role]);
    while let Some(role) = open.pop() {
        let members = server.memberships.iter().filter(|grant| grant.role == role);
        open.extend(members.map(|grant| grant.member).filter(|member| found.insert(*member)));
    }
    found
}
