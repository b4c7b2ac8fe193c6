//! The kinds of objects, as configurations name them. It does not know what is done with them.

use std::fmt;
use std::str::FromStr;

use crate::protocol::typed::Parsed;
use crate::sql::postgres::object::ObjectKind::{self, *};

/// A kind of object, as a configuration names it: partitioned tables are tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectType(ObjectKind);

const NAMES: [(ObjectKind, &str); 26] = [
    (Aggregate, "aggregate"),
    (Collation, "collation"),
    (Conversion, "conversion"),
    (Database, "database"),
    (Domain, "domain"),
    (Extension, "extension"),
    (ForeignDataWrapper, "foreign_data_wrapper"),
    (ForeignServer, "foreign_server"),
    (ForeignTable, "foreign_table"),
    (Function, "function"),
    (Language, "language"),
    (LargeObject, "large_object"),
    (MaterializedView, "materialized_view"),
    (Operator, "operator"),
    (OperatorClass, "operator_class"),
    (OperatorFamily, "operator_family"),
    (Procedure, "procedure"),
    (Publication, "publication"),
    (Schema, "schema"),
    (Sequence, "sequence"),
    (Statistics, "statistics"),
    (Table, "table"),
    (TextSearchConfiguration, "text_search_configuration"),
    (TextSearchDictionary, "text_search_dictionary"),
    (Type, "type"),
    (View, "view"),
];

const ALLOWED: [&str; 26] = {
    let mut names = [""; 26];
    let mut index = 0;
    while index < names.len() {
        names[index] = NAMES[index].1;
        index += 1;
    }
    names
};

impl ObjectType {
    /// The databases themselves, which other arguments decide about.
    pub const DATABASE: &'static str = "database";

    /// What a kind is called in configurations.
    #[must_use]
    pub fn of(kind: ObjectKind) -> ObjectType {
        ObjectType(if kind == PartitionedTable { Table } else { kind })
    }

    fn name(self) -> &'static str {
        let known = NAMES.iter().find(|(kind, _)| *kind == self.0);
        known.map_or("table", |(_, name)| name)
    }
}

impl FromStr for ObjectType {
    type Err = String;

    fn from_str(text: &str) -> Result<ObjectType, String> {
        let known = NAMES.iter().find(|(_, name)| *name == text);
        let listed = || format!("one of {} is required", ALLOWED.join(", "));
        known.map(|(kind, _)| ObjectType(*kind)).ok_or_else(listed)
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Parsed for ObjectType {
    const WHAT: &'static str = "kind of object";
    const ALLOWED: &'static [&'static str] = &ALLOWED;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_that_is_read_back() {
        for kind in ObjectKind::all() {
            let name = ObjectType::of(kind).to_string();
            assert_eq!(name.parse(), Ok(ObjectType::of(kind)), "{kind:?}");
            assert_eq!(name == "table", matches!(kind, Table | PartitionedTable), "{kind:?}");
        }
        assert!("tables".parse::<ObjectType>().is_err());
    }
}
