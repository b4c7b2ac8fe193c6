//! How a dialect writes names and texts. Knows no statement.

/// How a server wants names and texts quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `"a""b"`, `'a''b'`; a text with a backslash becomes `E'…'`, which reads the same under every setting.
    PostgreSql,
}

impl Dialect {
    /// Writes an identifier.
    pub(crate) fn quote_name(self, name: &str, out: &mut String) {
        match self {
            Dialect::PostgreSql => {
                out.push('"');
                out.push_str(&name.replace('"', "\"\""));
                out.push('"');
            }
        }
    }

    /// Writes a string literal.
    pub(crate) fn quote_text(self, text: &str, out: &mut String) {
        match self {
            Dialect::PostgreSql => {
                let backslash = text.contains('\\');
                // The space keeps E from growing together with a word before it.
                out.push_str(if backslash { " E'" } else { "'" });
                let text = text.replace('\'', "''");
                out.push_str(&if backslash { text.replace('\\', "\\\\") } else { text });
                out.push('\'');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> String {
        let mut out = String::new();
        Dialect::PostgreSql.quote_name(text, &mut out);
        out
    }

    fn quoted_text(text: &str) -> String {
        let mut out = String::new();
        Dialect::PostgreSql.quote_text(text, &mut out);
        out
    }

    /// Reads a quoted identifier back as PostgreSQL's scanner does; `None` when anything is left over.
    fn scan_name(quoted: &str) -> Option<String> {
        let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
        inner
            .replace("\"\"", "\u{1}")
            .find('"')
            .is_none()
            .then(|| inner.replace("\"\"", "\""))
    }

    /// Reads a string literal back with `standard_conforming_strings` either way.
    fn scan_text(quoted: &str, standard: bool) -> Option<String> {
        let (escapes, body) = match quoted.strip_prefix(" E'") {
            Some(body) => (true, body),
            None => (!standard, quoted.strip_prefix('\'')?),
        };
        let (mut text, mut characters) = (String::new(), body.chars());
        while let Some(character) = characters.next() {
            match character {
                '\'' => match characters.next() {
                    Some('\'') => text.push('\''),
                    Some(_) => return None,
                    None => return Some(text),
                },
                '\\' if escapes => match characters.next()? {
                    '\\' => text.push('\\'),
                    _ => return None,
                },
                other => text.push(other),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn every_name_survives_quoting(text in "[^\0]{1,15}|[\"\\\\' ;a]{1,15}") {
            let quoted = name(&text);
            prop_assert_eq!(scan_name(&quoted), Some(text));
        }

        #[test]
        fn every_text_survives_quoting(text in "[^\0]{0,30}|['\\\\a;]{0,30}", standard: bool) {
            let quoted = quoted_text(&text);
            prop_assert_eq!(scan_text(&quoted, standard), Some(text));
        }
    }
}
