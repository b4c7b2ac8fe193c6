//! A snapshot of one database: every object that can be owned or granted, and the default privileges.
//!
//! Seven statements, sent together: one round trip. System schemas are left out, unless the question is about one role.

use crate::sql::error::{Error, Kind};
use crate::sql::postgres::acl::Acl;
use crate::sql::postgres::class::Class;
use crate::sql::postgres::database_queries as queries;
use crate::sql::postgres::object::{Object, ObjectKind, Parent, Qualifier};
use crate::sql::question::Question;
use crate::sql::row::Row;
use crate::sql::session::Session;
use crate::sql::statement::Name;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The snapshot.
#[derive(Clone, Debug, Default)]
pub struct DatabaseCatalog {
    /// The server's major version.
    pub version: u32,
    /// All objects but large objects, schemas included; sorted by what people call them.
    pub objects: Vec<Object>,
    /// What objects made from now on will grant.
    pub default_privileges: Vec<DefaultPrivileges>,
    /// Columns that have access lists of their own.
    pub columns: Vec<Column>,
    /// What views and rules use with the privileges of their owner, by the number of the relation that they are or belong to.
    pub used: BTreeMap<u32, Vec<Used>>,
    /// The routines that run with the privileges of their owner.
    pub definers: BTreeSet<u32>,
    pub(crate) schema_numbers: HashMap<Name, usize>,
}

/// One entry of ALTER DEFAULT PRIVILEGES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultPrivileges {
    /// Whose new objects it is about.
    pub creator: u32,
    /// In which schema; `None`: everywhere. An entry of a schema adds to that for everywhere.
    pub schema: Option<Name>,
    /// Which objects; [`Class::Schema`] for new schemas.
    pub class: Class,
    /// What they will have. For everywhere it replaces the initial list; for a schema it comes on top.
    pub acl: Acl,
}

/// A column with an access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its table's number.
    pub table: u32,
    /// Its name.
    pub name: Name,
    /// The access list.
    pub acl: Acl,
}

/// A relation that a view or a rule uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its number.
    pub relation: u32,
    /// Which of its columns, where some have access lists of their own.
    pub columns: BTreeSet<Name>,
}

/// How a row becomes an object.
type Reader = fn(&Row) -> Result<Object, Error>;

impl DatabaseCatalog {
    /// What it takes to read the snapshot, to be asked together.
    pub const QUESTIONS: [Question; 7] = [
        Question::constant(queries::SCHEMAS, "tnttnlb"),
        Question::constant(queries::RELATIONS, "tnttnlbnnbnl"),
        Question::constant(queries::ROUTINES, "tnttnlbltb"),
        Question::constant(queries::TYPES, "tnttnlb"),
        Question::constant(queries::OTHERS, "tnttnlblt"),
        Question::constant(queries::DEFAULT_PRIVILEGES, "nttl"),
        Question::constant(queries::COLUMNS, "ntl"),
    ];

    /// The same with what is in the system's schemas: for a look at few of the objects.
    pub const QUESTIONS_EVERYWHERE: [Question; 7] = [
        Question::constant(queries::ALL_SCHEMAS, "tnttnlb"),
        Question::constant(queries::ALL_RELATIONS, "tnttnlbnnbnl"),
        Question::constant(queries::ALL_ROUTINES, "tnttnlbltb"),
        Question::constant(queries::ALL_TYPES, "tnttnlb"),
        Question::constant(queries::OTHERS, "tnttnlblt"),
        Question::constant(queries::DEFAULT_PRIVILEGES, "nttl"),
        Question::constant(queries::ALL_COLUMNS, "ntl"),
    ];

    /// Reads the snapshot of the session's database.
    pub async fn load(session: &Session) -> Result<DatabaseCatalog, Error> {
        let ask = |question: &Question| session.query(question.statement().template(), &[]);
        let [schemas, relations, routines, types, others, defaults, columns] = &Self::QUESTIONS;
        let (schemas, relations, routines, types, others, defaults, columns) = tokio::try_join!(
            ask(schemas),
            ask(relations),
            ask(routines),
            ask(types),
            ask(others),
            ask(defaults),
            ask(columns),
        )?;
        let answers = [schemas, relations, routines, types, others, defaults, columns];
        DatabaseCatalog::of(session.version(), &answers)
    }

    /// The snapshot, from the answers to [`DatabaseCatalog::QUESTIONS`] in their order; those that were not asked are left out.
    pub fn of(version: u32, answers: &[Vec<Row>]) -> Result<DatabaseCatalog, Error> {
        let rows = |place: usize| answers.get(place).map_or(&[][..], Vec::as_slice);
        let [schemas, relations, routines, types] = [0, 1, 2, 3].map(rows);
        let [others, defaults, columns] = [4, 5, 6].map(rows);
        let mut objects = Vec::with_capacity(schemas.len() + relations.len() + routines.len() + types.len());
        let readers: [(&[Row], Reader); 5] = [
            (schemas, object),
            (relations, relation),
            (routines, callable),
            (types, object),
            (others, other),
        ];
        for (rows, read) in readers {
            for row in rows {
                objects.push(read(row)?);
            }
        }
        let mut definers = BTreeSet::new();
        for row in routines {
            if row.bool(9)? {
                definers.insert(row.oid(1)?);
            }
        }
        let mut uses = BTreeMap::new();
        for row in relations {
            if let Some(list) = row.optional_list(11)? {
                uses.insert(row.oid(1)?, used(list)?);
            }
        }
        objects.sort_by(|a, b| (a.kind, &a.schema, &a.name, a.oid).cmp(&(b.kind, &b.schema, &b.name, b.oid)));
        let is_schema = |(index, object): (usize, &Object)| {
            (object.kind == ObjectKind::Schema).then(|| (object.name.clone(), index))
        };
        Ok(DatabaseCatalog {
            version,
            schema_numbers: objects.iter().enumerate().filter_map(is_schema).collect(),
            objects,
            default_privileges: defaults.iter().map(default_privileges).collect::<Result<_, _>>()?,
            columns: columns.iter().map(column).collect::<Result<_, _>>()?,
            used: uses,
            definers,
        })
    }

    /// The schema of this name.
    #[must_use]
    pub fn schema(&self, name: &Name) -> Option<&Object> {
        self.schema_numbers.get(name).map(|index| &self.objects[*index])
    }

    /// The objects that stand in this schema.
    pub fn within<'a>(&'a self, schema: &'a Name) -> impl Iterator<Item = &'a Object> {
        self.objects
            .iter()
            .filter(move |object| object.schema.as_ref() == Some(schema))
    }
}

/// The large objects of an owner. Apart from the snapshot, because there may be millions.
pub async fn large_objects(session: &Session, owner: u32) -> Result<Vec<Object>, Error> {
    session
        .query(queries::LARGE_OBJECTS, &[i64::from(owner).into()])
        .await?
        .iter()
        .map(object)
        .collect()
}

/// Columns 0 to 6 are the same in every query for objects.
fn object(row: &Row) -> Result<Object, Error> {
    let code = row.text(0)?;
    let kind = ObjectKind::of_code(code)
        .ok_or_else(|| Error::new(Kind::Unexpected, format!("{code:?} is not a kind of object")))?;
    Ok(Object {
        kind,
        oid: row.oid(1)?,
        schema: row.optional_text(2)?.map(Name::from_catalog),
        name: Name::from_catalog(row.text(3)?),
        qualifier: Qualifier::None,
        owner: row.oid(4)?,
        acl: row.optional_list(5)?.map(Acl::parse).transpose()?,
        extension: row.bool(6)?,
        parent: None,
        locks: 1,
    })
}

fn relation(row: &Row) -> Result<Object, Error> {
    let parent = match (row.optional_oid(7)?, row.optional_oid(8)?) {
        (Some(table), _) => Some(Parent::SequenceOf(table)),
        (None, Some(table)) if row.bool(9)? => Some(Parent::PartitionOf(table)),
        (None, Some(table)) => Some(Parent::InheritsFrom(table)),
        (None, None) => None,
    };
    let locks = u32::try_from(row.number(10)?).unwrap_or(u32::MAX);
    Ok(Object {
        parent,
        locks,
        ..object(row)?
    })
}

fn callable(row: &Row) -> Result<Object, Error> {
    let shown = row.optional_text(8)?.unwrap_or_default().to_owned();
    Ok(Object {
        qualifier: Qualifier::Arguments {
            types: types(row.list(7)?),
            shown,
        },
        ..object(row)?
    })
}

/// Reads `16385:note`, an entry for each column.
fn used(list: &[String]) -> Result<Vec<Used>, Error> {
    let mut found: BTreeMap<u32, BTreeSet<Name>> = BTreeMap::new();
    for entry in list {
        let unreadable = || Error::new(Kind::Unexpected, format!("{entry:?} is not a relation and its column"));
        let (relation, column) = entry.split_once(':').ok_or_else(unreadable)?;
        let columns = found.entry(relation.parse().map_err(|_| unreadable())?).or_default();
        columns.extend((!column.is_empty()).then(|| Name::from_catalog(column)));
    }
    let found = found.into_iter();
    Ok(found.map(|(relation, columns)| Used { relation, columns }).collect())
}

/// Operators have arguments, operator classes an access method, all others nothing.
fn other(row: &Row) -> Result<Object, Error> {
    let found = object(row)?;
    match found.kind {
        ObjectKind::Operator => callable(row),
        ObjectKind::OperatorClass | ObjectKind::OperatorFamily => Ok(Object {
            qualifier: Qualifier::Method(Name::from_catalog(row.text(8)?)),
            ..found
        }),
        _ => Ok(found),
    }
}

/// Schema and name by turns; an absent type has two empty texts.
fn types(list: &[String]) -> Vec<Option<(Name, Name)>> {
    list.chunks_exact(2)
        .map(|pair| match (pair[0].as_str(), pair[1].as_str()) {
            ("", "") => None,
            (schema, name) => Some((Name::from_catalog(schema), Name::from_catalog(name))),
        })
        .collect()
}

fn default_privileges(row: &Row) -> Result<DefaultPrivileges, Error> {
    let class = match row.text(2)? {
        "r" => Class::Table,
        "S" => Class::Sequence,
        "f" => Class::Routine,
        "T" => Class::Type,
        "n" => Class::Schema,
        "L" => Class::LargeObject,
        code => {
            return Err(Error::new(
                Kind::Unexpected,
                format!("{code:?} is not a class of default privileges"),
            ));
        }
    };
    let schema = row.optional_text(1)?.map(Name::from_catalog);
    Ok(DefaultPrivileges {
        creator: row.oid(0)?,
        schema,
        class,
        acl: Acl::parse(row.list(3)?)?,
    })
}

fn column(row: &Row) -> Result<Column, Error> {
    Ok(Column {
        table: row.oid(0)?,
        name: Name::from_catalog(row.text(1)?),
        acl: Acl::parse(row.list(2)?)?,
    })
}
