//! What is remembered of each object that was moved: where it came from, and what the new owner could do with it before.
//! Kept beside the state and in the database; without it, what was moved cannot be told from what is new.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::sql::error::Error;
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::object::Object;
use crate::sql::postgres::server_catalog::ServerCatalog;
use crate::sql::privilege::{Privilege, Privileges};
use crate::sql::statement::Name;

/// The catalogue and the number of an object.
pub type Place = (u32, u32);

/// Where an object stands.
#[must_use]
pub fn place(object: &Object) -> Place {
    (object.kind.catalog(), object.oid)
}

/// The record of one ownership.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Of which server, and of which database by name and number: the numbers below mean nothing elsewhere.
    pub host: String,
    /// The database's name.
    pub database: String,
    /// The database's number.
    pub database_oid: u32,
    /// The owner's number.
    pub owner: u32,
    /// Roles that were the owner before an update. The present one may be among them, when it came back.
    pub former_owners: BTreeSet<u32>,
    /// The names of all roles that are mentioned, for the case that their numbers have changed.
    pub roles: BTreeMap<u32, String>,
    /// Memberships that were granted by this resource.
    pub members: Vec<Member>,
    /// Schemas that owners were let into.
    pub usage: Vec<Usage>,
    /// What the owner had before anything was moved, as people call it.
    #[serde(with = "places")]
    pub own: BTreeMap<Place, String>,
    /// What was moved.
    #[serde(with = "taken")]
    pub taken: BTreeMap<Place, Taken>,
    /// What the server refused to move, and why.
    pub refused: Vec<Refused>,
    /// How often it was written into the database. Of two copies the one with the higher number is the newer.
    pub writes: u64,
    /// The large object that it is the comment of.
    pub note: Option<u32>,
    /// The resource that keeps it: drawn by lot when that is created.
    pub holder: Option<Uuid>,
}

/// A schema that an owner was let into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The schema.
    pub schema: u32,
    /// The owner.
    pub role: u32,
    /// The schema, as people call it.
    pub name: String,
}

/// One object that was moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// For people.
    pub name: String,
    /// Whose it was.
    pub from: u32,
    /// What the new owner had been granted on it.
    #[serde(default, skip_serializing_if = "Granted::is_nothing")]
    pub granted: Granted,
    /// Whether the previous owner was left all privileges on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

/// What a role had been granted on an object, in the letters of access lists: `ar*`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// On the object itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// On its columns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

/// A membership that this resource granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The role that was granted: the owner.
    pub role: u32,
    /// Who became a member of it.
    pub member: u32,
    /// The options `inherit` and `set` of a weaker membership that was there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<(bool, bool)>,
}

/// An object that the server refused to move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its place.
    pub place: Place,
    /// The owner that it still has.
    pub owner: u32,
    /// In the server's words.
    pub reason: String,
}

impl Record {
    /// Notes that the server refused to move an object.
    pub fn refuse(&mut self, object: &Object, error: &Error) {
        let place = place(object);
        // Only what this very move put on record: where it came from earlier is still to be known.
        if self.taken.get(&place).is_some_and(|taken| taken.from == object.owner) {
            self.taken.remove(&place);
        }
        let more = error.report.detail.iter().chain(&error.report.hint);
        let more: String = more.map(|more| format!(" {more}")).collect();
        self.refused.push(Refused {
            place,
            owner: object.owner,
            reason: format!("{error}{more}"),
        });
    }

    /// Whether the record was made for this database. A database that was restored elsewhere has other numbers.
    #[must_use]
    pub fn is_of(&self, host: &str, database: &str, oid: u32) -> bool {
        self.is_named(host, database) && self.database_oid == oid
    }

    /// Whether it was made for a database of this name on this server, at whatever port.
    #[must_use]
    pub fn is_named(&self, host: &str, database: &str) -> bool {
        fn name(host: &str) -> Option<&str> {
            host.split(':').next()
        }
        name(&self.host) == name(host) && self.database == database
    }

    /// The owner on record, when it is another one than this.
    #[must_use]
    pub fn other_owner(&self, server: &ServerCatalog, owner: u32) -> Option<Name> {
        let other = Some(self.owner).filter(|other| *other != owner);
        server.role_name(other?).cloned()
    }

    /// Whether there is nothing in it that somebody would have to know.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.taken.is_empty() && self.own.is_empty() && self.members.is_empty() && self.usage.is_empty()
    }

    /// Remembers what roles are called.
    pub fn remember_names(&mut self, server: &ServerCatalog) {
        let mentioned = self.taken.values().map(|taken| taken.from);
        let members = self.members.iter().flat_map(|member| [member.role, member.member]);
        let let_in = self.usage.iter().map(|usage| usage.role);
        let owners = self.former_owners.iter().copied().chain(let_in).chain([self.owner]);
        let mentioned: BTreeSet<u32> = mentioned.chain(members).chain(owners).collect();
        for role in mentioned {
            if let Some(name) = server.role_name(role) {
                self.roles.insert(role, name.as_str().to_owned());
            }
        }
    }
}

impl Granted {
    /// Nothing at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.object.is_empty() && self.columns.is_empty()
    }

    /// What an access list grants to a role itself, as letters.
    #[must_use]
    pub fn letters(acl: &Acl, grantee: u32) -> String {
        let grants = acl.0.iter().filter(|grant| grant.grantee == grantee);
        let none = (Privileges::NONE, Privileges::NONE);
        let (privileges, grantable) = grants.fold(none, |(privileges, grantable), grant| {
            (privileges.union(grant.privileges), grantable.union(grant.grantable))
        });
        let letter = |privilege: Privilege| {
            let star = if grantable.has(privilege) { "*" } else { "" };
            format!("{}{star}", privilege.letter())
        };
        privileges.iter().map(letter).collect()
    }

    /// Reads letters: what may be passed on, and what may only be used.
    #[must_use]
    pub fn read(letters: &str) -> (Privileges, Privileges) {
        let (mut plain, mut grantable) = (Privileges::NONE, Privileges::NONE);
        let mut characters = letters.chars().peekable();
        while let Some(letter) = characters.next() {
            let privilege: Privileges = Privilege::of_letter(letter).into_iter().collect();
            if characters.next_if_eq(&'*').is_some() {
                grantable = grantable.union(privilege);
            } else {
                plain = plain.union(privilege);
            }
        }
        (grantable, plain)
    }
}

/// Keys of JSON are texts, so maps by place are lists there.
mod taken {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::resources::postgresql::ownership::record::{Place, Taken};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<Place, Taken>, serializer: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Place, Taken>, D::Error> {
        Ok(Vec::<(Place, Taken)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// What stands in each catalogue together: there may be thousands.
mod places {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::resources::postgresql::ownership::record::Place;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<Place, String>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut catalogs: BTreeMap<u32, Vec<(u32, &str)>> = BTreeMap::new();
        for ((catalog, oid), name) in map {
            catalogs.entry(*catalog).or_default().push((*oid, name));
        }
        catalogs.into_iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Place, String>, D::Error> {
        let catalogs = Vec::<(u32, Vec<(u32, String)>)>::deserialize(deserializer)?;
        let places = |(catalog, named): (u32, Vec<(u32, String)>)| {
            named.into_iter().map(move |(oid, name)| ((catalog, oid), name))
        };
        Ok(catalogs.into_iter().flat_map(places).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_of_its_database_at_whatever_port() {
        let record = Record {
            host: "pg.example".into(),
            database: "app".into(),
            database_oid: 5,
            ..Record::default()
        };
        assert!(record.is_of("pg.example:6432", "app", 5));
        assert!(record.is_named("pg.example:6432", "app") && !record.is_of("pg.example:6432", "app", 6));
        assert!(!record.is_named("pg.example.other", "app") && !record.is_named("pg.example", "other"));
    }

    #[test]
    fn a_record_is_read_back_as_it_was() {
        let granted = Granted {
            object: "ar*".into(),
            columns: BTreeMap::from([("secret \"column\"".into(), "w".into())]),
        };
        let taken = |granted| Taken {
            name: "table s.t".into(),
            from: 17,
            granted,
            left: false,
        };
        let record = Record {
            host: "pg.example".into(),
            database: "app".into(),
            database_oid: 5,
            owner: 16,
            former_owners: BTreeSet::from([15]),
            roles: BTreeMap::from([(17, "old".into())]),
            members: vec![Member {
                role: 16,
                member: 17,
                before: Some((true, false)),
            }],
            usage: vec![Usage {
                schema: 2200,
                role: 16,
                name: "schema public".into(),
            }],
            own: [(1259, 4_000_000_000), (1259, 9), (1255, 3)]
                .map(|place| (place, "table s.\"o\"".into()))
                .into(),
            taken: BTreeMap::from([((1259, 1), taken(granted)), ((1255, 2), taken(Granted::default()))]),
            refused: vec![Refused {
                place: (6104, 8),
                owner: 17,
                reason: "permission denied".into(),
            }],
            writes: 3,
            note: Some(16_400),
            holder: Some(Uuid::from_u128(7)),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert!(text.contains(r#"[[1255,2],{"name":"table s.t","from":17}]"#), "{text}");
    }

    #[test]
    fn grants_are_kept_as_letters() {
        let acl = Acl::parse(&["16=ar*/17".into(), "16=w/10".into(), "0=d/17".into()]).unwrap();
        assert_eq!(Granted::letters(&acl, 16), "r*aw");
        let (grantable, plain) = Granted::read("r*aw");
        assert_eq!(
            (grantable.to_string(), plain.to_string()),
            ("SELECT".into(), "INSERT, UPDATE".into())
        );
        assert_eq!(Granted::letters(&acl, 5), "");
    }
}
