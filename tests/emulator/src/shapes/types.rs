//! The types of a shapes file, and whether a value is of one. It does not know operations.
//!
//! A type is written `string`, `guid`, `boolean`, `integer`, `number`, `any`, `enum A|B`, `[type]` (a list), `{type}` (a
//! map) or the name of another type of the file; `?` behind it allows null.

use std::collections::BTreeMap;

use serde_json::Value;

/// One member of an object.
#[derive(Clone, Debug)]
struct Member {
    kind: String,
    required: bool,
}

type Members = BTreeMap<String, Member>;

/// Types by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Types(BTreeMap<String, Members>);

#[cfg(test)]
const SIMPLE: [&str; 7] = ["string", "guid", "boolean", "integer", "number", "any", "nothing"];

impl Types {
    pub(super) fn new(
        specified: &BTreeMap<String, BTreeMap<String, String>>,
        observed: &BTreeMap<String, BTreeMap<String, String>>,
    ) -> Types {
        let mut all: BTreeMap<String, Members> = BTreeMap::new();
        for (name, members) in specified.iter().chain(observed) {
            let own = all.entry(name.clone()).or_default();
            for (member, kind) in members {
                let (bare, required) = match member.strip_suffix('!') {
                    Some(bare) => (bare, true),
                    None => (member.as_str(), false),
                };
                let kind = kind.clone();
                own.insert(bare.to_owned(), Member { kind, required });
            }
        }
        Types(all)
    }

    /// These types, and the others where there is none of that name.
    pub(super) fn with(self, others: &Types) -> Types {
        let mut all = others.0.clone();
        all.extend(self.0);
        Types(all)
    }

    /// These types as another version has them.
    ///
    /// # Panics
    /// When a change is none: `gone` for what was not there.
    pub(super) fn changed(&self, changes: &BTreeMap<String, BTreeMap<String, String>>) -> Types {
        let mut all = self.clone();
        let (gone, new): (Vec<_>, Vec<_>) = changes
            .iter()
            .flat_map(|(name, members)| members.iter().map(move |(member, kind)| (name, member, kind)))
            .partition(|(_, _, kind)| *kind == "gone");
        for (name, member, _) in gone {
            let removed = all.0.get_mut(name).and_then(|members| members.remove(member));
            assert!(removed.is_some(), "there is no {name}.{member} to be gone");
        }
        for (name, member, kind) in new {
            let kind = kind.clone();
            let required = false;
            let members = all.0.entry(name.clone()).or_default();
            members.insert(member.clone(), Member { kind, required });
        }
        all
    }

    /// Whether the value at this place is of this type.
    pub(super) fn check(&self, kind: &str, value: &Value, place: &str) -> Result<(), String> {
        let (kind, nullable) = match kind.strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        if nullable && value.is_null() {
            return Ok(());
        }
        let at = if place.is_empty() { "the body" } else { place };
        let wrong = || Err(format!("{at} is {value}, not {kind}"));
        if let Some(words) = kind.strip_prefix("enum ") {
            let known = value
                .as_str()
                .is_some_and(|text| words.split('|').any(|word| word == text));
            return if known { Ok(()) } else { wrong() };
        }
        if let Some(inner) = kind.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let Some(items) = value.as_array() else { return wrong() };
            let mut items = items.iter().enumerate();
            return items.try_for_each(|(index, item)| self.check(inner, item, &format!("{place}[{index}]")));
        }
        if let Some(inner) = kind.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let Some(entries) = value.as_object() else {
                return wrong();
            };
            let mut entries = entries.iter();
            return entries.try_for_each(|(name, entry)| self.check(inner, entry, &format!("{place}[{name}]")));
        }
        let fits = match kind {
            "any" => true,
            "string" => value.is_string(),
            "guid" => value.as_str().is_some_and(|text| uuid::Uuid::parse_str(text).is_ok()),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            name => return self.object(name, value, place),
        };
        if fits { Ok(()) } else { wrong() }
    }

    fn object(&self, name: &str, value: &Value, place: &str) -> Result<(), String> {
        let at = if place.is_empty() { "the body" } else { place };
        let members = self.0.get(name).ok_or_else(|| format!("there is no type {name}"))?;
        let Some(map) = value.as_object() else {
            return Err(format!("{at} is {value}, not an object of type {name}"));
        };
        let mut required = members.iter().filter(|(_, member)| member.required);
        if let Some((missing, _)) = required.find(|(member, _)| !map.contains_key(*member)) {
            return Err(format!("{at} lacks the member {missing} of type {name}"));
        }
        map.iter().try_for_each(|(member, inner)| {
            let known = members
                .get(member)
                .ok_or_else(|| format!("{at} has a member {member} that type {name} has not"))?;
            self.check(&known.kind, inner, &format!("{place}.{member}"))
        })
    }

    /// The name in a type that this file does not have, if there is one.
    #[cfg(test)]
    pub(super) fn missing(&self, kind: &str) -> Option<String> {
        let bare = kind
            .trim_end_matches('?')
            .trim_matches(['[', ']', '{', '}'])
            .trim_end_matches('?');
        let known = bare.starts_with("enum ") || SIMPLE.contains(&bare) || self.0.contains_key(bare);
        (!known).then(|| bare.to_owned())
    }

    /// Every name in the members' types that this file does not have.
    #[cfg(test)]
    pub(super) fn dangling(&self) -> Vec<String> {
        let members = self.0.values().flat_map(BTreeMap::values);
        members.filter_map(|member| self.missing(&member.kind)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn types() -> Types {
        let specified = json!({
            "One": {"id!": "guid", "size": "integer", "mode": "enum On|Off", "all": "[One]", "tags": "{string}", "kind": "string?"},
        });
        let observed = json!({"One": {"extra": "boolean"}});
        let read = |value: Value| serde_json::from_value(value).unwrap();
        Types::new(&read(specified), &read(observed))
    }

    #[test]
    fn each_way_to_be_wrong_is_said_with_its_place() {
        let id = "11111111-2222-3333-4444-555555555555";
        let good = json!({"id": id, "size": 1, "mode": "On", "all": [{"id": id}], "tags": {"a": "b"}, "kind": null, "extra": true});
        assert_eq!(types().check("One", &good, ""), Ok(()));
        let bad = [
            (json!({"size": 1}), "the body lacks the member id"),
            (json!({"id": "x"}), ".id is \"x\", not guid"),
            (json!({"id": id, "size": 1.5}), ".size is 1.5"),
            (json!({"id": id, "mode": "on"}), ".mode is \"on\", not enum On|Off"),
            (
                json!({"id": id, "all": [{"id": id, "odd": 1}]}),
                ".all[0] has a member odd",
            ),
            (json!({"id": id, "tags": {"a": 1}}), ".tags[a] is 1, not string"),
            (json!([]), "not an object of type One"),
        ];
        for (value, expected) in bad {
            let said = types().check("One", &value, "").unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_version_has_what_it_brings_and_not_what_it_took() {
        let changes = json!({"One": {"size": "gone", "mode": "enum On|Off|Auto", "late": "boolean"}});
        let newer = types().changed(&serde_json::from_value(changes).unwrap());
        let id = "11111111-2222-3333-4444-555555555555";
        let value = json!({"id": id, "mode": "Auto", "late": true});
        assert_eq!(newer.check("One", &value, ""), Ok(()));
        assert!(types().check("One", &value, "").is_err());
        let said = newer.check("One", &json!({"id": id, "size": 1}), "").unwrap_err();
        assert!(said.contains("has a member size"), "{said}");
    }
}
