//! Settings that a role's sessions begin with (`ALTER ROLE … SET`): checked, compared, written.
//!
//! It does not know which settings a server has.

use std::collections::BTreeMap;

use crate::protocol::diagnostic::{Diagnostic, Result};
use crate::protocol::path::Step;
use crate::protocol::value::{Object, Value};
use crate::sql;
use crate::sql::statement::{Name, Part, Statement, Text};

/// Settings by name.
pub type Settings = BTreeMap<String, String>;

/// Settings whose value is a list of names. As one text, `a, b` would be a single name with a comma in it.
const LISTS: [&str; 4] = [
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
];

/// What is wrong with the settings of a configuration, of what is known so far.
pub fn mistakes(config: &Object) -> Vec<Diagnostic> {
    let Some(settings) = config.get("settings").and_then(Value::as_object) else {
        return Vec::new();
    };
    let mistake = |(name, value): (&String, &Value)| {
        let wrong = |summary, detail: String| {
            let mistake = Diagnostic::error(summary, detail).under(Step::Key(name.clone()));
            Some(mistake.at("settings"))
        };
        if name_part(name).is_none() {
            let detail = format!("`{name}` is not the name of a setting, as `statement_timeout` or `app.tenant` is.");
            return wrong("Invalid setting", detail);
        }
        let twin = settings
            .keys()
            .any(|other| other < name && other.eq_ignore_ascii_case(name));
        if twin {
            let detail = format!("`{name}` is there twice: the case of letters makes no difference.");
            return wrong("Setting given twice", detail);
        }
        match value.as_str() {
            Some(value) if value.contains('\0') => {
                wrong("Invalid setting", "A value may not contain the character NUL.".into())
            }
            Some(value) if is_list(name) && elements(value).is_none() => {
                let detail = format!("`{name}` takes names with commas between them, as in `app, \"$user\", public`.");
                wrong("Invalid setting", detail)
            }
            _ => None,
        }
    };
    settings.iter().filter_map(mistake).collect()
}

/// What was found, in the spelling of what is written where both mean the same.
pub fn settle(written: &Settings, found: &Settings) -> Settings {
    let spelled = |(name, value): (&String, &String)| {
        let same = written.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        match same {
            Some((other, wish)) if means_the_same(name, wish, value) => (other.clone(), wish.clone()),
            Some((other, _)) => (other.clone(), value.clone()),
            None => (name.clone(), value.clone()),
        }
    };
    found.iter().map(spelled).collect()
}

/// The statements that lead from what a role has to what it shall have.
///
/// # Errors
/// When a name or value cannot be written; validation says so earlier where it can.
pub fn changes(role: &Name, held: &Settings, wanted: &Settings) -> Result<Vec<Statement>> {
    let held = settle(wanted, held);
    let mut statements = Vec::new();
    for name in held.keys().filter(|name| !wanted.contains_key(*name)) {
        statements.push(sql!("ALTER ROLE {} RESET {}", role, known_name(name)?));
    }
    for (name, value) in wanted.iter().filter(|(name, value)| held.get(*name) != Some(value)) {
        let set = sql!(
            "ALTER ROLE {} SET {} = {}",
            role,
            known_name(name)?,
            parts(name, value)?
        );
        statements.push(set);
    }
    Ok(statements)
}

fn known_name(name: &str) -> Result<Part> {
    let unusable =
        || Diagnostic::error("Invalid setting", format!("`{name}` is not the name of a setting.")).at("settings");
    name_part(name).ok_or_else(unusable)
}

fn parts(name: &str, value: &str) -> Result<Part> {
    let text = |text: &str| {
        let nul = |_| {
            Diagnostic::error(
                "Invalid setting",
                format!("The value of `{name}` contains the character NUL."),
            )
        };
        Text::new(text)
            .map(Part::from)
            .map_err(|error| nul(error).at("settings"))
    };
    match elements(value).filter(|_| is_list(name)) {
        Some(elements) => elements
            .iter()
            .map(|element| text(element))
            .collect::<Result<_>>()
            .map(Part::List),
        None => text(value),
    }
}

fn is_list(name: &str) -> bool {
    LISTS.iter().any(|list| list.eq_ignore_ascii_case(name))
}

fn means_the_same(name: &str, one: &str, other: &str) -> bool {
    one == other || is_list(name) && elements(one).is_some_and(|one| Some(one) == elements(other))
}

/// A name, or names with dots between them, each quoted by itself.
fn name_part(name: &str) -> Option<Part> {
    let mut pieces = name.split('.').map(|piece| {
        let mut characters = piece.chars();
        let first = characters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        let rest = characters.all(|other| other.is_ascii_alphanumeric() || "_$".contains(other));
        Name::new(piece)
            .ok()
            .filter(|_| first && rest && name.len() <= Name::LONGEST)
    });
    let first = Part::from(pieces.next()??);
    pieces.try_fold(first, |whole, piece| Some(Part::from(sql!("{}.{}", whole, piece?))))
}

/// The names of a list as PostgreSQL reads them: quoted as they are, others in lower case. `None`: no such list.
fn elements(list: &str) -> Option<Vec<String>> {
    if list.trim().is_empty() {
        return Some(vec![String::new()]);
    }
    let (mut names, mut rest) = (Vec::new(), list.trim());
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let name = rest[..end].trim_end();
                let plain =
                    !name.is_empty() && !name.contains(|character: char| character == '"' || character.is_whitespace());
                (plain.then(|| name.to_ascii_lowercase())?, &rest[end..])
            }
        };
        names.push(name);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None => return rest.is_empty().then_some(names),
        }
    }
}

/// A name up to its closing quote, and what follows.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let (mut name, mut rest) = (String::new(), text);
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::quote::Dialect;
    use expect_test::expect;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn only_differences_are_written_and_lists_name_by_name() {
        let held = settings(&[
            ("TimeZone", "UTC"),
            ("search_path", "\"$user\", public"),
            ("work_mem", "8MB"),
            ("jit", "off"),
        ]);
        let wanted = settings(&[
            ("timezone", "UTC"),
            ("search_path", "App, \"$user\",\"a\"\"b\""),
            ("work_mem", "16MB"),
            ("app.tenant", "it's \\ me"),
        ]);
        let statements = changes(&Name::new("a\"b").unwrap(), &held, &wanted).unwrap();
        let text: Vec<String> = statements.iter().map(|one| one.render(Dialect::PostgreSql)).collect();
        expect![[r#"
            ALTER ROLE "a""b" RESET "jit"
            ALTER ROLE "a""b" SET "app"."tenant" =  E'it''s \\ me'
            ALTER ROLE "a""b" SET "search_path" = 'app', '$user', 'a"b'
            ALTER ROLE "a""b" SET "work_mem" = '16MB'"#]]
        .assert_eq(&text.join("\n"));
    }

    #[test]
    fn what_means_the_same_keeps_the_spelling_of_the_configuration() {
        let written = settings(&[("timezone", "UTC"), ("search_path", "APP,public"), ("jit", "off")]);
        let found = settings(&[
            ("TimeZone", "UTC"),
            ("search_path", "app, public"),
            ("jit", "on"),
            ("other", "1"),
        ]);
        let expected = settings(&[
            ("timezone", "UTC"),
            ("search_path", "APP,public"),
            ("jit", "on"),
            ("other", "1"),
        ]);
        assert_eq!(settle(&written, &found), expected);
    }

    #[test]
    fn lists_are_read_as_the_server_reads_them() {
        assert_eq!(elements(""), elements("\"\""));
        assert_eq!(elements(" A ,\"B, c\" "), Some(vec!["a".to_owned(), "B, c".to_owned()]));
        // In a database in UTF-8 the server changes the case of ASCII letters only.
        assert_eq!(elements("ÄPP"), Some(vec!["Äpp".to_owned()]));
        for wrong in ["a,", ",a", "a b", "\"a", "a\"b\"", "\"a\" b"] {
            assert_eq!(elements(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_setting_is_refused_where_it_stands() {
        let config = |name: &str, value: &str| {
            let settings = Value::Map(Object::from([(name.to_owned(), Value::from(value))]));
            Object::from([("settings".to_owned(), settings)])
        };
        assert!(mistakes(&config("app.tenant_id", "x")).is_empty());
        for (name, value) in [
            ("a b", "1"),
            ("", "1"),
            ("a.", "1"),
            ("1a", "1"),
            ("search_path", "a,,b"),
            ("jit", "a\0"),
        ] {
            let found = mistakes(&config(name, value));
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].path.to_string().starts_with("settings["), "{}", found[0].path);
        }
    }
}
