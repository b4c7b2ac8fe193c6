//! What clients sent to a server, read from its log. It does not know who ought to have sent what.

/// One statement that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The role of the session.
    pub user: String,
    /// The database of the session.
    pub database: String,
    /// The text as it was sent, with parameters still as `$1`.
    pub text: String,
}

/// What stands before each line of the log: mark, user, mark, database, mark.
pub(crate) const PREFIX: &str = "|#|%u|#|%d|#|";

const MARK: &str = "|#|";

/// The statements in a log, the platform's own left out.
pub(crate) fn read(log: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let mut open = false;
    for line in log.lines() {
        if let Some(rest) = line.strip_prefix('\t') {
            if let Some(last) = found.last_mut().filter(|_| open) {
                last.text.push('\n');
                last.text.push_str(rest);
            }
            continue;
        }
        let mut parts = line.splitn(4, MARK);
        let (Some(""), Some(user), Some(database), Some(message)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            open = false;
            continue;
        };
        let text = message.strip_prefix("LOG:  ").and_then(statement);
        open = text.is_some();
        if let Some(text) = text {
            found.push(Statement {
                user: user.to_owned(),
                database: database.to_owned(),
                text: text.to_owned(),
            });
        }
    }
    found.retain(|statement| statement.user != "azuresu");
    found
}

fn statement(message: &str) -> Option<&str> {
    match message.strip_prefix("statement: ") {
        Some(text) => Some(text),
        None => message.strip_prefix("execute ")?.split_once(": ").map(|(_, text)| text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_several_lines_stay_whole() {
        let log = "|#|one|#|app|#|LOG:  statement: select 1,\n\t2\n|#|one|#|app|#|LOG:  execute s0: select $1\n\
                   |#|one|#|app|#|DETAIL:  parameters: $1 = 'x'\n|#|azuresu|#|app|#|LOG:  statement: hidden\n";
        let texts: Vec<String> = read(log).into_iter().map(|statement| statement.text).collect();
        assert_eq!(texts, ["select 1,\n2", "select $1"]);
    }
}
