//! A schema as it came over the wire: what Terraform knows of a block, and nothing that only the provider knows.

use std::collections::BTreeMap;

use entradb::protocol::json;
use entradb::protocol::value::{Object, Type, Value};
use entradb::wire::proto::tfplugin5 as pb;

/// What the provider has, as it said over the wire.
#[derive(Debug, Default)]
pub struct Schemas {
    /// The provider block.
    pub provider: Block,
    /// By type name.
    pub resources: BTreeMap<String, ResourceSchema>,
    /// By type name.
    pub data_sources: BTreeMap<String, Block>,
    /// By name.
    pub functions: BTreeMap<String, pb::Function>,
}

/// A resource's shape, and its identity's.
#[derive(Clone, Debug)]
pub struct ResourceSchema {
    /// Raised when stored state must be upgraded.
    pub version: i64,
    /// What stands between the braces.
    pub block: Block,
    /// Raised when stored identities must be upgraded.
    pub identity_version: i64,
    /// By name.
    pub identity: BTreeMap<String, Type>,
}

/// What stands between the braces.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// By name.
    pub attributes: BTreeMap<String, Attribute>,
    /// By name.
    pub blocks: BTreeMap<String, NestedBlock>,
}

/// One argument or output.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its type.
    pub r#type: Type,
    /// The configuration must give it.
    pub required: bool,
    /// The configuration may give it.
    pub optional: bool,
    /// The provider may give it.
    pub computed: bool,
    /// Never stored.
    pub write_only: bool,
}

/// A block inside a block.
#[derive(Clone, Debug)]
pub struct NestedBlock {
    /// How often it may occur.
    pub nesting: Nesting,
    /// The least number of them.
    pub min_items: i64,
    /// The greatest number of them; zero: any.
    pub max_items: i64,
    /// What stands in it.
    pub block: Block,
}

/// How often a block may occur, and how it is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// At most once.
    Single,
    /// Any number, in order.
    List,
    /// Any number, in no order.
    Set,
}

impl Schemas {
    /// Reads what the provider sent.
    pub fn from_wire(
        schema: &pb::get_provider_schema::Response,
        identities: &BTreeMap<String, pb::ResourceIdentitySchema>,
    ) -> Self {
        let block = |schema: &pb::Schema| Block::from_wire(schema.block.as_ref().expect("Core wants a block"));
        let resources = schema.resource_schemas.iter().map(|(name, schema)| {
            let identity = identities.get(name).cloned().unwrap_or_default();
            let attributes = identity.identity_attributes.iter().map(|attribute| {
                let r#type = json::decode_type(&attribute.r#type).expect("a type");
                (attribute.name.clone(), r#type)
            });
            let read = ResourceSchema {
                version: schema.version,
                block: block(schema),
                identity_version: identity.version,
                identity: attributes.collect(),
            };
            (name.clone(), read)
        });
        let data_sources = schema.data_source_schemas.iter();
        Self {
            provider: block(schema.provider.as_ref().expect("Core refuses a provider without")),
            resources: resources.collect(),
            data_sources: data_sources
                .map(|(name, schema)| (name.clone(), block(schema)))
                .collect(),
            functions: schema.functions.clone(),
        }
    }
}

impl Block {
    /// Reads what the provider sent.
    pub fn from_wire(block: &pb::schema::Block) -> Self {
        let attributes = block.attributes.iter().map(|attribute| {
            let r#type = json::decode_type(&attribute.r#type).expect("Core panics on a type that is no type");
            let read = Attribute {
                r#type,
                required: attribute.required,
                optional: attribute.optional,
                computed: attribute.computed,
                write_only: attribute.write_only,
            };
            (attribute.name.clone(), read)
        });
        let blocks = block.block_types.iter().map(|nested| {
            let inner = nested.block.as_ref().expect("a nested block has a block");
            let read = NestedBlock {
                nesting: Nesting::from_wire(nested.nesting()),
                min_items: nested.min_items,
                max_items: nested.max_items,
                block: Self::from_wire(inner),
            };
            (nested.type_name.clone(), read)
        });
        let read = Self {
            attributes: attributes.collect(),
            blocks: blocks.collect(),
        };
        let names = block.attributes.len() + block.block_types.len();
        assert_eq!(
            names,
            read.attributes.len() + read.blocks.len(),
            "a name occurs twice in a block"
        );
        read
    }

    /// The type that values of the block have.
    pub fn r#type(&self) -> Type {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, attribute)| (name.clone(), attribute.r#type.clone()));
        let blocks = self.blocks.iter().map(|(name, nested)| (name.clone(), nested.r#type()));
        Type::object(attributes.chain(blocks))
    }

    /// The block as Terraform sends it, when the configuration says only this: what is left out is null, a repeated
    /// block that is left out is empty, sets are sorted.
    pub fn config(&self, given: Object) -> Value {
        let mut given = given;
        let mut config = Object::new();
        for (name, attribute) in &self.attributes {
            let value = given.remove(name).unwrap_or(Value::Null);
            config.insert(name.clone(), in_order(value, &attribute.r#type));
        }
        for (name, nested) in &self.blocks {
            config.insert(name.clone(), nested.config(given.remove(name)));
        }
        assert!(given.is_empty(), "the schema has no {:?}", given.keys());
        Value::Map(config)
    }
}

impl NestedBlock {
    /// The type that the value of the nested block has.
    pub fn r#type(&self) -> Type {
        match self.nesting {
            Nesting::Single => self.block.r#type(),
            Nesting::List => Type::list(self.block.r#type()),
            Nesting::Set => Type::set(self.block.r#type()),
        }
    }

    fn config(&self, given: Option<Value>) -> Value {
        match (self.nesting, given) {
            (Nesting::Single, Some(Value::Map(given))) => self.block.config(given),
            (Nesting::Single, given) => given.unwrap_or(Value::Null),
            (_, None) => Value::List(Vec::new()),
            (_, Some(Value::List(elements))) => {
                let elements = elements.into_iter().map(|element| match element {
                    Value::Map(given) => self.block.config(given),
                    other => other,
                });
                in_order(Value::List(elements.collect()), &self.r#type())
            }
            (_, Some(other)) => other,
        }
    }
}

impl Nesting {
    fn from_wire(nesting: pb::schema::nested_block::NestingMode) -> Self {
        use pb::schema::nested_block::NestingMode;
        match nesting {
            NestingMode::Single => Self::Single,
            NestingMode::List => Self::List,
            NestingMode::Set => Self::Set,
            other => panic!("the harness does not know {other:?} yet"),
        }
    }
}

/// Sorts sets and drops their duplicates, as Core does before it sends a value.
fn in_order(value: Value, r#type: &Type) -> Value {
    match (value, r#type) {
        (Value::List(elements), Type::Set(inner)) => {
            let mut elements: Vec<Value> = elements.into_iter().map(|element| in_order(element, inner)).collect();
            elements.sort();
            elements.dedup();
            Value::List(elements)
        }
        (Value::List(elements), Type::List(inner)) => {
            Value::List(elements.into_iter().map(|element| in_order(element, inner)).collect())
        }
        (Value::Map(members), Type::Map(inner)) => {
            let members = members.into_iter().map(|(key, value)| (key, in_order(value, inner)));
            Value::Map(members.collect())
        }
        (Value::Map(members), Type::Object(types, _)) => {
            let members = members.into_iter().map(|(name, value)| match types.get(&name) {
                Some(r#type) => (name, in_order(value, r#type)),
                None => (name, value),
            });
            Value::Map(members.collect())
        }
        (value, _) => value,
    }
}
