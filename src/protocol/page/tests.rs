//! A page is what the model says, and nothing else.

use std::collections::BTreeSet;

use expect_test::expect;

use super::*;
use crate::model;
use crate::protocol::model::Model;
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Blocks, Computed, Record, Timeouts};

model! {
    /// A kettle, which boils water.
    ///
    /// It needs a socket.
    pub struct Kettle {
        /// The kitchen it stands in.
        #[replace]
        pub kitchen: String,
        /// What it is called
        /// by the family.
        #[replace]
        pub name: String,
        /// How many cups it takes.
        #[default(4)]
        #[between(1, 12)]
        pub cups: i64,
        /// What it may be filled with.
        pub fillings: Option<BTreeSet<String>>,
        /// The word that starts it.
        #[sensitive]
        #[deprecated("use `name`.")]
        pub word: Option<String>,
        /// Its serial number.
        pub number: Computed<i64>,
        /// Who has used it.
        pub uses: Computed<Vec<Record<Use>>>,
        /// Its lids.
        pub lid: Blocks<Lid>,
        pub timeouts: Timeouts,
    }
    rules: Rule::AtMostOneOf(&["fillings", "word"])
}

model! {
    /// One use.
    pub struct Use {
        /// Who it was.
        pub who: Computed<String>,
    }
}

model! {
    /// A lid.
    pub struct Lid {
        /// Its colour.
        pub colour: String,
    }
}

#[test]
fn a_resource_as_a_page() {
    let page = Page {
        kind: Kind::Resource,
        provider: "kitchen",
        name: "kitchen_kettle",
        subcategory: "Hot things",
        block: &Kettle::block(),
        example: Some("resource \"kitchen_kettle\" \"k\" {}\n"),
        import: Some(Import {
            command: "# Where it stands, and what it is called.\nterraform import kitchen_kettle.k 'home|a%7C\"b'\n",
            identity: &["kitchen", "name"],
        }),
    };
    expect![[r##""##]].assert_eq(&page.markdown());
}

#[test]
fn a_function_as_a_page() {
    let page = FunctionPage {
        provider: "kitchen",
        name: "boil",
        summary: "Whether water of this temperature boils.",
        description: "Whether water boils.",
        parameters: &[("temperature", &Type::Number, "In degrees.")],
        r#return: &Type::Bool,
        example: None,
    };
    expect![[r##""##]].assert_eq(&page.markdown());
}

#[test]
fn an_import_command_of_another_form_gives_no_example() {
    let import = |command| {
        Import {
            command,
            identity: &["a", "b"],
        }
        .example()
    };
    assert_eq!(import("terraform import x.y 'one'"), None);
    assert_eq!(import("terraform plan"), None);
    let parts = vec!["1".to_owned(), "2".to_owned()];
    assert_eq!(import("terraform import x.y '1|2'"), Some(("x.y".to_owned(), parts)));
}
