//! Calls about kinds of things that the provider has none of: each is told so in its own form.

use crate::protocol::diagnostic::{Diagnostic, Result};

/// Says that there is no such thing.
///
/// # Errors
///
/// Always.
pub async fn answer<A>(kind: &'static str, name: String) -> Result<A> {
    Err(Diagnostic::error(
        "Unknown type",
        format!("The provider has no {kind} `{name}`. A newer version may have it."),
    ))
}
