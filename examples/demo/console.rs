//! What the person at the terminal sees: numbered steps, proofs, aligned tables. It does not know what is proved.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const MARGIN: &str = "    ";

/// Why the demo cannot go on, in whole sentences.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Errors become failures that say what was being done.
pub(crate) trait Context<T> {
    fn context(self, doing: impl Display) -> Result<T>;
}

impl<T, E: std::error::Error> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl Display) -> Result<T> {
        self.map_err(|error| {
            let mut text = format!("{doing}: {error}");
            let mut cause = error.source();
            while let Some(source) = cause {
                text = format!("{text}: {source}");
                cause = source.source();
            }
            Failure(text)
        })
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, doing: impl Display) -> Result<T> {
        self.ok_or_else(|| Failure(doing.to_string()))
    }
}

/// The terminal, or the file that the output goes to.
pub(crate) struct Console {
    colours: bool,
    began: Instant,
    step: Option<Instant>,
    steps: usize,
    proofs: usize,
}

#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Faint,
    Green,
    Red,
}

impl Console {
    pub(crate) fn new() -> Console {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Console {
            colours: wanted && std::io::stdout().is_terminal(),
            began: Instant::now(),
            step: None,
            steps: 0,
            proofs: 0,
        }
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Bold => "1",
            Colour::Faint => "2",
            Colour::Green => "32",
            Colour::Red => "31",
        };
        if self.colours && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn title(&self, text: &str) {
        println!("{}", self.paint(Colour::Bold, text));
    }

    /// Begins the next step.
    pub(crate) fn step(&mut self, title: &str) {
        self.finish_step();
        if self.steps == 0 {
            // What was built before is not counted.
            self.began = Instant::now();
        }
        self.steps += 1;
        self.step = Some(Instant::now());
        println!("\n{}", self.paint(Colour::Bold, &format!("{:>2}  {title}", self.steps)));
    }

    /// Says how long the present step took.
    pub(crate) fn finish_step(&mut self) {
        if let Some(step) = self.step.take() {
            println!("{MARGIN}{}", self.paint(Colour::Faint, &seconds(step.elapsed())));
        }
    }

    pub(crate) fn say(&self, text: &str) {
        for line in text.lines() {
            println!("{MARGIN}{line}");
        }
    }

    /// What somebody else says: a program's output, a file.
    pub(crate) fn quote(&self, text: &str) {
        for line in text.lines() {
            println!("{MARGIN}{}", self.paint(Colour::Faint, &format!("│ {line}")));
        }
    }

    pub(crate) fn command(&self, text: &str) {
        println!("{MARGIN}{}", self.paint(Colour::Faint, &format!("$ {text}")));
    }

    /// A proof: says so when it held, and ends the demo when it did not.
    pub(crate) fn prove(&mut self, held: bool, claim: &str, otherwise: impl FnOnce() -> String) -> Result<()> {
        if held {
            self.held(claim);
            Ok(())
        } else {
            Err(Failure(format!("This did not hold: {claim}.\n{}", otherwise())))
        }
    }

    /// A proof that held.
    pub(crate) fn held(&mut self, claim: &str) {
        self.proofs += 1;
        println!("{MARGIN}{} {claim}", self.paint(Colour::Green, "✓"));
    }

    pub(crate) fn failed(&self, text: &str) {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        println!("\n{MARGIN}{} {first}", self.paint(Colour::Red, "✗"));
        for line in lines {
            println!("{MARGIN}  {line}");
        }
    }

    pub(crate) fn summary(&mut self) {
        self.finish_step();
        let text = format!("All {} proofs held, in {}.", self.proofs, seconds(self.began.elapsed()));
        println!("\n{}", self.paint(Colour::Green, &text));
    }

    /// Columns of text under a heading; numbers stand to the right.
    pub(crate) fn table(&self, heading: &[&str], rows: &[Vec<String>]) {
        let wide = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..heading.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| wide(cell));
                cells.chain([wide(heading[column])]).max().unwrap_or_default()
            })
            .collect();
        let line = |cells: &[&str]| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| {
                let number = !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit());
                if number {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:width$}")
                }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        println!("{MARGIN}{}", self.paint(Colour::Faint, &line(heading)));
        for row in rows {
            println!("{MARGIN}{}", line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
        }
    }
}

/// A time for people.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A number for people: 12,345.
pub(crate) fn number(value: impl Display) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
