//! What is replied to a request.

mod non_finite;

use serde_json::{Map, Value};

/// Characters of a reply that an error shows.
const SHOWN_CHARS: usize = 200;

/// Why a reply is not what was asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum NoReply {
    /// It is no reply to this request, and whoever wrote it is not to be trusted with the next one.
    Nonsense {
        /// What was found.
        found: String,
    },
    /// It is a reply: asking again would bring no other.
    Refused {
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
        /// Whether it is a reward that a wider range would admit.
        is_outside: bool,
    },
}

impl NoReply {
    /// A reply that no range would admit.
    pub(crate) fn refused(found: String, expected: String) -> Self {
        Self::Refused { found, expected, is_outside: false }
    }
}

/// The keys of the reply to the request `id`, which is for `wanted`, with rewards within `range`. Others than
/// those that are asked for are the program's own.
pub(crate) fn read(
    reply: &str,
    id: &str,
    wanted: &str,
    range: [f64; 2],
) -> Result<Map<String, Value>, NoReply> {
    let nonsense = |found: String| Err(NoReply::Nonsense { found });
    let Ok(read) = serde_json::from_str::<Map<String, Value>>(reply) else {
        return match not_finite(reply, id, range) {
            Some(refused) => Err(refused),
            None => nonsense(format!("found `{}`", shown(reply))),
        };
    };
    if read.get("id").and_then(Value::as_str) != Some(id) {
        return nonsense(format!("found `{}`, which is of another request", shown(reply)));
    }
    if let Some(error) = read.get("error").filter(|error| !error.is_null()) {
        let error = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        return Err(NoReply::refused(format!("it says `{}`", shown(&error)), wanted.to_owned()));
    }
    Ok(read)
}

/// What is wrong with a reply to the request `id` that is JSON but for numbers that are not finite; `None` for
/// anything else.
fn not_finite(reply: &str, id: &str, [least, most]: [f64; 2]) -> Option<NoReply> {
    let (quoted, first) = non_finite::quoted(reply)?;
    let read = serde_json::from_str::<Map<String, Value>>(&quoted).ok()?;
    if read.get("id").and_then(Value::as_str) != Some(id) {
        return None;
    }
    let reward = read.get("reward").and_then(Value::as_str);
    Some(match reward.filter(|reward| non_finite::is(reward)) {
        Some(reward) => NoReply::refused(
            format!("found a reward of {}", shown(reward)),
            format!("a finite number of {least} to {most}"),
        ),
        None => NoReply::refused(
            format!("found {} in `{}`", shown(first), shown(reply)),
            "finite numbers, as JSON has no others".to_owned(),
        ),
    })
}

/// The reward among the keys of `reply`.
pub(crate) fn reward_of(
    read: &Map<String, Value>,
    reply: &str,
    range: [f64; 2],
) -> Result<f64, NoReply> {
    let [least, most] = range;
    match read.get("reward").and_then(Value::as_f64) {
        Some(reward) if (least..=most).contains(&reward) => Ok(reward),
        found => Err(NoReply::Refused {
            found: format!("found `{}`", shown(reply)),
            expected: format!("a reward of {least} to {most}"),
            is_outside: found.is_some(),
        }),
    }
}

/// The reward that `reply` gives to the request `id`.
pub(crate) fn reward(reply: &str, id: &str, range: [f64; 2]) -> Result<f64, NoReply> {
    reward_of(&read(reply, id, "a reward", range)?, reply, range)
}

/// The beginning of a text, as an error shows it.
pub(crate) fn shown(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: &str, expected: Result<f64, (bool, &str)>) {
        match (reward(reply, "4/0/1", [-1.0, 1.0]), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{reply}"),
            (Err(found), Err((is_nonsense, expected))) => {
                assert_eq!(matches!(found, NoReply::Nonsense { .. }), is_nonsense, "{reply}");
                let (NoReply::Nonsense { found } | NoReply::Refused { found, .. }) = found;
                assert!(found.contains(expected), "{found}");
                // A number and its reply are the most that is shown.
                assert!(found.chars().count() < 2 * SHOWN_CHARS + 40, "{found}");
            }
            (found, expected) => panic!("{reply}: found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn another_range_helps_a_number_alone() {
        let check = |reward: &str, expected: bool| {
            let reply = format!(r#"{{"id": "4/0/1"{reward}}}"#);
            let Err(NoReply::Refused { is_outside, .. }) =
                super::reward(&reply, "4/0/1", [0.0, 1.0])
            else {
                panic!("{reply} is not refused")
            };
            assert_eq!(is_outside, expected, "{reply}");
        };
        check(r#", "reward": 1.5"#, true);
        check(r#", "reward": -1e300"#, true);
        check(r#", "reward": NaN"#, false);
        check(r#", "reward": "1""#, false);
        check(r#", "error": "no model""#, false);
        check("", false);
    }

    #[test]
    fn a_reply_is_a_reward_a_refusal_or_nonsense() {
        check(r#"{"id": "4/0/1", "reward": 0.25}"#, Ok(0.25));
        check(r#"{"id": "4/0/1", "reward": -1, "error": null, "because": "short"}"#, Ok(-1.0));
        check("{\"reward\": 1e-3, \"id\": \"4/0/1\"}\r", Ok(1e-3));
        check(r#"{"id": "4/0/1", "error": "no model"}"#, Err((false, "it says `no model`")));
        check(r#"{"id": "4/0/1", "error": {"code": 3}}"#, Err((false, r#"`{"code":3}`"#)));
        check(r#"{"id": "4/0/1", "reward": 1.5}"#, Err((false, "1.5")));
        check(r#"{"id": "4/0/1", "reward": "1"}"#, Err((false, "\"1\"")));
        check(r#"{"id": "4/0/1"}"#, Err((false, "4/0/1")));
        check(r#"{"id": "4/0/2", "reward": 0.5}"#, Err((true, "of another request")));
        check(r#"{"reward": 0.5}"#, Err((true, "of another request")));
        // What Python's `json` writes of a number that is none.
        for reward in ["NaN", "Infinity", "-Infinity", "1e999", "-1E+400"] {
            let expected = format!("found a reward of {reward}");
            let reply = format!(r#"{{"id": "4/0/1", "reward": {reward}, "of": [1.5, "NaN"]}}"#);
            check(&reply, Err((false, &expected)));
        }
        check(r#"{"id": "4/0/1", "reward": 0.5, "kl": NaN}"#, Err((false, "found NaN in `{")));
        let digits = "1".repeat(400);
        let beginning = format!("{}…", &digits[..SHOWN_CHARS]);
        check(
            &format!(r#"{{"id": "4/0/1", "reward": {digits}}}"#),
            Err((false, &format!("found a reward of {beginning}"))),
        );
        check(
            &format!(r#"{{"id": "4/0/1", "reward": 0.5, "kl": {digits}}}"#),
            Err((false, &format!("found {beginning} in `{{"))),
        );
        check(r#"{"id": "4/0/2", "reward": NaN}"#, Err((true, "NaN")));
        check(r#"{"id": "4/0/1", "reward": NaN"#, Err((true, "NaN")));
        check(r#"{"id": "4/0/1", "reward": None}"#, Err((true, "None")));
        check("loading the model", Err((true, "`loading the model`")));
        check("[0.5]", Err((true, "[0.5]")));
        check("", Err((true, "``")));
        check(&"é".repeat(300), Err((true, "é…`")));
    }
}
