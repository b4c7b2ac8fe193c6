//! Looks for secrets in bytes: as they are, percent-encoded, in base64, and inside the archives that plans are.
//! It does not know how the bytes came about.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Enough of a secret to be sure that it is none by chance.
const PIECE: usize = 32;

/// By how many bytes secrets are told apart before they are compared.
const BEGINNING: usize = 8;

/// What is looked through, by a name for each part.
#[derive(Default)]
pub struct Haystack(Vec<(String, Vec<u8>)>);

/// What is looked for.
#[derive(Default)]
pub struct Secrets(Vec<Vec<u8>>);

impl Haystack {
    /// Adds a text.
    pub fn add(&mut self, name: String, bytes: &[u8]) {
        for (number, entry) in archived(bytes).into_iter().enumerate() {
            self.0.push((format!("{name}, entry {number} of the archive"), entry));
        }
        self.0.push((name, bytes.to_vec()));
    }

    /// Adds every file of a folder; in archives, every file of theirs.
    pub fn add_folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                self.add_folder(&path);
            } else if path.is_file() {
                self.add(path.display().to_string(), &std::fs::read(&path).expect("readable"));
            }
        }
    }

    /// A text that must be there, so that the search is not one through nothing.
    pub fn must_have(&self, text: &str, why: &str) {
        let found = self
            .0
            .iter()
            .any(|(_, bytes)| position(bytes, text.as_bytes()).is_some());
        assert!(found, "{text:?} is missing: {why}");
    }
}

impl Secrets {
    /// Adds secrets that are no tokens.
    pub fn add_texts(&mut self, texts: &[String]) {
        for text in texts {
            assert!(text.len() >= 16, "too short to be told from other texts");
            self.add(text.as_bytes());
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            self.0.push(encoded.into_bytes());
        }
    }

    /// Adds signed tokens: already a piece of one is a secret.
    pub fn add_tokens(&mut self, tokens: &[String]) {
        for token in tokens {
            let (head, signature) = token.rsplit_once('.').expect("a signed token");
            self.add(&signature.as_bytes()[..PIECE]);
            let claims = head.rsplit_once('.').expect("a signed token").1.as_bytes();
            // Its beginning is the same in many tokens, its end is not.
            self.add(&claims[..PIECE]);
            self.add(&claims[claims.len() - PIECE..]);
        }
    }

    /// The secret itself, and what is left of it in base64 wherever it begins.
    fn add(&mut self, secret: &[u8]) {
        self.0.push(secret.to_vec());
        for shift in 0..3 {
            let encoded = STANDARD.encode([&vec![0; shift], secret].concat());
            // The edges depend on what stands beside them.
            let inner = &encoded.as_bytes()[4..encoded.len() - 4];
            self.0.push(inner.to_vec());
        }
    }

    /// How many spellings are looked for.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Where something was found, without saying what.
    pub fn found_in(&self, haystack: &Haystack) -> Vec<String> {
        let beginnings = self.beginnings();
        let mut found = Vec::new();
        for (name, bytes) in &haystack.0 {
            if let Some(at) = first_of(&beginnings, bytes) {
                found.push(format!("{name}: a secret at byte {at}, after {:?}", before(bytes, at)));
            }
            if let Some(at) = token(bytes) {
                found.push(format!("{name}: a token at byte {at}, after {:?}", before(bytes, at)));
            }
        }
        found
    }

    /// The secrets by how they begin: there are thousands, and megabytes to look through.
    fn beginnings(&self) -> HashMap<[u8; BEGINNING], Vec<&[u8]>> {
        let mut beginnings: HashMap<_, Vec<&[u8]>> = HashMap::new();
        for secret in &self.0 {
            let beginning = *secret.first_chunk().expect("secrets are long");
            beginnings.entry(beginning).or_default().push(secret);
        }
        beginnings
    }

    /// Nothing may be found.
    pub fn expect_none_in(&self, haystack: &Haystack) {
        let found = self.found_in(haystack);
        assert!(found.is_empty(), "secrets were given away:\n{}", found.join("\n"));
    }
}

fn before(bytes: &[u8], at: usize) -> String {
    String::from_utf8_lossy(&bytes[at.saturating_sub(60)..at]).into_owned()
}

fn first_of(beginnings: &HashMap<[u8; BEGINNING], Vec<&[u8]>>, bytes: &[u8]) -> Option<usize> {
    bytes.windows(BEGINNING).enumerate().find_map(|(at, window)| {
        let secrets = beginnings.get::<[u8]>(window)?;
        secrets
            .iter()
            .any(|secret| bytes[at..].starts_with(secret))
            .then_some(at)
    })
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    // The first byte is sought at full speed; almost everything is ruled out by the second.
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(offset) = bytes[from..].iter().position(|byte| *byte == first) {
        let start = from + offset;
        if bytes[start..].starts_with(wanted) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

/// Anything in the form of a signed token, whoever made it: two parts that begin as JSON objects do.
fn token(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(offset) = position(&bytes[from..], b"eyJ") {
        let start = from + offset;
        let text = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let length = bytes[start..].iter().take_while(|byte| text(byte)).count();
        if length >= 10 && bytes[start + length..].starts_with(b".eyJ") {
            return Some(start);
        }
        from = start + length.max(3);
    }
    None
}

/// The contents of a zip archive, by its central directory; nothing when it is none.
fn archived(bytes: &[u8]) -> Vec<Vec<u8>> {
    const ENTRY: &[u8] = b"PK\x01\x02";
    let mut entries = Vec::new();
    if !bytes.starts_with(b"PK\x03\x04") {
        return entries;
    }
    let number = |at: usize, width: usize| {
        let digits = bytes[at..at + width].iter().rev();
        digits.fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let mut from = 0;
    while let Some(offset) = position(&bytes[from..], ENTRY) {
        let entry = from + offset;
        let (method, size, local) = (number(entry + 10, 2), number(entry + 20, 4), number(entry + 42, 4));
        let data = local + 30 + number(local + 26, 2) + number(local + 28, 2);
        let packed = &bytes[data..data + size];
        let mut content = Vec::new();
        match method {
            0 => content.extend(packed),
            8 => {
                flate2::read::DeflateDecoder::new(packed)
                    .read_to_end(&mut content)
                    .expect("deflated");
            }
            other => panic!("an archive packed by method {other}"),
        }
        entries.push(content);
        from = entry + ENTRY.len();
    }
    assert!(!entries.is_empty(), "an archive without entries");
    entries
}
