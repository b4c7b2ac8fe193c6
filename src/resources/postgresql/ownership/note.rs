//! The record as it stands in the database: what is written there, and how it is read. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::resources::postgresql::inventory::Inventory;
use crate::resources::postgresql::ownership::PostgresqlOwnership;
use crate::resources::postgresql::ownership::moving::Move;
use crate::resources::postgresql::ownership::record::{Place, Record, Taken, place};
use crate::sql::postgres::object::ObjectKind;
use crate::sql::statement::Text;

/// What people read first in a comment, and what it is known by.
pub const TITLE: &str =
    "entradb_postgresql_ownership: who owned what before, without which nothing can be given back. ";

/// The format that is written, and the newest one that can be read. It grows when those who know only the one before would misread a note.
pub const VERSION: u32 = 1;

/// What is declared: by that a note is found again where Terraform has lost its number. What an older version did not write down was not declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declaration {
    owner: String,
    schemas: Option<BTreeSet<String>>,
    previous_owners: Option<BTreeSet<String>>,
    object_types: Option<BTreeSet<String>>,
    include_database: bool,
}

impl Declaration {
    /// The same text for the same declaration.
    #[must_use]
    pub fn text(&self) -> String {
        json(self)
    }

    /// Of a resource.
    #[must_use]
    pub fn of(resource: &PostgresqlOwnership) -> Declaration {
        fn texts<T: ToString>(set: Option<&BTreeSet<T>>) -> Option<BTreeSet<String>> {
            set.map(|set| set.iter().map(ToString::to_string).collect())
        }
        Declaration {
            owner: resource.owner.to_string(),
            schemas: texts(resource.schemas.as_ref()),
            previous_owners: texts(resource.previous_owners.as_ref()),
            object_types: texts(resource.object_types.as_ref()),
            include_database: resource.include_database,
        }
    }
}

/// What tells whose a note is. It is the same in all formats, so that a newer one is recognised, and left alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Heading {
    /// The format.
    #[serde(default = "first")]
    pub version: u32,
    /// What is declared.
    pub declared: Declaration,
    /// What was declared before.
    pub before: Option<Declaration>,
}

/// What is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The format.
    #[serde(default = "first")]
    pub version: u32,
    /// The resources that go on with this record, the one that wrote it last before the others. A creation knows of no other one: whoever was
    /// there before is among them again as soon as it is heard of. Nobody: it was abandoned.
    #[serde(default)]
    pub holders: Vec<Uuid>,
    /// What is declared.
    pub declared: Declaration,
    /// What was declared before the last update, of which Terraform may not have heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Declaration>,
    /// Whether this was written by a creation that had not ended then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creating: bool,
    /// The record.
    pub record: Record,
    /// What was about to move when this was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intended: Vec<Intent>,
}

/// A move whose end nobody has heard of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The object.
    pub object: Place,
    /// Its next owner.
    pub to: u32,
    /// What is to be on record once it belongs to that one.
    pub remember: Vec<(Place, Taken)>,
}

impl Intent {
    /// What moves intend. Those that change privileges only can be done twice.
    #[must_use]
    pub fn of(moves: &[Move<'_>]) -> Vec<Intent> {
        let moving = moves.iter().filter(|next| next.moves() && !next.remember.is_empty());
        let intent = |next: &Move<'_>| Intent {
            object: place(next.object),
            to: next.to,
            remember: next.remember.clone(),
        };
        moving.map(intent).collect()
    }

    /// Puts on record what was done after all, as a look shows. Large objects of the next owner are not looked at: there may be millions.
    pub fn settle(intended: Vec<Intent>, record: &mut Record, inventory: &Inventory) {
        let owners: BTreeMap<Place, u32> = inventory
            .objects()
            .map(|object| (place(object), object.owner))
            .collect();
        let unseen = ObjectKind::LargeObject.catalog();
        for intent in intended {
            let owner = owners.get(&intent.object).copied();
            if owner == Some(intent.to) || owner.is_none() && intent.object.0 == unseen {
                record.taken.extend(intent.remember);
            }
        }
    }
}

/// The first notes did not say their format.
fn first() -> u32 {
    1
}

impl Heading {
    /// Nothing: this is no note.
    #[must_use]
    pub fn read(comment: &str) -> Option<Heading> {
        serde_json::from_str(comment.strip_prefix(TITLE)?).ok()
    }
}

impl Note {
    /// What a note says besides the record.
    #[must_use]
    pub fn blank(declared: Declaration, before: Option<Declaration>, holders: Vec<Uuid>) -> Note {
        Note {
            version: VERSION,
            holders,
            before: before.filter(|before| *before != declared),
            declared,
            creating: false,
            record: Record::default(),
            intended: Vec::new(),
        }
    }

    /// The beginning of each comment that the first of these resources writes, and nobody else; without one, of each that was abandoned.
    #[must_use]
    pub fn beginning(holders: &[Uuid]) -> Text {
        let first = holders.first().map_or_else(|| "]".to_owned(), json);
        text(format!("{TITLE}{{\"version\":{VERSION},\"holders\":[{first}"))
    }

    /// The comment.
    #[must_use]
    pub fn comment(&self) -> Text {
        text(format!("{TITLE}{}", json(self)))
    }

    /// Nothing: this is no note, or one of another format.
    #[must_use]
    pub fn read(comment: &str) -> Option<Note> {
        serde_json::from_str(comment.strip_prefix(TITLE)?).ok()
    }

    /// Whether a note that says this need not be written again: moves that are intended already put themselves on record.
    #[must_use]
    pub fn covers(&self, next: &Note) -> bool {
        let same = |one: &Record, other: &Record| {
            one.owner == other.owner
                && one.former_owners == other.former_owners
                && one.members == other.members
                && one.usage == other.usage
                && one.own == other.own
                && one.holder == other.holder
        };
        let known: BTreeMap<Place, &Intent> = self.intended.iter().map(|intent| (intent.object, intent)).collect();
        let intended = |intent: &Intent| known.get(&intent.object) == Some(&intent);
        let moving = !next.intended.is_empty() && next.intended.iter().all(intended);
        let alike = self.declared == next.declared && self.holders == next.holders && self.creating == next.creating;
        self == next || moving && alike && same(&self.record, &next.record)
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with keys that are texts, numbers and lists")
}

fn text(text: String) -> Text {
    Text::new(text).expect("JSON writes NUL otherwise, and no name has one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_back_and_known_by_its_beginning() {
        let declared = Declaration {
            owner: "it's \"new\"".into(),
            schemas: Some(["s".to_owned()].into()),
            ..Declaration::default()
        };
        let holder = Uuid::from_u128(7);
        let note = Note {
            creating: true,
            record: Record {
                owner: 7,
                ..Record::default()
            },
            intended: vec![Intent {
                object: (1259, 5),
                to: 7,
                remember: Vec::new(),
            }],
            ..Note::blank(declared, Some(Declaration::default()), vec![holder, Uuid::nil()])
        };
        let comment = note.comment();
        assert!(comment.as_str().starts_with(Note::beginning(&note.holders).as_str()));
        let nobodys = Note::beginning(&[]);
        assert!(!comment.as_str().starts_with(nobodys.as_str()));
        assert_eq!(Note::read(comment.as_str()), Some(note.clone()));
        let abandoned = Note {
            holders: Vec::new(),
            ..note
        };
        assert!(abandoned.comment().as_str().starts_with(nobodys.as_str()));
        assert_eq!(Note::read("somebody's photograph"), None);
        // Of a version that knew less.
        let older = format!("{TITLE}{{\"declared\":{{\"owner\":\"new\"}},\"record\":{{}}}}");
        let older = Note::read(&older).unwrap();
        assert_eq!((older.version, older.declared.owner.as_str()), (1, "new"));
        // Of one that will know more.
        let newer = format!("{TITLE}{{\"version\":2,\"declared\":{{\"owner\":\"new\"}},\"records\":[]}}");
        let heading = Heading::read(&newer).unwrap();
        assert_eq!((heading.version, heading.declared.owner.as_str()), (2, "new"));
    }
}
