//! `entradb_postgresql_role_membership`

mod grants;
mod sight;
mod work;

use crate::azure::resource_id::ResourceId;
use crate::model;
use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::typed::{Computed, Timeouts};
use crate::protocol::value::{Object, Value};
use crate::provider::context::Context;
use crate::provider::import::Parts;
use crate::provider::plan::Plan;
use crate::provider::postgresql::Postgresql;
use crate::provider::resource::Resource;
use crate::provider::server::Server;
use crate::resources::postgresql::found_role::{find, known_number};
use crate::resources::postgresql::role_membership::grants::Options;
use crate::resources::postgresql::role_membership::work::Work;
use crate::resources::postgresql::role_name::is_platform_name;
use crate::sql::statement::Name;

model! {
    /// The membership of one role in another on a PostgreSQL server: the member has what the role has, its ownership included.
    ///
    /// Roles are found by their numbers, so a renamed role is still the same member. From version 16 on each grantor has a grant of its own; what
    /// this resource shows is what all of them give together, and destroying it takes back every grant that the signed-in role may take back.
    ///
    /// A membership that exists already, exactly as configured, is taken over with a warning, and destroying this resource then ends it. One with other
    /// options is an error that names the import command.
    pub struct PostgresqlRoleMembership {
        /// The server: its ARM ID or its host name, with a port where that is not 5432 (`…:6432` for PgBouncer). Both spellings are the same server.
        #[replace]
        pub server: Server,
        /// The role that the member belongs to. When it changes, the member gets the new role before it loses the former one.
        pub role: Name,
        /// The role that becomes a member: a user or another role. When it changes, the new member gets the role before the former one loses it.
        pub member: Name,
        /// Whether the member may grant the role to others.
        #[default(false)]
        pub admin_option: bool,
        /// Whether the member has the privileges of the role without `SET ROLE`. `false` needs version 16; before that, the member's own `inherit` decides.
        #[default(true)]
        pub inherit_option: bool,
        /// Whether the member may become the role with `SET ROLE`, and so own things as the role. `false` needs version 16.
        #[default(true)]
        pub set_option: bool,
        /// The number (`oid`) of the role, which stays when its name changes.
        #[stable]
        pub role_oid: Computed<String>,
        /// The number (`oid`) of the member, which stays when its name changes.
        #[stable]
        pub member_oid: Computed<String>,
        /// The ARM ID of the server, when the server was given by it.
        #[stable]
        pub server_id: Computed<Option<ResourceId>>,
        /// The host name of the server.
        #[stable]
        pub host: Computed<String>,
        pub timeouts: Timeouts,
    }
}

impl Resource for PostgresqlRoleMembership {
    const NAME: &'static str = "entradb_postgresql_role_membership";
    const IDENTITY: &'static [&'static str] = &["server", "role", "member"];

    fn validate(config: &Object) -> Vec<Diagnostic> {
        let text = |name: &str| config.get(name).and_then(Value::as_str);
        let mut mistakes = Vec::new();
        if let Some(role) = text("role").filter(|role| is_platform_name(role)) {
            let detail = format!(
                "Nobody but Azure makes members of `{role}`. Administrators are made by `administrator` of `entradb_postgresql_user`, or by \
                 `entradb_entra_admin`."
            );
            mistakes.push(Diagnostic::error("Belongs to the platform", detail).at("role"));
        }
        if let (Some(role), Some(member)) = (text("role"), text("member"))
            && role == member
        {
            let detail = format!("`{role}` cannot be a member of itself.");
            mistakes.push(Diagnostic::error("Circular membership", detail).at("member"));
        }
        mistakes
    }

    async fn plan(plan: &mut Plan, _cx: &Context) -> Result<()> {
        Server::plan(plan);
        for (name, oid) in [("role", "role_oid"), ("member", "member_oid")] {
            if plan.changes(name) {
                plan.unknown(oid);
            }
        }
        Ok(())
    }

    async fn create(self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let work = Work {
            model: &self,
            server: &server,
        };
        let made = work.make().await?;
        if made.found {
            let detail = format!(
                "{} was a member of {} already, exactly as configured; it is managed by Terraform from now on.",
                self.member, self.role
            );
            cx.warn("Found already", detail);
        }
        Ok(made.state)
    }

    async fn read(self, cx: &Context) -> Result<Option<Self>> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(None);
        };
        let catalog = server.catalog().await?;
        let role = find(&catalog, self.role_oid.get(), &self.role);
        let member = find(&catalog, self.member_oid.get(), &self.member);
        let (Some(role), Some(member)) = (role, member) else {
            return Ok(None);
        };
        let options = grants::of_catalog(catalog.grants_of(role.oid, member.oid));
        Ok(options.map(|options| self.as_found((role.oid, &role.name), (member.oid, &member.name), options, &server)))
    }

    async fn update(self, prior: Self, cx: &Context) -> Result<Self> {
        let server = cx.existing_postgresql(&self.server).await?;
        let work = Work {
            model: &self,
            server: &server,
        };
        let changed = work.change(&prior).await?;
        tell_who_else(cx, &changed.left);
        Ok(changed.state)
    }

    async fn delete(self, cx: &Context) -> Result<()> {
        let Some(server) = cx.postgresql(&self.server).await? else {
            return Ok(());
        };
        let role = known_number(self.role_oid.get(), Some(&self.role))?;
        let member = known_number(self.member_oid.get(), Some(&self.member))?;
        let work = Work {
            model: &self,
            server: &server,
        };
        tell_who_else(cx, &work.end(role, member).await?);
        Ok(())
    }

    async fn import(parts: &Parts, _cx: &Context) -> Result<Self> {
        Ok(Self {
            server: parts.parse("server")?,
            role: parts.parse("role")?,
            member: parts.parse("member")?,
            admin_option: false,
            inherit_option: true,
            set_option: true,
            role_oid: Computed::UNKNOWN,
            member_oid: Computed::UNKNOWN,
            server_id: Computed::UNKNOWN,
            host: Computed::UNKNOWN,
            timeouts: Timeouts::default(),
        })
    }
}

/// A membership that ended for us, and does not end as long as others grant it too.
fn tell_who_else(cx: &Context, left: &[String]) {
    if !left.is_empty() {
        let detail = format!(
            "From version 16 on, only the role that granted a membership, or one that has its privileges, can take it back. What the signed-in role may take \
             back was taken back; this is left:\n\n{}",
            left.join("\n")
        );
        cx.warn("Still a member by another grant", detail);
    }
}

impl PostgresqlRoleMembership {
    fn options(&self) -> Options {
        Options {
            admin: self.admin_option,
            inherit: self.inherit_option,
            set: self.set_option,
        }
    }

    fn as_found(&self, role: (u32, &Name), member: (u32, &Name), options: Options, server: &Postgresql<'_>) -> Self {
        Self {
            role: role.1.clone(),
            member: member.1.clone(),
            admin_option: options.admin,
            inherit_option: options.inherit,
            set_option: options.set,
            role_oid: role.0.to_string().into(),
            member_oid: member.0.to_string().into(),
            server_id: server.id.clone().into(),
            host: server.host.to_string().into(),
            ..self.clone()
        }
    }
}
