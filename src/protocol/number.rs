//! Exact decimal numbers. Terraform computes with 512 bits; nothing here ever passes through a float.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// An exact decimal number: `sign * digits * 10^exponent`, in the one form without needless zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// The text is not a finite decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a decimal number")]
pub struct NotANumber(String);

/// More zeros than this are written as an exponent.
const LONGEST_PLAIN: i64 = 400;

impl Number {
    fn new(negative: bool, digits: &str, exponent: i64) -> Self {
        let digits = digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            };
        }
        let cut = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
        Self {
            negative,
            digits: significant.to_owned(),
            exponent: exponent.saturating_add(cut),
        }
    }

    /// The number as an integer, when it is one and fits.
    pub fn as_i64(&self) -> Option<i64> {
        if self.exponent < 0 || self.exponent > 18 {
            return None;
        }
        self.to_string().parse().ok()
    }

    /// How many digits stand before the decimal point; negative for leading zeros behind it.
    fn magnitude(&self) -> i64 {
        self.exponent
            .saturating_add(i64::try_from(self.digits.len()).unwrap_or(i64::MAX))
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    fn compare_size(&self, other: &Self) -> Ordering {
        self.magnitude()
            .cmp(&other.magnitude())
            .then_with(|| self.digits.cmp(&other.digits))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::new(value < 0, &value.unsigned_abs().to_string(), 0)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::new(false, &value.to_string(), 0)
    }
}

impl FromStr for Number {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotANumber(text.chars().take(40).collect());
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| refuse())?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse());
        }
        let shift = i64::try_from(fraction.len()).map_err(|_| refuse())?;
        Ok(Self::new(negative, &digits, exponent.saturating_sub(shift)))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return out.write_str("0");
        }
        if self.negative {
            out.write_str("-")?;
        }
        let magnitude = self.magnitude();
        if self.exponent > LONGEST_PLAIN || magnitude < -LONGEST_PLAIN {
            write!(out, "{}e{}", self.digits, self.exponent)
        } else if self.exponent >= 0 {
            let zeros = usize::try_from(self.exponent).unwrap_or_default();
            write!(out, "{}{}", self.digits, "0".repeat(zeros))
        } else if magnitude > 0 {
            let (whole, fraction) = self.digits.split_at(usize::try_from(magnitude).unwrap_or_default());
            write!(out, "{whole}.{fraction}")
        } else {
            let zeros = usize::try_from(-magnitude).unwrap_or_default();
            write!(out, "0.{}{}", "0".repeat(zeros), self.digits)
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => {
                return if other.negative {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
            }
            (false, true) => {
                return if self.negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
            }
            (false, false) => {}
        }
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_size(other),
            (true, true) => other.compare_size(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, plain: &str) {
        let number: Number = text.parse().expect("a number");
        assert_eq!(number.to_string(), plain);
        assert_eq!(plain.parse::<Number>().expect("a number"), number);
    }

    #[test]
    fn numbers_keep_every_digit() {
        check("0.1", "0.1");
        check("-0", "0");
        check("0.12345678901234567890123", "0.12345678901234567890123");
        check("18446744073709551615", "18446744073709551615");
        check("1e3", "1000");
        check("120e-3", "0.12");
        check("+7.50", "7.5");
        check("-12.5e1", "-125");
        check("1e-500", "1e-500");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", ".", "-", "1e", "0x10", "inf", "NaN", "1.2.3", "1 "] {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_size() {
        let sorted = [
            "-100", "-2.5", "-2", "0", "0.001", "0.01", "1", "9", "10", "10.1", "1e30",
        ];
        let numbers: Vec<Number> = sorted.iter().map(|text| text.parse().expect("a number")).collect();
        assert!(numbers.is_sorted());
        assert_eq!(numbers[9].as_i64(), None);
        assert_eq!(numbers[8].as_i64(), Some(10));
    }
}
