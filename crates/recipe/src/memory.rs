//! A number of bytes as recipes write it.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A number of bytes: `24000000000`, `"24GB"`, `"80GiB"`; a thousand bytes to a kB, 1,024 to a KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Reads a decimal number and a unit; `None` unless it is a whole number of bytes.
    fn parse(text: &str) -> Option<Self> {
        let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return None,
        };
        let number = number.trim_end().replace('_', "");
        let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
        let fraction = fraction.trim_end_matches('0');
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let parts = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let bytes = digits.parse::<u128>().ok()?.checked_mul(u128::from(factor))?;
        let whole = bytes.is_multiple_of(parts).then(|| u64::try_from(bytes / parts).ok())??;
        // The resolved recipe is TOML, whose integers have a sign.
        i64::try_from(whole).is_ok().then_some(Self(whole))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes such as `\"24GB\"` or `\"80GiB\"`")
            }

            fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Bytes, E> {
                let bytes = u64::try_from(integer);
                bytes
                    .map(Bytes)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(integer), &self))
            }

            fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Bytes, E> {
                Ok(Bytes(integer))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Bytes::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(Bytes::parse(text), expected.map(Bytes), "{text}");
    }

    #[test]
    fn bytes_are_exact() {
        check("24GB", Some(24_000_000_000));
        check("1.5 GB", Some(1_500_000_000));
        check("0.1MB", Some(100_000));
        check("80GiB", Some(80 << 30));
        check("1.5kib", Some(1536));
        check("123", Some(123));
        check("1_000 b", Some(1000));
        check("1.500_000GB", Some(1_500_000_000));
        for wrong in ["", "GB", "1.5", "0.0001kB", "-1GB", "24 G", "1e9", "99999999999TB"] {
            check(wrong, None);
        }
    }
}
