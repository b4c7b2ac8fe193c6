//! The Entra tenant: who exists, what proves them, who belongs to which group, and what each may do.
//! It does not know tokens, paths or databases.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::graph::query::Sort;

/// The sort of a directory object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A security group.
    Group,
    /// An enterprise application with its own secret, certificate or federated credentials.
    Application,
    /// A managed identity, user-assigned or system-assigned.
    ManagedIdentity,
}

impl PrincipalKind {
    /// The word of the PostgreSQL security label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            PrincipalKind::User => "user",
            PrincipalKind::Group => "group",
            PrincipalKind::Application | PrincipalKind::ManagedIdentity => "service",
        }
    }
}

/// What a principal may do in Azure Resource Manager, everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: every request is answered 403.
    #[default]
    None,
    /// GET and HEAD.
    Reader,
    /// Everything that the emulator knows.
    Contributor,
}

/// A federated credential of a managed identity or an application.
#[derive(Clone, Debug)]
pub(crate) struct Federation {
    pub(crate) name: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    /// How many more exchanges do not see it yet.
    pub(crate) invisible: u32,
}

/// A certificate that an application may sign assertions with.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredCertificate {
    pub(crate) sha1: String,
    pub(crate) sha256: String,
    pub(crate) public_key: Vec<u8>,
}

/// One object of the directory.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    pub(crate) object_id: String,
    pub(crate) kind: PrincipalKind,
    pub(crate) display_name: String,
    /// Users only.
    pub(crate) user_principal_name: Option<String>,
    /// Applications and managed identities only.
    pub(crate) app_id: Option<String>,
    /// Managed identities only: the ARM ID, for a system-assigned one that of its resource.
    pub(crate) resource_id: Option<String>,
    /// Groups only: object IDs.
    pub(crate) members: Vec<String>,
    pub(crate) secrets: Vec<String>,
    /// Secrets whose time is over.
    pub(crate) expired_secrets: Vec<String>,
    pub(crate) certificates: Vec<RegisteredCertificate>,
    pub(crate) federations: Vec<Federation>,
    pub(crate) access: Access,
    /// Which sorts of others Microsoft Graph lets it read.
    pub(crate) reads: Vec<Sort>,
}

impl Principal {
    pub(crate) fn new(kind: PrincipalKind, display_name: &str) -> Principal {
        let app = matches!(kind, PrincipalKind::Application | PrincipalKind::ManagedIdentity);
        Principal {
            object_id: Uuid::new_v4().to_string(),
            kind,
            display_name: display_name.to_owned(),
            user_principal_name: None,
            app_id: app.then(|| Uuid::new_v4().to_string()),
            resource_id: None,
            members: Vec::new(),
            secrets: Vec::new(),
            expired_secrets: Vec::new(),
            certificates: Vec::new(),
            federations: Vec::new(),
            access: Access::None,
            reads: Vec::new(),
        }
    }
}

/// Who looks: each has its own copy of the directory, and copies lag on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reader {
    Graph,
    ResourceManager,
}

/// All objects of the tenant, by object ID.
#[derive(Default)]
pub(crate) struct Directory {
    principals: BTreeMap<String, Principal>,
    hidden: HashMap<(Reader, String), u32>,
}

impl Directory {
    pub(crate) fn add(&mut self, principal: Principal) {
        self.principals.insert(principal.object_id.clone(), principal);
    }

    pub(crate) fn remove(&mut self, object_id: &str) -> Option<Principal> {
        for principal in self.principals.values_mut() {
            principal.members.retain(|member| member != object_id);
        }
        self.principals.remove(object_id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    pub(crate) fn get(&self, object_id: &str) -> Option<&Principal> {
        self.principals.get(&object_id.to_ascii_lowercase())
    }

    pub(crate) fn get_mut(&mut self, object_id: &str) -> Option<&mut Principal> {
        self.principals.get_mut(&object_id.to_ascii_lowercase())
    }

    pub(crate) fn by_app_id(&self, app_id: &str) -> Option<&Principal> {
        self.all().find(|principal| {
            principal
                .app_id
                .as_deref()
                .is_some_and(|id| id.eq_ignore_ascii_case(app_id))
        })
    }

    pub(crate) fn by_app_id_mut(&mut self, app_id: &str) -> Option<&mut Principal> {
        let object_id = self.by_app_id(app_id)?.object_id.clone();
        self.principals.get_mut(&object_id)
    }

    /// Hides an object from each reader for that reader's next look-ups.
    pub(crate) fn hide(&mut self, object_id: &str, lookups: u32) {
        for reader in [Reader::Graph, Reader::ResourceManager] {
            self.hidden.insert((reader, object_id.to_ascii_lowercase()), lookups);
        }
    }

    /// Looks an object up as a reader whose copy may lag.
    pub(crate) fn look_up(&mut self, reader: Reader, object_id: &str) -> Option<Principal> {
        let object_id = object_id.to_ascii_lowercase();
        if let Some(left) = self.hidden.get_mut(&(reader, object_id.clone()))
            && *left > 0
        {
            *left -= 1;
            return None;
        }
        self.principals.get(&object_id).cloned()
    }

    /// The groups that an object belongs to, through other groups too.
    pub(crate) fn groups_of(&self, object_id: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut open = vec![object_id.to_owned()];
        while let Some(member) = open.pop() {
            for group in self.all().filter(|group| group.members.contains(&member)) {
                if !found.contains(&group.object_id) {
                    found.push(group.object_id.clone());
                    open.push(group.object_id.clone());
                }
            }
        }
        found.sort();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_goes_through_groups_and_circles_end() {
        let mut directory = Directory::default();
        let user = Principal::new(PrincipalKind::User, "user");
        let mut inner = Principal::new(PrincipalKind::Group, "inner");
        let mut outer = Principal::new(PrincipalKind::Group, "outer");
        inner.members = vec![user.object_id.clone(), outer.object_id.clone()];
        outer.members = vec![inner.object_id.clone()];
        let mut expected = vec![inner.object_id.clone(), outer.object_id.clone()];
        expected.sort();
        let id = user.object_id.clone();
        for principal in [user, inner, outer] {
            directory.add(principal);
        }
        assert_eq!(directory.groups_of(&id), expected);
    }

    #[test]
    fn each_reader_misses_a_hidden_object_on_its_own() {
        let mut directory = Directory::default();
        let user = Principal::new(PrincipalKind::User, "user");
        let id = user.object_id.clone();
        directory.add(user);
        directory.hide(&id, 1);
        assert!(directory.look_up(Reader::Graph, &id).is_none());
        assert!(directory.look_up(Reader::Graph, &id).is_some());
        assert!(directory.look_up(Reader::ResourceManager, &id).is_none());
    }
}
