//! When something was said: ISO 8601 in UTC to the second, so that texts compare as moments do.

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::temporal_conversions::timestamp_s_to_datetime;
use serde_json::Value;

/// The last second of the year 9999: a later one was meant in other units.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Seconds since the beginning of 1970 of ISO 8601, in UTC unless it says where it is; `None` for what is no moment.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let nanoseconds = string_to_timestamp_nanos(text.trim()).ok()?;
    Some(nanoseconds.div_euclid(1_000_000_000))
}

/// A moment in this form; `None` for one that no calendar has.
pub(crate) fn written(seconds: i64, form: &str) -> Option<String> {
    timestamp_s_to_datetime(seconds).map(|moment| moment.format(form).to_string())
}

/// Reads ISO 8601 (UTC, unless it says where it is) or seconds since the beginning of 1970, as
/// `2026-07-26T18:05:09Z`.
pub(crate) fn read(value: &Value) -> Result<String, String> {
    let refused = || {
        format!(
            "`time` is {value}, expected ISO 8601 (`2026-07-26T18:05:09Z`) or seconds since the beginning \
             of 1970"
        )
    };
    let seconds = match (value.as_str(), value.as_f64()) {
        (Some(text), _) => seconds(text).ok_or_else(refused)?,
        (None, Some(seconds)) if (0.0..=LAST_SECOND).contains(&seconds) => seconds as i64,
        (None, _) => return Err(refused()),
    };
    written(seconds, "%Y-%m-%dT%H:%M:%SZ").ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, expected: Option<&str>) {
        assert_eq!(read(&value).ok().as_deref(), expected, "{value}");
    }

    #[test]
    fn moments_are_written_in_one_way() {
        check(json!("2026-07-26T18:05:09Z"), Some("2026-07-26T18:05:09Z"));
        check(json!("2026-07-26T18:05:09.75+02:00"), Some("2026-07-26T16:05:09Z"));
        check(json!("2026-07-26 18:05:09"), Some("2026-07-26T18:05:09Z"));
        check(json!("2026-07-26"), Some("2026-07-26T00:00:00Z"));
        check(json!(1_785_089_109), Some("2026-07-26T18:05:09Z"));
        check(json!(1_785_089_109.5), Some("2026-07-26T18:05:09Z"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        // Milliseconds.
        check(json!(1_785_089_109_000_i64), None);
        check(json!(-1), None);
        check(json!("yesterday"), None);
        check(json!(["2026"]), None);
    }
}
