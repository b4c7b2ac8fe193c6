//! What Core demands of the schemas themselves; a provider that breaks one of these rules cannot be used at all.

use std::collections::BTreeMap;

use entradb::protocol::value::Type;

use crate::harness::core_rules::{Refused, inside};
use crate::harness::schema::{Block, NestedBlock, Nesting};

/// Names that the language itself has in a resource or data source.
const RESERVED: [&str; 7] = [
    "count",
    "for_each",
    "depends_on",
    "provider",
    "lifecycle",
    "provisioner",
    "connection",
];

/// Whether Core accepts the schema of a resource or data source.
pub fn schema_valid(block: &Block) -> Refused {
    let mut refused = Vec::new();
    let names = block.attributes.keys().chain(block.blocks.keys());
    for name in names.filter(|name| RESERVED.contains(&name.as_str())) {
        refused.push(format!("{name}: the language itself has this name"));
    }
    block_valid(block, "", &mut refused);
    refused
}

fn block_valid(block: &Block, at: &str, refused: &mut Refused) {
    for (name, attribute) in &block.attributes {
        let place = inside(at, name);
        if !is_name(name) {
            refused.push(format!("{place}: not a name"));
        }
        if block.blocks.contains_key(name) {
            refused.push(format!("{place}: both an attribute and a block"));
        }
        let presence = (attribute.required, attribute.optional, attribute.computed);
        if matches!(presence, (false, false, false) | (true, true, _) | (true, _, true)) {
            refused.push(format!(
                "{place}: required, optional or computed, and not required with another"
            ));
        }
        if attribute.write_only && attribute.computed {
            refused.push(format!("{place}: write-only and computed"));
        }
    }
    for (name, nested) in &block.blocks {
        let place = inside(at, name);
        if !is_name(name) {
            refused.push(format!("{place}: not a name"));
        }
        nested_valid(nested, &place, refused);
    }
}

fn nested_valid(nested: &NestedBlock, at: &str, refused: &mut Refused) {
    let (least, most) = (nested.min_items, nested.max_items);
    let counts = match nested.nesting {
        Nesting::Single => least == most && (0..=1).contains(&least),
        Nesting::List | Nesting::Set => least >= 0 && (most == 0 || least <= most),
    };
    if !counts {
        refused.push(format!("{at}: from {least} to {most} blocks"));
    }
    for (name, attribute) in &nested.block.attributes {
        // It would change how the whole block is sent.
        if holds_dynamic(&attribute.r#type) {
            refused.push(format!("{at}.{name}: a dynamic attribute inside a block"));
        }
        if attribute.write_only && nested.nesting == Nesting::Set {
            refused.push(format!("{at}.{name}: a write-only attribute inside a set"));
        }
    }
    block_valid(&nested.block, at, refused);
}

/// Whether Core accepts the shape of an identity.
pub fn identity_schema_valid(version: i64, attributes: &BTreeMap<String, Type>, block: &Block) -> Refused {
    let mut refused = Vec::new();
    if version < 0 {
        refused.push(format!("version {version} is negative"));
    }
    if attributes.is_empty() {
        refused.push("the identity has no attributes".to_owned());
    }
    for (name, r#type) in attributes {
        let simple = match r#type {
            Type::Bool | Type::Number | Type::String => true,
            Type::List(inner) => matches!(**inner, Type::Bool | Type::Number | Type::String),
            _ => false,
        };
        if !simple {
            refused.push(format!("{name}: {} cannot be part of an identity", r#type));
        }
        // Not Core's rule but ours: who reads a state finds the identity in it.
        if block
            .attributes
            .get(name)
            .is_none_or(|attribute| attribute.r#type != *r#type)
        {
            refused.push(format!("{name}: the resource has no such attribute"));
        }
    }
    refused
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn holds_dynamic(r#type: &Type) -> bool {
    match r#type {
        Type::Dynamic => true,
        Type::List(inner) | Type::Set(inner) | Type::Map(inner) => holds_dynamic(inner),
        Type::Tuple(types) => types.iter().any(holds_dynamic),
        Type::Object(types, _) => types.values().any(holds_dynamic),
        Type::Bool | Type::Number | Type::String => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::core_rules::tests::{attribute, kettle, refuses};
    use crate::harness::schema::Attribute;

    #[test]
    fn a_schema_that_core_refuses_is_refused() {
        assert_eq!(schema_valid(&kettle()), Refused::new());
        let planted = |change: fn(&mut Block)| {
            let mut block = kettle();
            change(&mut block);
            schema_valid(&block)
        };
        let add = |block: &mut Block, name: &str, attribute: Attribute| {
            block.attributes.insert(name.to_owned(), attribute);
        };
        let plant = |name: &str, added: Attribute| {
            let mut block = kettle();
            add(&mut block, name, added);
            schema_valid(&block)
        };
        refuses(
            &plant("count", attribute(Type::Number, "optional")),
            "the language itself",
        );
        refuses(&plant("Cups", attribute(Type::Number, "optional")), "not a name");
        refuses(&plant("lid", attribute(Type::Number, "optional")), "both");
        refuses(
            &plant("x", attribute(Type::Number, "none")),
            "required, optional or computed",
        );
        let mut both = attribute(Type::Number, "required");
        both.computed = true;
        refuses(&plant("x", both), "required, optional or computed");
        let mut hidden = attribute(Type::Number, "optional computed");
        hidden.write_only = true;
        refuses(&plant("x", hidden), "write-only and computed");
        refuses(
            &planted(|block| block.blocks.get_mut("base").expect("a block").max_items = 2),
            "from 0 to 2",
        );
        refuses(
            &planted(|block| (lid_of(block).min_items, lid_of(block).max_items) = (3, 2)),
            "from 3 to 2",
        );
        refuses(
            &planted(|block| {
                let dynamic = attribute(Type::list(Type::Dynamic), "optional");
                lid_of(block).block.attributes.insert("x".to_owned(), dynamic);
            }),
            "a dynamic attribute",
        );
        refuses(
            &planted(|block| {
                lid_of(block)
                    .block
                    .attributes
                    .get_mut("colour")
                    .expect("an attribute")
                    .write_only = true;
            }),
            "inside a set",
        );
    }

    fn lid_of(block: &mut Block) -> &mut NestedBlock {
        block.blocks.get_mut("lid").expect("a block")
    }

    #[test]
    fn an_identity_consists_of_simple_attributes_of_the_resource() {
        let attributes = |list: &[(&str, Type)]| {
            list.iter()
                .map(|(name, r#type)| ((*name).to_owned(), r#type.clone()))
                .collect::<BTreeMap<_, _>>()
        };
        let block = kettle();
        assert_eq!(
            identity_schema_valid(0, &attributes(&[("name", Type::String)]), &block),
            Refused::new()
        );
        refuses(
            &identity_schema_valid(-1, &attributes(&[("name", Type::String)]), &block),
            "negative",
        );
        refuses(&identity_schema_valid(0, &attributes(&[]), &block), "no attributes");
        refuses(
            &identity_schema_valid(0, &attributes(&[("spout", Type::String)]), &block),
            "no such attribute",
        );
        refuses(
            &identity_schema_valid(0, &attributes(&[("labels", Type::map(Type::String))]), &block),
            "cannot be part",
        );
    }
}
