//! A Rust file as the rules look at it: code without comments and texts, texts apart, tests marked. Not a parser.

/// A file of the repository.
pub struct Source {
    /// Relative to the repository.
    pub path: String,
    /// As it is.
    pub text: String,
    /// The same lines, without comments and without what stands in quotes.
    pub code: String,
    /// The texts in quotes.
    pub literals: Vec<Literal>,
    /// The lines that only tests see, counted from one.
    tests: Vec<std::ops::RangeInclusive<usize>>,
}

/// A text in quotes.
pub struct Literal {
    /// Where it begins, counted from one.
    pub line: usize,
    /// Without its quotes, escapes as they are written.
    pub text: String,
    /// The position of its opening quote in the code.
    pub at: usize,
}

impl Source {
    /// Reads a Rust file.
    pub fn new(path: &str, text: &str) -> Self {
        let (code, literals) = split(text);
        let tests = tests(&code);
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            literals,
            tests,
        }
    }

    /// Reads a Rust file that only tests see.
    pub fn test(path: &str, text: &str) -> Self {
        Self {
            tests: vec![1..=usize::MAX],
            ..Self::new(path, text)
        }
    }

    /// Whether only tests see the line.
    pub fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&line))
    }

    /// The lines of code that are shipped, with their numbers.
    pub fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines()).filter(|(line, _)| !self.is_test(*line))
    }

    /// The line of a position in the code.
    pub fn line(&self, at: usize) -> usize {
        line(&self.code, at)
    }

    /// The modules that only tests see and that stand in files of their own.
    pub fn test_modules(&self) -> Vec<String> {
        let modules = marks(&self.code).into_iter().filter_map(|(_, after)| {
            let rest = self.code[after..].trim_start();
            let rest = rest
                .split_once("mod ")
                .filter(|(before, _)| !before.contains(['{', ';']))?
                .1;
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            rest[end..]
                .trim_start()
                .starts_with(';')
                .then(|| rest[..end].to_owned())
        });
        modules.collect()
    }

    /// The functions that have a body: name, line, lines of code, whether it is a test. Those that say why they are
    /// long are left out.
    pub fn functions(&self) -> Vec<(String, usize, usize, bool)> {
        let mut found = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let before = &self.code[..at];
            let name: String = self.code[at + 3..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '#')
                .collect();
            if name.is_empty() || before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let attributes = &before[before.rfind(['}', ';']).map_or(0, |end| end + 1)..];
            let excused = attributes.contains("expect(clippy::too_many_lines");
            if let Some((start, end)) = body(&self.code, at).filter(|_| !excused) {
                let inside = self.code[start + 1..end - 1].lines();
                let lines = inside.filter(|line| !line.trim().is_empty()).count();
                found.push((name, self.line(at), lines, attributes.contains("test]")));
            }
        }
        found
    }
}

fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Where the body of the item begins and ends; none for an item without one.
fn body(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut nested = 0_usize;
    let mut open = None;
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match (byte, open) {
            (b'(' | b'[', None) => nested += 1,
            (b')' | b']', None) => nested = nested.saturating_sub(1),
            (b';', None) if nested == 0 => return None,
            (b'{', _) if nested == 0 || open.is_some() => {
                open.get_or_insert(at);
                depth += 1;
            }
            (b'}', Some(start)) => {
                depth -= 1;
                if depth == 0 {
                    return Some((start, at + 1));
                }
            }
            _ => {}
        }
    }
    None
}

fn tests(code: &str) -> Vec<std::ops::RangeInclusive<usize>> {
    let ranges = marks(code).into_iter().map(|(at, after)| {
        let end = match body(code, after) {
            Some((_, end)) => end,
            None => code[after..].find(';').map_or(code.len(), |end| after + end),
        };
        line(code, at)..=line(code, end)
    });
    ranges.collect()
}

/// The marks of what only tests see: where each begins and ends.
fn marks(code: &str) -> Vec<(usize, usize)> {
    let marks = code.match_indices("#[cfg(").filter_map(|(at, _)| {
        let after = at + code[at..].find(']')? + 1;
        let mark = &code[at..after];
        let words: Vec<&str> = mark.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        (words.contains(&"test") && !words.contains(&"not") && !words.contains(&"any")).then_some((at, after))
    });
    marks.collect()
}

/// Takes comments and texts out; what is left stands where it stood.
fn split(text: &str) -> (String, Vec<Literal>) {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut literals = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let end = if rest.starts_with("//") {
            at + rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            at + rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some((start, end, after)) = literal(rest, code.last().copied()) {
            literals.push(Literal {
                line: line(text, at),
                text: rest[start..end].to_owned(),
                at,
            });
            code.push(b'"');
            blank(&mut code, &bytes[at + 1..at + after - 1]);
            code.push(b'"');
            at += after;
            continue;
        } else if let Some(length) = character(rest) {
            at + length
        } else {
            code.push(bytes[at]);
            at += 1;
            while at < bytes.len() && !text.is_char_boundary(at) {
                code.push(bytes[at]);
                at += 1;
            }
            continue;
        };
        blank(&mut code, &bytes[at..end]);
        at = end;
    }
    (String::from_utf8(code).expect("whole characters were kept"), literals)
}

fn blank(code: &mut Vec<u8>, bytes: &[u8]) {
    code.extend(bytes.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
}

/// A text that begins here: where it begins and ends without its quotes, and where it is over.
fn literal(rest: &str, before: Option<u8>) -> Option<(usize, usize, usize)> {
    let inside_a_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
    if prefix > 2 || prefix > 0 && inside_a_word {
        return None;
    }
    if rest[..prefix].contains('r') {
        let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
        let start = prefix + hashes;
        rest[start..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = start + 1 + rest[start + 1..].find(&close)?;
        return Some((start + 1, end, end + close.len()));
    }
    rest[prefix..].strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(prefix + 1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((prefix + 1, at, at + 1)),
            _ => {}
        }
    }
    None
}

/// The length of a character in quotes that begins here; none for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if inner.starts_with('\\') {
        let end = inner.char_indices().skip(2).find(|(_, c)| *c == '\'')?.0;
        return Some(end + 2);
    }
    let c = inner.chars().next()?;
    inner[c.len_utf8()..].starts_with('\'').then_some(c.len_utf8() + 2)
}
