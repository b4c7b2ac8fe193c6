//! What a block may contain, and the rules over several of its attributes.

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::path::Step;
use crate::protocol::value::{Object, Type, Value};

/// The shape of a resource, a data source or the provider block.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Raised when stored state must be upgraded.
    pub version: i64,
    /// What stands between the braces.
    pub block: Block,
}

/// What stands between the braces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Markdown; the first sentence says what it is.
    pub description: String,
    /// In the order of the model.
    pub attributes: Vec<Attribute>,
    /// In the order of the model.
    pub blocks: Vec<NestedBlock>,
    /// What holds over several attributes.
    pub rules: Vec<Rule>,
}

/// Who gives the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The configuration must.
    Required,
    /// The configuration may.
    Optional,
    /// The configuration may, else the provider does.
    OptionalComputed,
    /// The provider does.
    Computed,
}

/// One argument or output. The marks of `model!` are its methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its name in the configuration.
    pub name: String,
    /// Its type.
    pub r#type: Type,
    /// Markdown.
    pub description: String,
    /// Who gives the value.
    pub presence: Presence,
    /// Filled in where the configuration says nothing.
    pub default: Option<Value>,
    /// A change makes a new object.
    pub replace: bool,
    /// A computed value that an update does not change.
    pub stable: bool,
    /// A computed list of what is to be put right: written by Read, planned empty.
    pub drift: bool,
    /// Hidden in plans.
    pub sensitive: bool,
    /// Never stored.
    pub write_only: bool,
    /// What to use instead.
    pub deprecated: Option<&'static str>,
    /// The only texts allowed, where there are only some.
    pub allowed: &'static [&'static str],
    /// What its texts mean, where not every text will do.
    pub meaning: Option<&'static str>,
    /// The least and the greatest number allowed.
    pub between: Option<(i64, i64)>,
    /// What the elements consist of, where they are objects.
    pub fields: Option<Block>,
}

/// How often a nested block may occur, and how it is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// At most once.
    Single,
    /// Any number, in no order.
    Set,
}

/// A block inside a block.
#[derive(Clone, Debug, PartialEq)]
pub struct NestedBlock {
    /// Its name in the configuration.
    pub name: String,
    /// How often it may occur.
    pub nesting: Nesting,
    /// What stands in it.
    pub block: Block,
}

/// What holds over several attributes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One of them, and only one.
    ExactlyOneOf(&'static [&'static str]),
    /// One of them, or more.
    AtLeastOneOf(&'static [&'static str]),
    /// One of them, or none.
    AtMostOneOf(&'static [&'static str]),
    /// The first needs the second.
    Requires(&'static str, &'static str),
}

impl Schema {
    /// The type of the whole block.
    pub fn r#type(&self) -> Type {
        self.block.r#type()
    }
}

impl Block {
    /// The type that values of the block have.
    pub fn r#type(&self) -> Type {
        let attributes = self
            .attributes
            .iter()
            .map(|attribute| (attribute.name.clone(), attribute.r#type.clone()));
        let blocks = self.blocks.iter().map(|nested| (nested.name.clone(), nested.r#type()));
        Type::object(attributes.chain(blocks))
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Gives attributes that are null their defaults.
    pub fn fill_in(&self, values: &mut Object) {
        for attribute in &self.attributes {
            if let (Some(default), Some(value @ Value::Null)) = (&attribute.default, values.get_mut(&attribute.name)) {
                *value = default.clone();
            }
        }
    }

    /// What the marks and the rules forbid, of what is known so far.
    pub fn check(&self, config: &Object) -> Vec<Diagnostic> {
        let marks = self
            .attributes
            .iter()
            .filter_map(|attribute| attribute.check(config.get(&attribute.name)?));
        let rules = self.rules.iter().filter_map(|rule| rule.check(config));
        marks.chain(rules).collect()
    }
}

impl NestedBlock {
    /// The type that the value of the nested block has.
    pub fn r#type(&self) -> Type {
        match self.nesting {
            Nesting::Single => self.block.r#type(),
            Nesting::Set => Type::set(self.block.r#type()),
        }
    }
}

impl Attribute {
    /// An attribute without marks.
    pub fn new(name: &str, r#type: Type, presence: Presence) -> Self {
        Self {
            name: name.to_owned(),
            r#type,
            description: String::new(),
            presence,
            default: None,
            replace: false,
            stable: false,
            drift: false,
            sensitive: false,
            write_only: false,
            deprecated: None,
            allowed: &[],
            meaning: None,
            between: None,
            fields: None,
        }
    }

    /// One line of a doc comment.
    #[must_use]
    pub fn doc(mut self, line: &str) -> Self {
        if !self.description.is_empty() {
            self.description.push('\n');
        }
        self.description.push_str(line.strip_prefix(' ').unwrap_or(line));
        self
    }

    /// Filled in where the configuration says nothing.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self.optional()
    }

    /// The configuration may give it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.presence = Presence::OptionalComputed;
        self
    }

    /// A change makes a new object.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// An update does not change it.
    #[must_use]
    pub fn stable(mut self) -> Self {
        self.stable = true;
        self
    }

    /// What is to be put right: written by Read, planned empty.
    #[must_use]
    pub fn drift(mut self) -> Self {
        self.drift = true;
        self
    }

    /// Hidden in plans.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Never stored.
    #[must_use]
    pub fn write_only(mut self) -> Self {
        self.write_only = true;
        self
    }

    /// What to use instead.
    #[must_use]
    pub fn deprecated(mut self, instead: &'static str) -> Self {
        self.deprecated = Some(instead);
        self
    }

    /// The least and the greatest number allowed.
    #[must_use]
    pub fn between(mut self, least: i64, greatest: i64) -> Self {
        self.between = Some((least, greatest));
        self
    }

    fn check(&self, value: &Value) -> Option<Diagnostic> {
        let (least, greatest) = self.between?;
        let Value::Number(number) = value else { return None };
        if (least..=greatest).contains(&number.as_i64()?) {
            return None;
        }
        Some(
            Diagnostic::error(
                "Number out of range",
                format!("A number from {least} to {greatest} is required."),
            )
            .at(&self.name),
        )
    }
}

impl Rule {
    /// The attributes that the rule is about.
    pub fn names(&self) -> Vec<&'static str> {
        match self {
            Self::ExactlyOneOf(names) | Self::AtLeastOneOf(names) | Self::AtMostOneOf(names) => names.to_vec(),
            Self::Requires(first, second) => vec![first, second],
        }
    }

    /// The rule as a sentence, for the page and for the error.
    pub fn sentence(&self) -> String {
        let list = |names: &[&str]| {
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self {
            Self::ExactlyOneOf(names) => format!("Exactly one of {} must be given.", list(names)),
            Self::AtLeastOneOf(names) => format!("At least one of {} must be given.", list(names)),
            Self::AtMostOneOf(names) => format!("At most one of {} may be given.", list(names)),
            Self::Requires(first, second) => format!("`{first}` needs `{second}` beside it."),
        }
    }

    fn check(&self, config: &Object) -> Option<Diagnostic> {
        let value = |name: &str| config.get(name).unwrap_or(&Value::Null);
        let empty = |value: &Value| value.is_null();
        let count = |names: &[&str]| {
            let given = names
                .iter()
                .filter(|name| !empty(value(name)) && !value(name).is_unknown())
                .count();
            let unknown = names.iter().filter(|name| value(name).is_unknown()).count();
            (given, unknown)
        };
        let (broken, at) = match self {
            Self::ExactlyOneOf(names) => {
                let (given, unknown) = count(names);
                (
                    given > 1 || given + unknown == 0,
                    (given > 1)
                        .then(|| names.iter().rfind(|name| !empty(value(name))))
                        .flatten(),
                )
            }
            Self::AtLeastOneOf(names) => {
                let (given, unknown) = count(names);
                (given + unknown == 0, None)
            }
            Self::AtMostOneOf(names) => {
                let (given, _) = count(names);
                (given > 1, names.iter().rfind(|name| !empty(value(name))))
            }
            Self::Requires(first, second) => {
                let wanted = !empty(value(first)) && !value(first).is_unknown();
                (wanted && empty(value(second)), Some(first))
            }
        };
        let diagnostic = broken.then(|| Diagnostic::error("Invalid combination of arguments", self.sentence()))?;
        Some(match at {
            Some(name) => diagnostic.under(Step::Attribute((*name).to_owned())),
            None => diagnostic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(attributes: &[(&str, Value)]) -> Object {
        attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn rules_wait_for_what_is_unknown() {
        let rule = Rule::ExactlyOneOf(&["a", "b"]);
        assert!(rule.check(&object(&[])).is_some());
        assert!(
            rule.check(&object(&[("a", Value::from("x")), ("b", Value::from("y"))]))
                .is_some()
        );
        assert!(rule.check(&object(&[("a", Value::from("x"))])).is_none());
        assert!(
            rule.check(&object(&[("a", Value::from("x")), ("b", Value::unknown())]))
                .is_none()
        );
        assert!(rule.check(&object(&[("a", Value::unknown())])).is_none());
    }

    #[test]
    fn what_needs_another_says_so_at_its_own_place() {
        let rule = Rule::Requires("subject", "issuer");
        let diagnostic = rule.check(&object(&[("subject", Value::from("x"))])).expect("broken");
        assert_eq!(diagnostic.path.to_string(), "subject");
        assert!(rule.check(&object(&[("issuer", Value::from("x"))])).is_none());
        assert!(
            rule.check(&object(&[("subject", Value::from("x")), ("issuer", Value::unknown())]))
                .is_none()
        );
    }
}
