//! Provider functions: pure, the same answer for the same arguments.

use crate::protocol::value::{Type, Value};

/// What a function takes and gives.
#[derive(Clone, Debug)]
pub struct Signature {
    /// One line: what it gives.
    pub summary: &'static str,
    /// Markdown.
    pub description: &'static str,
    /// What it takes, in order.
    pub parameters: Vec<Parameter>,
    /// What it gives.
    pub r#return: Type,
}

/// One thing that a function takes.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub r#type: Type,
    /// What it is.
    pub description: &'static str,
}

/// Why a function gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// What is wrong, in a whole sentence.
    pub text: String,
    /// Which argument, counted from zero.
    pub argument: Option<usize>,
}

/// A function.
pub trait AnyFunction: Send + Sync {
    /// Its name in a configuration.
    fn name(&self) -> &'static str;
    /// What it takes and gives.
    fn signature(&self) -> Signature;
    /// Computes. The arguments are known and of their types.
    ///
    /// # Errors
    /// When an argument means nothing.
    fn call(&self, arguments: Vec<Value>) -> Result<Value, FunctionError>;
}
