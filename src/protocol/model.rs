//! `model!`: one definition gives the struct, the schema, the page, the decoder, the encoder and the early validation.

use crate::protocol::diagnostic::Diagnostic;
use crate::protocol::path::Step;
use crate::protocol::schema::{Attribute, Block};
use crate::protocol::typed::{Kind, Typed};
use crate::protocol::value::{Object, Value};

/// A Rust struct that stands for a Terraform block. Implemented by `model!`.
pub trait Model: Clone + PartialEq + Send + Sync + Sized + 'static {
    /// What stands between the braces.
    fn block() -> Block;
    /// Decodes a block in which only computed attributes may be unknown.
    ///
    /// # Errors
    /// Every mistake, with its path.
    fn from_object(object: Object) -> Result<Self, Vec<Diagnostic>>;
    /// Encodes the block.
    fn into_object(self) -> Object;
    /// The mistakes in what is known of a configuration so far.
    fn check(config: &Object) -> Vec<Diagnostic>;
    /// Keeps the spelling that the user or the state has, where both mean the same.
    fn settle(new: Object, old: &Object) -> Object;
}

/// Defines a [`Model`]: a plain struct, with the marks of [`Attribute`] on its fields.
///
/// `T` is required, `Option<T>` optional, `Computed<T>` computed; doc comments are the manual. The marks are methods
/// of `Attribute`, so a misspelt one is an ordinary error on its own line.
#[macro_export]
macro_rules! model {
    (
        $(#[doc = $doc:literal])*
        $visible:vis struct $Name:ident {
            $( $(#[$($mark:tt)*])* $fieldvis:vis $field:ident : $type:ty ),* $(,)?
        }
        $(rules: $($rule:expr),* $(,)?)?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        $visible struct $Name {
            $( $fieldvis $field: $type, )*
        }

        impl $crate::protocol::model::Model for $Name {
            fn block() -> $crate::protocol::schema::Block {
                let mut block = $crate::protocol::schema::Block::default();
                $( block.line($doc); )*
                $( block.field::<$type>(stringify!($field), |attribute| {
                    $( let attribute = $crate::model!(@mark attribute, $($mark)*); )*
                    attribute
                }); )*
                $( block.rules.extend([$($rule),*]); )?
                block
            }

            fn from_object(object: $crate::protocol::value::Object) -> Result<Self, Vec<$crate::protocol::diagnostic::Diagnostic>> {
                let mut reader = $crate::protocol::model::Reader::new(object);
                $( let $field = reader.take::<$type>(stringify!($field)); )*
                match ($($field,)*) {
                    ($(Some($field),)*) => Ok(Self { $($field),* }),
                    _ => Err(reader.mistakes),
                }
            }

            fn into_object(self) -> $crate::protocol::value::Object {
                $crate::protocol::value::Object::from([
                    $( ($crate::protocol::model::plain(stringify!($field)).to_owned(), $crate::protocol::typed::Typed::into_value(self.$field)), )*
                ])
            }

            fn check(config: &$crate::protocol::value::Object) -> Vec<$crate::protocol::diagnostic::Diagnostic> {
                let mut mistakes = Self::block().check(config);
                $( $crate::protocol::model::check_field::<$type>(config, stringify!($field), &mut mistakes); )*
                mistakes
            }

            fn settle(mut new: $crate::protocol::value::Object, old: &$crate::protocol::value::Object) -> $crate::protocol::value::Object {
                $( $crate::protocol::model::settle_field::<$type>(&mut new, old, stringify!($field)); )*
                new
            }
        }
    };
    (@mark $attribute:ident, doc = $line:literal) => { $attribute.doc($line) };
    (@mark $attribute:ident, $mark:ident) => { $attribute.$mark() };
    (@mark $attribute:ident, $mark:ident($($argument:tt)*)) => { $attribute.$mark($($argument)*) };
}

/// The name of a field as users write it.
pub fn plain(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

impl Block {
    /// One line of the doc comment of a model.
    pub fn line(&mut self, line: &str) {
        if !self.description.is_empty() {
            self.description.push('\n');
        }
        self.description.push_str(line.strip_prefix(' ').unwrap_or(line));
    }

    /// One field of a model, with its marks.
    pub fn field<T: Typed>(&mut self, field: &'static str, marks: impl FnOnce(Attribute) -> Attribute) {
        match T::kind(plain(field)) {
            Kind::Attribute(attribute) => self.attributes.push(marks(*attribute)),
            Kind::Block(mut nested) => {
                let marked = marks(Attribute::new(&nested.name, T::r#type(), T::PRESENCE));
                if !marked.description.is_empty() {
                    nested.block.description = marked.description;
                }
                self.blocks.push(nested);
            }
        }
    }
}

/// Takes the fields of a model out of an object and gathers the mistakes.
pub struct Reader {
    object: Object,
    /// What was wrong so far.
    pub mistakes: Vec<Diagnostic>,
}

impl Reader {
    /// Reads from the object.
    pub fn new(object: Object) -> Self {
        Self {
            object,
            mistakes: Vec::new(),
        }
    }

    /// The field, or a mistake on the list.
    pub fn take<T: Typed>(&mut self, field: &'static str) -> Option<T> {
        let name = plain(field);
        let value = self.object.remove(name).unwrap_or(Value::Null);
        if value.is_null() {
            if let Some(missing) = T::missing() {
                return Some(missing);
            }
            self.mistakes.push(
                Diagnostic::error(
                    "Missing required argument",
                    format!("`{name}` is required, but it is not set."),
                )
                .at(name),
            );
            return None;
        }
        match T::from_value(value) {
            Ok(value) => Some(value),
            Err(mistakes) => {
                self.mistakes.extend(
                    mistakes
                        .into_iter()
                        .map(|mistake| mistake.under(Step::Attribute(name.to_owned()))),
                );
                None
            }
        }
    }
}

/// The mistakes in one field of a configuration, of what is known so far.
pub fn check_field<T: Typed>(config: &Object, field: &'static str, mistakes: &mut Vec<Diagnostic>) {
    let name = plain(field);
    let found = config.get(name).map(T::check).unwrap_or_default();
    mistakes.extend(found.into_iter().map(|mistake| mistake.at(name)));
}

/// Keeps the old spelling of one field where both mean the same.
pub fn settle_field<T: Typed>(new: &mut Object, old: &Object, field: &'static str) {
    let name = plain(field);
    let (Some(fresh), Some(former)) = (new.get(name), old.get(name)) else {
        return;
    };
    if fresh == former || !former.is_wholly_known() || former.is_null() != fresh.is_null() {
        return;
    }
    if let (Ok(fresh), Ok(kept)) = (T::from_value(fresh.clone()), T::from_value(former.clone()))
        && fresh == kept
    {
        new.insert(name.to_owned(), former.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::protocol::schema::{Nesting, Presence, Rule};
    use crate::protocol::typed::{Blocks, Computed, Timeouts};
    use crate::protocol::value::Type;

    model! {
        /// A kettle.
        pub struct Kettle {
            /// What it is called.
            #[replace]
            pub name: String,
            /// How many cups it takes.
            #[default(4)]
            #[between(1, 12)]
            pub cups: i64,
            /// What it may be filled with.
            pub fillings: Option<BTreeSet<String>>,
            /// A number that the kettle gave itself.
            #[stable]
            pub r#type: Computed<i64>,
            /// Its lids.
            pub lid: Blocks<Lid>,
            pub labels: Option<BTreeMap<String, String>>,
            pub timeouts: Timeouts,
        }
        rules: Rule::AtLeastOneOf(&["fillings", "labels"])
    }

    model! {
        /// A lid.
        pub struct Lid {
            pub colour: String,
        }
    }

    fn config(attributes: &[(&str, Value)]) -> Object {
        let names = ["name", "cups", "fillings", "type", "lid", "labels", "timeouts"];
        let mut object: Object = names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        object.extend(
            attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        object
    }

    #[test]
    fn one_definition_gives_the_schema() {
        let block = Kettle::block();
        assert_eq!(block.description, "A kettle.");
        let attribute = |name: &str| block.attribute(name).cloned().expect("an attribute");
        assert!(attribute("name").replace);
        assert_eq!(attribute("name").description, "What it is called.");
        assert_eq!(attribute("cups").presence, Presence::OptionalComputed);
        assert_eq!(attribute("fillings").r#type, Type::set(Type::String));
        assert_eq!(attribute("type").presence, Presence::Computed);
        assert_eq!(block.blocks[0].nesting, Nesting::Set);
        assert_eq!(block.blocks[0].block.description, "Its lids.");
        assert_eq!(block.blocks[1].nesting, Nesting::Single);
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let lid = Value::List(vec![Value::Map(Object::from([("colour".into(), Value::Bool(true))]))]);
        let object = config(&[
            ("cups", Value::from("many")),
            ("labels", Value::Map(Object::from([("a".into(), Value::Bool(true))]))),
            ("lid", lid),
        ]);
        let mistakes = Kettle::from_object(object).expect_err("mistakes");
        let places: Vec<String> = mistakes.iter().map(|mistake| mistake.path.to_string()).collect();
        assert!(mistakes[2].detail.starts_with("`colour`: "), "{}", mistakes[2].detail);
        assert_eq!(places, ["name", "cups", "lid", "labels[\"a\"]"]);
    }

    #[test]
    fn early_validation_waits_for_what_is_unknown() {
        let object = config(&[
            ("name", Value::unknown()),
            ("cups", Value::from(13)),
            ("fillings", Value::List(vec![Value::unknown()])),
        ]);
        let mistakes = Kettle::check(&object);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes[0].path.to_string(), "cups");
    }

    #[test]
    fn what_goes_in_comes_out() {
        let fillings = Value::from(["tea", "water"]);
        let object = config(&[
            ("name", Value::from("k")),
            ("cups", Value::from(2)),
            ("fillings", fillings),
            ("type", Value::unknown()),
            ("lid", Value::List(vec![])),
            (
                "timeouts",
                Value::Map(Object::from([("create".into(), Value::from("5m"))])),
            ),
        ]);
        let kettle = Kettle::from_object(object.clone()).expect("a kettle");
        assert_eq!(kettle.timeouts.create, Some(std::time::Duration::from_secs(300)));
        assert_eq!(kettle.into_object(), object);
    }
}
