//! Just enough YAML to write settings: mappings of texts. It does not read any.

use std::fmt::Write;

/// A mapping in the making.
#[derive(Debug, Default)]
pub(crate) struct Yaml {
    text: String,
    depth: usize,
}

impl Yaml {
    /// `key:`, and what `inside` writes below it.
    pub(crate) fn under(mut self, key: &str, inside: impl FnOnce(Self) -> Self) -> Self {
        self.line(&format!("{key}:"));
        self.depth += 1;
        let mut written = inside(self);
        written.depth -= 1;
        written
    }

    /// `key: "text"`, quoted, so that no text means anything else.
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.line(&format!("{key}: {}", quoted(value)));
        self
    }

    /// `key: word` for numbers and `true`.
    pub(crate) fn plain(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.line(&format!("{key}: {value}"));
        self
    }

    /// `# text`
    pub(crate) fn comment(mut self, text: &str) -> Self {
        self.line(&format!("# {text}"));
        self
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, line: &str) {
        let width = 2 * self.depth;
        self.text.push_str(&format!("{:width$}{line}\n", ""));
    }
}

/// A text between double quotes, in which nothing is special.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other if other.is_control() || matches!(other, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(other));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_texts() {
        let yaml = Yaml::default()
            .comment("settings")
            .under("a", |inside| {
                inside.text("b", "yes: \"no\" # \\ {}\n\u{85}").plain("port", 5432)
            })
            .text("c", "");
        let wanted = "# settings\na:\n  b: \"yes: \\\"no\\\" # \\\\ {}\\n\\u0085\"\n  port: 5432\nc: \"\"\n";
        assert_eq!(yaml.finish(), wanted);
    }
}
