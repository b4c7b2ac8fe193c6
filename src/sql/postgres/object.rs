//! What can be owned and granted in a database, and how statements and people name it.

use crate::sql;
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::class::Class;
use crate::sql::statement::{Name, Part, Statement, Symbol};
use std::borrow::Cow;
use std::fmt;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are PostgreSQL's own")]
pub enum ObjectKind {
    Table,
    PartitionedTable,
    ForeignTable,
    View,
    MaterializedView,
    Sequence,
    Function,
    Procedure,
    Aggregate,
    Type,
    Domain,
    Collation,
    Conversion,
    Operator,
    OperatorClass,
    OperatorFamily,
    TextSearchConfiguration,
    TextSearchDictionary,
    Statistics,
    Publication,
    ForeignDataWrapper,
    ForeignServer,
    Language,
    LargeObject,
    Extension,
    Schema,
    Database,
}

use ObjectKind::*;

/// Kind; the code that our queries give; the words for ALTER and for people; the catalogue's number.
const KINDS: [(ObjectKind, &str, &str, u32); 27] = [
    (Table, "r", "TABLE", 1259),
    (PartitionedTable, "p", "TABLE", 1259),
    (ForeignTable, "f", "FOREIGN TABLE", 1259),
    (View, "v", "VIEW", 1259),
    (MaterializedView, "m", "MATERIALIZED VIEW", 1259),
    (Sequence, "S", "SEQUENCE", 1259),
    (Function, "function", "FUNCTION", 1255),
    (Procedure, "procedure", "PROCEDURE", 1255),
    (Aggregate, "aggregate", "AGGREGATE", 1255),
    (Type, "type", "TYPE", 1247),
    (Domain, "domain", "DOMAIN", 1247),
    (Collation, "collation", "COLLATION", 3456),
    (Conversion, "conversion", "CONVERSION", 2607),
    (Operator, "operator", "OPERATOR", 2617),
    (OperatorClass, "opclass", "OPERATOR CLASS", 2616),
    (OperatorFamily, "opfamily", "OPERATOR FAMILY", 2753),
    (TextSearchConfiguration, "tsconfig", "TEXT SEARCH CONFIGURATION", 3602),
    (TextSearchDictionary, "tsdict", "TEXT SEARCH DICTIONARY", 3600),
    (Statistics, "statistics", "STATISTICS", 3381),
    (Publication, "publication", "PUBLICATION", 6104),
    (ForeignDataWrapper, "fdw", "FOREIGN DATA WRAPPER", 2328),
    (ForeignServer, "server", "SERVER", 1417),
    (Language, "language", "LANGUAGE", 2612),
    (LargeObject, "largeobject", "LARGE OBJECT", 2613),
    (Extension, "extension", "EXTENSION", 3079),
    (Schema, "schema", "SCHEMA", 2615),
    (Database, "database", "DATABASE", 1262),
];

impl ObjectKind {
    /// All of them.
    pub fn all() -> impl Iterator<Item = ObjectKind> {
        KINDS.iter().map(|(kind, ..)| *kind)
    }

    pub(crate) fn of_code(code: &str) -> Option<ObjectKind> {
        KINDS
            .iter()
            .find(|(_, known, ..)| *known == code)
            .map(|(kind, ..)| *kind)
    }

    /// The words of ALTER, in capitals: `MATERIALIZED VIEW`.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        KINDS[self as usize].2
    }

    /// The number of the catalogue that it stands in: `pg_class`, `pg_proc`, …
    #[must_use]
    pub fn catalog(self) -> u32 {
        KINDS[self as usize].3
    }

    /// Which privileges it knows; `None`: it has no access list.
    #[must_use]
    pub fn class(self) -> Option<Class> {
        Some(match self {
            Table | PartitionedTable | ForeignTable | View | MaterializedView => Class::Table,
            Sequence => Class::Sequence,
            Function | Procedure | Aggregate => Class::Routine,
            Type | Domain => Class::Type,
            ForeignDataWrapper => Class::ForeignDataWrapper,
            ForeignServer => Class::ForeignServer,
            Language => Class::Language,
            LargeObject => Class::LargeObject,
            Schema => Class::Schema,
            Database => Class::Database,
            _ => return None,
        })
    }
}

/// One object of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its number: together with the kind's catalogue it stays the same through every renaming.
    pub oid: u32,
    /// The schema that it stands in.
    pub schema: Option<Name>,
    /// Its name; a large object's is its number.
    pub name: Name,
    /// What else its name takes.
    pub qualifier: Qualifier,
    /// Its owner's number.
    pub owner: u32,
    /// Its access list; `None` while nothing was granted or revoked.
    pub acl: Option<Acl>,
    /// Whether an extension brought it.
    pub extension: bool,
    /// The table that it belongs to.
    pub parent: Option<Parent>,
    /// How many locks a change of its owner takes: its indexes and its toast table count too.
    pub locks: u32,
}

/// What a name needs besides the schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Qualifier {
    /// Nothing.
    #[default]
    None,
    /// The types of the arguments; an operator without a left one has `None` there.
    Arguments {
        /// Schema and name of each type, for statements.
        types: Vec<Option<(Name, Name)>>,
        /// As people write them: `integer, text`.
        shown: String,
    },
    /// The access method of an operator class or family.
    Method(Name),
}

/// How an object belongs to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// A sequence of a column (serial, identity): it follows its table's owner by itself.
    SequenceOf(u32),
    /// A partition; its owner is its own.
    PartitionOf(u32),
    /// A table that inherits; its owner is its own.
    InheritsFrom(u32),
}

/// The first number that the server gives to an object that a person makes.
const FIRST_MADE: u32 = 16384;

impl Object {
    /// Whether it came with the database, as schema `public` and the languages did.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.oid < FIRST_MADE
    }

    /// Its access list, the one that NULL stands for included; `None`: the kind has none.
    #[must_use]
    pub fn effective_acl(&self, version: u32) -> Option<Cow<'_, Acl>> {
        let class = self.kind.class()?;
        Some(match &self.acl {
            Some(acl) => Cow::Borrowed(acl),
            None => Cow::Owned(Acl::initial(class, self.owner, version)),
        })
    }

    /// What follows ALTER: `MATERIALIZED VIEW "public"."totals"`.
    /// `None` for an operator whose name cannot be written safely.
    #[must_use]
    pub fn address(&self) -> Option<Statement> {
        // ROUTINE stands for all three, and needs no special form for aggregates.
        let keyword = if self.kind.catalog() == Function.catalog() {
            "ROUTINE"
        } else {
            self.kind.keyword()
        };
        self.addressed_as(keyword)
    }

    /// What follows ON in GRANT; `None`: it has no privileges.
    #[must_use]
    pub fn grant_target(&self) -> Option<Statement> {
        self.addressed_as(match self.kind.class()? {
            Class::Table | Class::Column => "TABLE",
            Class::Routine => "ROUTINE",
            Class::Type => "TYPE",
            Class::ForeignServer => "FOREIGN SERVER",
            _ => self.kind.keyword(),
        })
    }

    fn addressed_as(&self, keyword: &'static str) -> Option<Statement> {
        let name = match self.kind {
            Operator => Part::from(Symbol::new(self.name.as_str())?),
            LargeObject => Part::from(self.oid),
            _ => Part::from(&self.name),
        };
        let name = match &self.schema {
            Some(schema) => sql!("{}.{}", schema, name),
            None => sql!("{}", name),
        };
        Some(match &self.qualifier {
            Qualifier::None => sql!("{} {}", keyword, name),
            Qualifier::Method(method) => sql!("{} {} USING {}", keyword, name, method),
            Qualifier::Arguments { types, .. } => {
                let types = types.iter().map(|found| match found {
                    Some((schema, name)) => Part::from(sql!("{}.{}", schema, name)),
                    None => Part::Word("NONE"),
                });
                sql!("{} {}({})", keyword, name, Part::list(types))
            }
        })
    }
}

/// For people: `function public.total(integer, text)`.
impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.kind.keyword().to_lowercase())?;
        if let Some(schema) = &self.schema {
            write!(formatter, "{schema}.")?;
        }
        write!(formatter, "{}", self.name)?;
        match &self.qualifier {
            Qualifier::None => Ok(()),
            Qualifier::Arguments { shown, .. } => write!(formatter, "({shown})"),
            Qualifier::Method(method) => write!(formatter, " using {method}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::quote::Dialect;

    fn object(kind: ObjectKind, name: &str, qualifier: Qualifier) -> Object {
        let (schema, name) = (Some(Name::new("s").unwrap()), Name::from_catalog(name));
        let (acl, extension, parent) = (None, false, None);
        Object {
            kind,
            oid: 7,
            schema,
            name,
            qualifier,
            owner: 10,
            acl,
            extension,
            parent,
            locks: 1,
        }
    }

    fn check(object: &Object, statement: &str, shown: &str) {
        let address = object.address().unwrap();
        assert_eq!(
            (
                address.render(Dialect::PostgreSql).as_str(),
                object.to_string().as_str()
            ),
            (statement, shown)
        );
    }

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, kind) in ObjectKind::all().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }

    #[test]
    fn statements_and_people_name_an_object_in_their_own_ways() {
        let integer = Some((Name::new("pg_catalog").unwrap(), Name::new("int4").unwrap()));
        let arguments = |types, shown: &str| Qualifier::Arguments {
            types,
            shown: shown.into(),
        };
        check(
            &object(PartitionedTable, "a b", Qualifier::None),
            r#"TABLE "s"."a b""#,
            "table s.a b",
        );
        let function = object(Aggregate, "f", arguments(vec![integer.clone()], "integer"));
        check(
            &function,
            r#"ROUTINE "s"."f"("pg_catalog"."int4")"#,
            "aggregate s.f(integer)",
        );
        let operator = object(Operator, "!!", arguments(vec![None, integer], "NONE, integer"));
        check(
            &operator,
            r#"OPERATOR "s".!!(NONE, "pg_catalog"."int4")"#,
            "operator s.!!(NONE, integer)",
        );
        let class = object(OperatorClass, "c", Qualifier::Method(Name::new("btree").unwrap()));
        check(
            &class,
            r#"OPERATOR CLASS "s"."c" USING "btree""#,
            "operator class s.c using btree",
        );
        assert!(object(Operator, "= OR 1", Qualifier::None).address().is_none());
        let view = object(View, "v", Qualifier::None);
        assert_eq!(
            view.grant_target().unwrap().render(Dialect::PostgreSql),
            r#"TABLE "s"."v""#
        );
    }
}
