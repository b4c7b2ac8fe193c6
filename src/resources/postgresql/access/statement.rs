//! From a difference to statements: as few as possible, and never a revoke of something that stays. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::postgresql::access::declaration::ByTarget;
use crate::resources::postgresql::access::difference::Revokes;
use crate::resources::postgresql::access::scene::{Scene, Target};
use crate::resources::postgresql::access::word::Grantee;
use crate::sql;
use crate::sql::postgres::class::Class;
use crate::sql::postgres::object::{Object, Qualifier};
use crate::sql::privilege::Privileges;
use crate::sql::statement::{Name, Part, Statement};

/// How many objects one statement names.
pub const LONGEST_LIST: usize = 1000;

/// Whether privileges are given or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Grant,
    Revoke,
}

/// The statements that grant.
pub fn grants(set: &ByTarget, scene: &Scene<'_>, grantee: &Grantee) -> Vec<Statement> {
    Writer {
        scene,
        grantee,
        act: Act::Grant,
    }
    .all(set)
}

/// The statements that revoke, in the names of those who speak.
pub fn revokes(revokes: &Revokes, scene: &Scene<'_>, grantee: &Grantee) -> Vec<Statement> {
    let writer = Writer {
        scene,
        grantee,
        act: Act::Revoke,
    };
    let mut by_speaker: BTreeMap<Option<u32>, Revokes> = BTreeMap::new();
    for ((target, grantor), privileges) in revokes {
        let speaker = scene.speaker(target, *grantor);
        let own = by_speaker.entry(speaker).or_default();
        own.insert((target.clone(), *grantor), *privileges);
    }
    let mut statements = Vec::new();
    for (speaker, own) in &by_speaker {
        let by_target = own
            .iter()
            .map(|((target, _), privileges)| (target.clone(), *privileges));
        let name = speaker.and_then(|speaker| scene.server.role_name(speaker));
        statements.extend(name.map(|name| sql!("SET LOCAL ROLE {}", name)));
        statements.extend(writer.all(&by_target.collect()));
        statements.extend(columns_kept(own, scene, grantee));
        statements.extend(name.map(|_| sql!("SET LOCAL ROLE NONE")));
    }
    statements
}

/// As whose owners one acts in all this.
pub fn acted_for(grants: &ByTarget, revokes: &Revokes, scene: &Scene<'_>) -> BTreeSet<u32> {
    let targets = grants.keys().chain(revokes.keys().map(|(target, _)| target));
    targets.map(|target| scene.owner(target)).collect()
}

/// In whose name one takes something back, besides our own.
pub fn spoken_for(revokes: &Revokes, scene: &Scene<'_>) -> BTreeSet<u32> {
    let speakers = revokes
        .keys()
        .filter_map(|(target, grantor)| scene.speaker(target, *grantor));
    speakers.map(|speaker| scene.behind(speaker)).collect()
}

/// Revoking from a table takes the same from its columns: what somebody granted there is given again, in the same transaction.
fn columns_kept(revokes: &Revokes, scene: &Scene<'_>, grantee: &Grantee) -> Vec<Statement> {
    let Some(number) = scene.number(grantee) else {
        return Vec::new();
    };
    let mut again = Vec::new();
    for ((target, grantor), taken) in revokes {
        let Target::Object(place) = target else { continue };
        if scene.class(target) != Class::Table {
            continue;
        }
        let table = scene.object(*place);
        for column in scene.columns_of(table.oid) {
            if revokes.contains_key(&(Target::Column(column), *grantor)) {
                continue;
            }
            let held = scene.grants(&Target::Column(column), number);
            for grant in held.iter().filter(|grant| grant.grantor == *grantor) {
                let lost = grant.privileges.intersection(*taken);
                let writer = Writer {
                    scene,
                    grantee,
                    act: Act::Grant,
                };
                let plain = writer.on_column(column, lost.without(grant.grantable), "");
                let grantable = writer.on_column(column, lost.intersection(grant.grantable), " WITH GRANT OPTION");
                again.extend(plain.into_iter().chain(grantable));
            }
        }
    }
    again
}

struct Writer<'s, 'a> {
    scene: &'s Scene<'a>,
    grantee: &'s Grantee,
    act: Act,
}

/// Targets that one statement can name together.
type Groups = BTreeMap<(Class, Privileges), Vec<usize>>;

impl Writer<'_, '_> {
    fn all(&self, set: &ByTarget) -> Vec<Statement> {
        let (mut statements, mut groups, mut futures) = (Vec::new(), Groups::new(), Futures::default());
        let mut columns = Vec::new();
        for (target, privileges) in set {
            match target {
                Target::Database => {
                    statements.push(self.write(*privileges, sql!("DATABASE {}", &self.scene.database.name), ""))
                }
                Target::Object(place) => groups
                    .entry((self.scene.class(target), *privileges))
                    .or_default()
                    .push(*place),
                Target::Column(place) => columns.extend(self.on_column(*place, *privileges, "")),
                Target::Future { creator, schema, class } => {
                    futures.add(*class, *privileges, (schema.as_ref(), *creator))
                }
            }
        }
        for ((class, privileges), places) in groups {
            statements.extend(self.on_objects(class, privileges, places));
        }
        statements.extend(columns);
        statements.extend(futures.together().iter().filter_map(|future| self.on_future(future)));
        statements
    }

    /// `GRANT … ON … TO …`, or the contrary.
    fn write(&self, privileges: Privileges, what: Statement, end: &'static str) -> Statement {
        let privileges = Part::list(privileges.keywords());
        match self.act {
            Act::Grant => sql!("GRANT {} ON {} TO {}{}", privileges, what, self.grantee(), end),
            Act::Revoke => sql!("REVOKE {} ON {} FROM {}{}", privileges, what, self.grantee(), end),
        }
    }

    fn grantee(&self) -> Part {
        match self.grantee {
            Grantee::Public => Part::Word("PUBLIC"),
            Grantee::Role(name) => Part::from(name),
        }
    }

    fn on_objects(&self, class: Class, privileges: Privileges, mut places: Vec<usize>) -> Vec<Statement> {
        let (keyword, every) = match class {
            Class::Table => ("TABLE", "ALL TABLES IN SCHEMA"),
            Class::Sequence => ("SEQUENCE", "ALL SEQUENCES IN SCHEMA"),
            Class::Routine => ("ROUTINE", "ALL ROUTINES IN SCHEMA"),
            Class::Type => ("TYPE", ""),
            Class::Schema => ("SCHEMA", ""),
            _ => return self.one_by_one(privileges, &places),
        };
        let whole = if every.is_empty() {
            Vec::new()
        } else {
            self.whole_schemas(class, &mut places)
        };
        let mut statements = Vec::new();
        if !whole.is_empty() {
            statements.push(self.write(privileges, sql!("{} {}", every, Part::list(whole)), ""));
        }
        for some in places.chunks(LONGEST_LIST) {
            let names = Part::list(some.iter().map(|place| written(self.scene.object(*place))));
            statements.push(self.write(privileges, sql!("{} {}", keyword, names), ""));
        }
        statements
    }

    /// Takes out of the places those that are all of their schema, and gives the schemas.
    fn whole_schemas(&self, class: Class, places: &mut Vec<usize>) -> Vec<Name> {
        let mut by_schema: BTreeMap<&Name, usize> = BTreeMap::new();
        for schema in places
            .iter()
            .filter_map(|place| self.scene.object(*place).schema.as_ref())
        {
            *by_schema.entry(schema).or_default() += 1;
        }
        by_schema.retain(|schema, count| self.scene.places(schema, class).count() == *count);
        places.retain(|place| {
            self.scene
                .object(*place)
                .schema
                .as_ref()
                .is_none_or(|schema| !by_schema.contains_key(schema))
        });
        by_schema.into_keys().cloned().collect()
    }

    fn one_by_one(&self, privileges: Privileges, places: &[usize]) -> Vec<Statement> {
        let targets = places
            .iter()
            .filter_map(|place| self.scene.object(*place).grant_target());
        targets.map(|target| self.write(privileges, target, "")).collect()
    }

    fn on_column(&self, place: usize, privileges: Privileges, end: &'static str) -> Option<Statement> {
        let (column, table) = self.scene.column(place).filter(|_| !privileges.is_empty())?;
        let each = privileges
            .keywords()
            .map(|keyword| Part::from(sql!("{} ({})", keyword, &column.name)));
        let (privileges, table) = (Part::list(each), written(table));
        Some(match self.act {
            Act::Grant => sql!("GRANT {} ON TABLE {} TO {}{}", privileges, table, self.grantee(), end),
            Act::Revoke => sql!("REVOKE {} ON TABLE {} FROM {}", privileges, table, self.grantee()),
        })
    }

    fn on_future(&self, future: &Future<'_>) -> Option<Statement> {
        let what = match future.class {
            Class::Table => "TABLES",
            Class::Sequence => "SEQUENCES",
            Class::Routine => "ROUTINES",
            Class::Type => "TYPES",
            Class::Schema => "SCHEMAS",
            Class::LargeObject => "LARGE OBJECTS",
            _ => return None,
        };
        let creators = Part::list(
            future
                .creators
                .iter()
                .filter_map(|creator| self.scene.server.role_name(*creator)),
        );
        let place = if future.schemas.is_empty() {
            sql!("")
        } else {
            sql!(" IN SCHEMA {}", Part::list(future.schemas.iter().copied()))
        };
        let action = self.write(future.privileges, sql!("{}", what), "");
        Some(sql!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {}{} {}",
            creators,
            place,
            action
        ))
    }
}

/// A name, with the types of its arguments where it takes them.
pub fn written(object: &Object) -> Statement {
    let name = match &object.schema {
        Some(schema) => sql!("{}.{}", schema, &object.name),
        None => sql!("{}", &object.name),
    };
    match &object.qualifier {
        Qualifier::Arguments { types, .. } => {
            let types = types
                .iter()
                .flatten()
                .map(|(schema, name)| Part::from(sql!("{}.{}", schema, name)));
            sql!("{}({})", name, Part::list(types))
        }
        Qualifier::None | Qualifier::Method(_) => name,
    }
}

/// Default privileges, on the way to being put together.
#[derive(Default)]
struct Futures<'s>(BTreeMap<(Class, Privileges, Option<&'s Name>), BTreeSet<u32>>);

/// What one ALTER DEFAULT PRIVILEGES says.
struct Future<'s> {
    class: Class,
    privileges: Privileges,
    creators: BTreeSet<u32>,
    /// Empty: everywhere.
    schemas: Vec<&'s Name>,
}

impl<'s> Futures<'s> {
    fn add(&mut self, class: Class, privileges: Privileges, (schema, creator): (Option<&'s Name>, u32)) {
        self.0.entry((class, privileges, schema)).or_default().insert(creator);
    }

    /// First the creators of one schema, then the schemas of the same creators.
    fn together(self) -> Vec<Future<'s>> {
        let mut together: BTreeMap<(Class, Privileges, BTreeSet<u32>, bool), Vec<&'s Name>> = BTreeMap::new();
        for ((class, privileges, schema), creators) in self.0 {
            together
                .entry((class, privileges, creators, schema.is_some()))
                .or_default()
                .extend(schema);
        }
        let future = |((class, privileges, creators, _), schemas)| Future {
            class,
            privileges,
            creators,
            schemas,
        };
        together.into_iter().map(future).collect()
    }
}
