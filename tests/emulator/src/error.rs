//! What can go wrong when the emulator starts or is steered. It does not know Azure's errors: those are answers.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The emulator could not start, or could not do what a test asked of it.
#[derive(Debug)]
pub struct Error {
    what: String,
    source: Option<Source>,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>) -> Error {
        Error {
            what: what.into(),
            source: None,
        }
    }

    pub(crate) fn because(what: impl Into<String>, source: impl Into<Source>) -> Error {
        Error {
            what: what.into(),
            source: Some(source.into()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Adds what was being done to an error of another library.
pub(crate) trait Context<T> {
    fn context(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Source>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::because(what, source))
    }
}
