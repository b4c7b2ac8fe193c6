//! What is given as it is or in a file, in the block or in the environment: the block speaks first.

use std::fs;

use secrecy::SecretString;

use crate::protocol::diagnostic::Result;
use crate::protocol::secret::Secret;
use crate::provider::settings::{Variables, invalid};

/// A secret, as the block says it, else as the environment does.
pub(super) fn secret(given: Option<Secret>, variables: &Variables, names: &[&str]) -> Option<SecretString> {
    given
        .map(|secret| secret.0)
        .or_else(|| variables.first(names).map(SecretString::from))
}

/// The content of a file that the block or the environment names, without white space at its ends.
pub(super) fn content(path: Option<String>, attribute: &'static str) -> Result<Option<String>> {
    let read = |path: String| {
        let text = fs::read_to_string(&path).map_err(|error| {
            invalid(
                attribute,
                format!("`{attribute}` names the file {path}, which cannot be read: {error}"),
            )
        })?;
        Ok(text.trim().to_owned())
    };
    path.map(read).transpose()
}

/// What is given as it is or in a file: as the block says it, else as the environment does. `word` and `file` name the variables.
pub(super) fn given_or_read<T: From<String>>(
    given: Option<T>,
    path: Option<String>,
    variables: &Variables,
    (word, file): (&[&str], &str),
    attribute: &'static str,
) -> Result<Option<T>> {
    let from_environment = || variables.first(word).map(T::from);
    let read = |path| Ok(content(Some(path), attribute)?.map(T::from));
    match (given, path) {
        (Some(given), _) => Ok(Some(given)),
        (None, Some(path)) => read(path),
        (None, None) => match (from_environment(), variables.first(&[file])) {
            (None, Some(path)) => read(path),
            (given, _) => Ok(given),
        },
    }
}
