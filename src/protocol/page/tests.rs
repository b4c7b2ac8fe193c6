//! A page is what the model says, and nothing else.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use expect_test::expect;

use super::*;
use crate::model;
use crate::protocol::model::Model;
use crate::protocol::schema::Rule;
use crate::protocol::typed::{Blocks, Computed, Parsed, Record, Timeouts};

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
        /// How hot it is kept.
        pub kept: Option<Warmth>,
        /// What it may be filled with.
        pub fillings: Option<BTreeSet<String>>,
        /// The word that starts it.
        #[sensitive]
        #[deprecated("use `name`.")]
        pub word: Option<String>,
        /// Its serial number.
        pub number: Computed<i64>,
        /// `hot` or `cold`.
        pub state: Computed<Warmth>,
        /// Who has used it.
        pub uses: Computed<Vec<Record<Use>>>,
        /// Its lids.
        pub lid: Blocks<Lid>,
        pub timeouts: Timeouts,
    }
    rules: Rule::AtMostOneOf(&["fillings", "word"])
}

/// A word of a closed set, whatever it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Warmth(String);

impl FromStr for Warmth {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Warmth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Parsed for Warmth {
    const WHAT: &'static str = "warmth";
    const ALLOWED: &'static [&'static str] = &["hot", "cold"];
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
    expect![[r#"
        ---
        page_title: "kitchen_kettle Resource - kitchen"
        subcategory: "Hot things"
        description: |-
          A kettle, which boils water.
        ---

        # kitchen_kettle (Resource)

        A kettle, which boils water.

        It needs a socket.

        ## Example Usage

        ```terraform
        resource "kitchen_kettle" "k" {}
        ```

        ## Schema

        ### Required

        - `kitchen` (String) The kitchen it stands in. Changing this creates a new `kitchen_kettle`.
        - `name` (String) What it is called
          by the family. Changing this creates a new `kitchen_kettle`.

        ### Optional

        - `cups` (Number) How many cups it takes. From 1 to 12. Default: `4`.
        - `kept` (String) How hot it is kept. One of `hot`, `cold`.
        - `fillings` (Set of String) What it may be filled with.
        - `word` (String, Sensitive, Deprecated) The word that starts it. Deprecated: use `name`.
        - `lid` (Block Set) Its lids. (see [below for nested schema](#nestedblock--lid))
        - `timeouts` (Block) How long each operation may take, as in `30m` or `1h30m`. (see [below for nested schema](#nestedblock--timeouts))

        ### Read-Only

        - `number` (Number) Its serial number.
        - `state` (String) `hot` or `cold`.
        - `uses` (List of Object) Who has used it. (see [below for nested schema](#nestedatt--uses))

        ### Combinations

        - At most one of `fillings`, `word` may be given.

        <a id="nestedatt--uses"></a>
        ### Nested Schema for `uses`

        Read-Only:

        - `who` (String) Who it was.

        <a id="nestedblock--lid"></a>
        ### Nested Schema for `lid`

        Required:

        - `colour` (String) Its colour.

        <a id="nestedblock--timeouts"></a>
        ### Nested Schema for `timeouts`

        Optional:

        - `create` (String) How long creating may take. Default: `30m`.
        - `read` (String) How long reading may take. Default: `5m`.
        - `update` (String) How long updating may take. Default: `30m`.
        - `delete` (String) How long deleting may take. Default: `30m`.

        ## Import

        The import ID has the form `<kitchen>|<name>`; a `|` inside a part is written `%7C`, a `%` is written `%25`.

        ```shell
        # Where it stands, and what it is called.
        terraform import kitchen_kettle.k 'home|a%7C"b'
        ```

        Terraform 1.12 and later can import by **resource identity**:

        ```terraform
        import {
          to = kitchen_kettle.k
          identity = {
            kitchen = "home"
            name    = "a|\"b"
          }
        }
        ```

        ### Resource identity

        The resource identity consists of:

        - `kitchen` (String) The kitchen it stands in.
        - `name` (String) What it is called
          by the family.
    "#]].assert_eq(&page.markdown());
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
    expect![[r#"
        ---
        page_title: "boil function - kitchen"
        subcategory: ""
        description: |-
          Whether water of this temperature boils.
        ---

        # function: boil

        Whether water boils.

        ## Signature

        ```text
        boil(temperature number) bool
        ```

        ## Arguments

        1. `temperature` (Number) In degrees.
    "#]]
    .assert_eq(&page.markdown());
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
