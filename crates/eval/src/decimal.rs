//! Numbers that every JSON reader reads back as they were written.

use serde::{Serializer, ser::Error as _};

/// The nearest number with `digits` decimals.
///
/// A fast JSON reader divides an integer by a power of ten. That is exact to the last bit as long
/// as both are exact, that is up to 15 digits in all; a full 17-digit number may come back changed
/// in its last bit, and a digest over it with it.
pub(crate) fn decimal(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    // Adding zero turns −0 into 0, so that equal numbers have equal bytes.
    (value * scale).round() / scale + 0.0
}

/// For values of a report: losses, accuracies, their differences.
pub(crate) fn reported(value: f64) -> f64 {
    decimal(value, 9)
}

/// Serializes a finite number and refuses others, which JSON would turn into `null` silently.
pub(crate) fn finite<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        Err(S::Error::custom(format!("found {value}, expected a finite number")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn decimals_pass_through_json_unchanged(nats in -1e8..1e8_f64, ratio in -1e5..1e5_f64, tiny in -1e-6..1e-6_f64) {
            for value in [decimal(nats, 6), reported(ratio), reported(tiny)] {
                let text = serde_json::to_string(&value).unwrap();
                let read: f64 = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(read.to_bits(), value.to_bits(), "{}", text);
            }
        }
    }

    #[test]
    fn what_is_rounded_stays_near() {
        assert_eq!(decimal(1.234_567_89, 6), 1.234_568);
        assert_eq!(decimal(-0.000_000_1, 6).to_bits(), 0.0_f64.to_bits());
    }
}
