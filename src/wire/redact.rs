//! The second line of defence against secrets in texts: whatever looks like a signed token is left
//! out. The first is that secrets are never texts.

use std::borrow::Cow;

/// How every token begins: `{"` in base64.
const BEGINNING: &str = "eyJ";
const REPLACEMENT: &str = "(token)";

/// The text with `(token)` in place of each JSON web token.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut rest = text;
    let mut clean = String::new();
    while let Some(start) = rest.find(BEGINNING) {
        let length = token_length(&rest[start..]);
        let (before, after) = rest.split_at(start);
        clean.push_str(before);
        clean.push_str(if length == 0 { BEGINNING } else { REPLACEMENT });
        rest = &after[length.max(BEGINNING.len())..];
    }
    if clean.is_empty() {
        return Cow::Borrowed(rest);
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// How many bytes belong to the token that `text` begins with; zero when it is none. Two parts are
/// enough: a token that was cut is still a secret.
fn token_length(text: &str) -> usize {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'.');
    let length = text.bytes().take_while(|byte| in_token(byte)).count();
    let candidate = text[..length].trim_end_matches('.');
    let mut parts = candidate.split('.');
    let long_enough = |part: Option<&str>| part.is_some_and(|part| part.len() >= 8);
    if long_enough(parts.next()) && long_enough(parts.next()) {
        candidate.len()
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_left_out_and_nothing_else() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
        let check = |text: &str, expected: &str| assert_eq!(redact(text), expected);
        check("nothing here", "nothing here");
        check(token, "(token)");
        check(&format!("a {token}, b {token}."), "a (token), b (token).");
        check("cut: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0", "cut: (token)");
        check("no token: eyJ, eyJabc.def é", "no token: eyJ, eyJabc.def é");
        check("eyJeyJ", "eyJeyJ");
    }
}
