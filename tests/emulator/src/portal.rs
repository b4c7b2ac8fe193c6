//! What a person does and sees in Azure's portal, past ARM's HTTP: servers as they are now, and changes that no client
//! under test asked for. It does not know how Azure would be asked for it.

use serde_json::{Value, json};

use crate::Emulator;
use crate::arm::records::{self, Kind, Record};
use crate::arm::{mysql, replicas, servers, sql};
use crate::journal::{Request, hold};
use crate::postgres::server;

/// A database server that exists in Azure Resource Manager only: nobody can log in to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmServer {
    /// The ARM resource ID.
    pub id: String,
    /// The name in ARM.
    pub name: String,
    /// The host name that clients would use.
    pub fqdn: String,
}

/// The servers that every emulator starts with, beside the PostgreSQL server that runs.
#[derive(Clone, Debug)]
pub(crate) struct ArmServers {
    pub(crate) postgresql_replica: ArmServer,
    pub(crate) mysql: ArmServer,
    pub(crate) mysql_replica: ArmServer,
    pub(crate) sql_server: ArmServer,
    pub(crate) managed_instance: ArmServer,
}

impl ArmServer {
    pub(crate) fn of(record: &Record) -> ArmServer {
        ArmServer {
            id: record.id.clone(),
            name: record.name.clone(),
            fqdn: record.fqdn.clone(),
        }
    }
}

impl Emulator {
    /// The replica `pg-replica` of the first PostgreSQL server.
    #[must_use]
    pub fn postgresql_replica(&self) -> &ArmServer {
        &self.arm_servers.postgresql_replica
    }

    /// The MySQL flexible server `mysql-data`.
    #[must_use]
    pub fn mysql(&self) -> &ArmServer {
        &self.arm_servers.mysql
    }

    /// The replica `mysql-replica` of `mysql-data`.
    #[must_use]
    pub fn mysql_replica(&self) -> &ArmServer {
        &self.arm_servers.mysql_replica
    }

    /// The Azure SQL server `sql-data`.
    #[must_use]
    pub fn sql_server(&self) -> &ArmServer {
        &self.arm_servers.sql_server
    }

    /// The managed instance `mi-data`, with its public data endpoint on.
    #[must_use]
    pub fn managed_instance(&self) -> &ArmServer {
        &self.arm_servers.managed_instance
    }

    /// The body that a GET of this server answers now, for SQL with its administrator expanded.
    ///
    /// # Panics
    /// When there is no such server; so do the other functions here.
    #[must_use]
    pub fn server_properties(&self, id: &str) -> Value {
        let state = hold(&self.world.state);
        let key = id.to_ascii_lowercase();
        if let Some(server) = state.servers.get(&key) {
            return servers::json_of(&self.world, &state, server);
        }
        let record = state.records.get(&key).expect("the test names a server that exists");
        match record.kind {
            Kind::PostgresqlReplica => replicas::json_of(&self.world, &state, record),
            Kind::Mysql => mysql::json_of(&self.world, &state, record),
            Kind::Sql | Kind::ManagedInstance => sql::json_of(&self.world, &state, record),
        }
    }

    /// Changes what a GET of this server answers, by JSON pointer such as `/properties/network/publicNetworkAccess`.
    /// A later request that writes the same place undoes it. The two switches of a PostgreSQL server's `authConfig` and
    /// its `tenantId` are changed for logins too, but without the restart and the functions that Azure's switch brings.
    pub fn set_server_property(&self, id: &str, pointer: &str, value: Value) {
        let mut state = hold(&self.world.state);
        let key = id.to_ascii_lowercase();
        if let Some(server) = state.servers.get(&key) {
            let mut record = hold(&server.record);
            let on = value == json!("Enabled");
            match pointer {
                "/properties/authConfig/activeDirectoryAuth" => return record.entra = on,
                "/properties/authConfig/passwordAuth" => return record.password = on,
                "/properties/authConfig/tenantId" => return record.tenant = value.as_str().map(str::to_owned),
                _ => {}
            }
        } else {
            assert!(state.records.contains_key(&key), "the test names a server that exists");
        }
        let changes = state.overlays.entry(key).or_default();
        changes.retain(|(other, _)| other != pointer);
        changes.push((pointer.to_owned(), value));
    }

    /// Makes somebody an Entra administrator: the only one, or on PostgreSQL one more. `principal_type` is `User`,
    /// `Group`, `ServicePrincipal` (PostgreSQL) or `Application` (SQL). On PostgreSQL no role comes with it; there is
    /// [`Emulator::add_administrator`] for that. On MySQL the first attached identity looks it up.
    pub fn set_administrator(&self, server_id: &str, login: &str, sid: &str, principal_type: &str) {
        let mut state = hold(&self.world.state);
        let key = server_id.to_ascii_lowercase();
        let tenant = self.tenant_id().to_owned();
        if let Some(server) = state.servers.get(&key) {
            let kind = ["User", "Group", "ServicePrincipal"]
                .into_iter()
                .find(|one| *one == principal_type);
            let mut record = hold(&server.record);
            record.administrators.retain(|one| one.object_id != sid);
            record.administrators.push(server::Administrator {
                object_id: sid.to_owned(),
                name: login.to_owned(),
                kind: kind.expect("the test names one of ARM's types"),
                tenant,
            });
            return;
        }
        let record = state
            .records
            .get_mut(&key)
            .expect("the test names a server that exists");
        record.administrator = Some(records::Administrator {
            login: login.to_owned(),
            sid: sid.to_owned(),
            tenant,
            principal_type: principal_type.to_owned(),
            identity: record.identities.first().cloned(),
        });
    }

    /// Takes an Entra administrator away, by `sid` or object ID.
    pub fn remove_administrator(&self, server_id: &str, sid: &str) {
        let mut state = hold(&self.world.state);
        let key = server_id.to_ascii_lowercase();
        if let Some(server) = state.servers.get(&key) {
            return hold(&server.record).administrators.retain(|one| one.object_id != sid);
        }
        let record = state
            .records
            .get_mut(&key)
            .expect("the test names a server that exists");
        record.administrator.take_if(|one| one.sid == sid);
    }

    /// The Entra administrators of a server, as `{login, sid, tenantId, principalType}`, on MySQL with
    /// `identityResourceId`.
    #[must_use]
    pub fn administrators(&self, server_id: &str) -> Vec<Value> {
        let state = hold(&self.world.state);
        let key = server_id.to_ascii_lowercase();
        if let Some(server) = state.servers.get(&key) {
            let form = |one: &server::Administrator| json!({"login": one.name, "sid": one.object_id, "tenantId": one.tenant, "principalType": one.kind});
            return hold(&server.record).administrators.iter().map(form).collect();
        }
        let record = state.records.get(&key).expect("the test names a server that exists");
        let form = |one: &records::Administrator| {
            json!({
                "login": one.login, "sid": one.sid, "tenantId": one.tenant, "principalType": one.principal_type,
                "identityResourceId": one.identity,
            })
        };
        record.administrator.iter().map(form).collect()
    }

    /// Whether a server refuses passwords: PostgreSQL's `passwordAuth`, MySQL's `aad_auth_only`, SQL's Entra-only switch.
    #[must_use]
    pub fn entra_only(&self, server_id: &str) -> bool {
        let state = hold(&self.world.state);
        let key = server_id.to_ascii_lowercase();
        if let Some(server) = state.servers.get(&key) {
            return !hold(&server.record).password;
        }
        let record = state.records.get(&key).expect("the test names a server that exists");
        record.entra_only
            || record
                .configurations
                .get("aad_auth_only")
                .is_some_and(|value| value == "ON")
    }

    /// Switches it, without asking whether Azure would.
    pub fn set_entra_only(&self, server_id: &str, only: bool) {
        let mut state = hold(&self.world.state);
        let key = server_id.to_ascii_lowercase();
        if let Some(server) = state.servers.get(&key) {
            hold(&server.record).password = !only;
            return;
        }
        let record = state
            .records
            .get_mut(&key)
            .expect("the test names a server that exists");
        match record.kind {
            Kind::Mysql => {
                let word = if only { "ON" } else { "OFF" };
                record
                    .configurations
                    .insert("aad_auth_only".to_owned(), word.to_owned());
            }
            _ => record.entra_only = only,
        }
    }

    /// Gives the identity of a managed instance the right to read the directory, which it has from the start, or takes it.
    pub fn set_instance_reads_directory(&self, instance_id: &str, reads: bool) {
        let mut state = hold(&self.world.state);
        let record = state.records.get_mut(&instance_id.to_ascii_lowercase());
        record.expect("the test names an instance that exists").reads_directory = reads;
    }

    /// Attaches a user-assigned identity (resource ID) to a server, as another party would.
    pub fn attach_server_identity(&self, server_id: &str, identity_id: &str) {
        let mut state = hold(&self.world.state);
        let identity = state
            .identities
            .get(&identity_id.to_ascii_lowercase())
            .map(|one| one.id.clone());
        let identity = identity.expect("the test names an identity that exists");
        let key = server_id.to_ascii_lowercase();
        if let Some(server) = state.servers.get(&key) {
            return hold(&server.record).identities.push(identity);
        }
        let record = state
            .records
            .get_mut(&key)
            .expect("the test names a server that exists");
        if matches!(record.kind, Kind::Sql | Kind::ManagedInstance) && record.primary_identity.is_none() {
            record.primary_identity = Some(identity.clone());
        }
        record.identities.push(identity);
    }

    /// Detaches a user-assigned identity (resource ID) from a server, as another party would. A SQL server that acted with
    /// it acts with the next one.
    pub fn detach_server_identity(&self, server_id: &str, identity_id: &str) {
        let mut state = hold(&self.world.state);
        let key = server_id.to_ascii_lowercase();
        let stays = |other: &String| !other.eq_ignore_ascii_case(identity_id);
        if let Some(server) = state.servers.get(&key) {
            return hold(&server.record).identities.retain(stays);
        }
        let record = state
            .records
            .get_mut(&key)
            .expect("the test names a server that exists");
        record.identities.retain(stays);
        if record.primary_identity.take_if(|primary| !stays(primary)).is_some() {
            record.primary_identity = record.identities.first().cloned();
        }
    }

    /// The writes to Azure Resource Manager and Graph that took effect, whatever the client was answered. A DELETE of
    /// what was not there, and a refused request, are not among them; a long-running operation that was accepted is.
    #[must_use]
    pub fn writes(&self) -> Vec<Request> {
        self.world.journal.writes()
    }
}
