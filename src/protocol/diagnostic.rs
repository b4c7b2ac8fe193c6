//! What a person is told: how bad, what kind of problem, what to do, and where.

use std::error::Error;

use crate::protocol::path::{Path, Step};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The operation failed.
    Error,
    /// The operation went on.
    Warning,
}

/// A message for the person who runs Terraform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of problem. Static, so that no value of a user can stand in it.
    pub summary: &'static str,
    /// What is wrong, why, and what to do, in whole sentences.
    pub detail: String,
    /// Where in the configuration; relative until the outermost caller has added its steps.
    pub path: Path,
}

/// The result of whatever can be told to a person.
pub type Result<T, E = Diagnostic> = std::result::Result<T, E>;

impl Diagnostic {
    /// A problem that ends the operation.
    pub fn error(summary: &'static str, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary,
            detail: detail.into(),
            path: Path::root(),
        }
    }

    /// A remark; the operation goes on.
    pub fn warning(summary: &'static str, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(summary, detail)
        }
    }

    /// A mistake of ours.
    pub fn bug(detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::error(
            "This is a bug in the provider",
            format!(
                "{detail} Please report it where the provider comes from, with the configuration and the output of TF_LOG=DEBUG; remove secrets and names first."
            ),
        )
    }

    /// The same, one step further out.
    #[must_use]
    pub fn under(mut self, step: Step) -> Self {
        self.path = self.path.under(step);
        self
    }

    /// The same, at an attribute of the block.
    #[must_use]
    pub fn at(self, attribute: &str) -> Self {
        self.under(Step::Attribute(attribute.to_owned()))
    }

    /// Whether it ends the operation.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// An error and all its causes, outermost first, as one text.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
