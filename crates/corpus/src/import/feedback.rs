//! Judged answers as products log them, one JSON object each: a conversation that ends with the answer, in
//! any format that conversations come in, and what was thought of it.
//!
//! | judgement | read from |
//! |---|---|
//! | a label | `label`: true or false, 1 or 0 |
//! | a thumb | `thumbs`: up or down, true or false, 1 or -1 |
//! | a rating | `rating`: a number, which thresholds make good or bad |
//! | a correction | `edit`: the answer as it should have been |
//!
//! A judgement that is null was not given. `time` says when it was.

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use std::fmt;

use serde_json::{Map, Value};

use super::conversation::{Turn, Turns, said};
use super::pair::PairTurns;
use crate::time;

/// Which ratings are good and which are bad; those between are neither.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratings {
    /// Good from here on.
    pub good_from: f64,
    /// Bad up to here, below `good_from`.
    pub bad_to: f64,
    /// The scale, both ends in it: another number was meant on another scale.
    pub scale: [f64; 2],
}

impl Ratings {
    /// One to five stars, of which the third says nothing.
    pub const STARS: Self = Self { good_from: 4.0, bad_to: 2.0, scale: [1.0, 5.0] };

    /// Any numbers.
    pub fn stated(good_from: f64, bad_to: f64) -> Self {
        Self { good_from, bad_to, scale: [f64::NEG_INFINITY, f64::INFINITY] }
    }

    /// Whether a rating is good; `None` for one in the middle.
    fn label(self, rating: f64) -> Result<Option<bool>, String> {
        let [low, high] = self.scale;
        if !(low..=high).contains(&rating) {
            return Err(format!(
                "`rating` is {rating}, expected {low} to {high}, or thresholds of another scale \
                 (`--good-from`, `--bad-to`)"
            ));
        }
        Ok(match rating {
            rating if rating >= self.good_from => Some(true),
            rating if rating <= self.bad_to => Some(false),
            _ => None,
        })
    }
}

/// Why a row of a log is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// Nobody said what they thought of the answer.
    NotJudged,
    /// Its rating is neither good nor bad.
    Middling,
    /// It has a correction and no other judgement: a pair, where answers are asked for.
    EditAlone,
    /// It has no correction, where pairs are asked for.
    NotEdited,
}

impl LeftOut {
    /// As JSON calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotJudged => "not_judged",
            Self::Middling => "middling",
            Self::EditAlone => "edit_alone",
            Self::NotEdited => "not_edited",
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJudged => "without a judgement",
            Self::Middling => "with a rating in the middle",
            Self::EditAlone => "with an edit alone (`--feedback --pairs` makes pairs of them)",
            Self::NotEdited => "without an edit",
        })
    }
}

/// An answer to be written, and what was thought of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JudgedTurns {
    pub(crate) turns: Turns,
    /// Whether it was liked.
    pub(crate) label: bool,
    pub(crate) time: Option<String>,
}

impl JudgedTurns {
    /// Reads a row of a log, unless it does not say whether the answer was good.
    pub(crate) fn read(
        object: &Map<String, Value>,
        ratings: Ratings,
    ) -> Result<Result<Self, LeftOut>, String> {
        let said = [label(object)?, thumbs(object)?];
        let rated = given(object, "rating").map(|rating| match rating.as_f64() {
            Some(rating) => ratings.label(rating),
            None => Err(format!("`rating` is {rating}, expected a number")),
        });
        let rated = rated.transpose()?;
        let all = said.into_iter().chain([rated.flatten()]).flatten();
        let all: Vec<bool> = all.collect();
        let Some(label) = all.first().copied() else {
            return Ok(Err(match (rated, edit(object)?) {
                (Some(_), _) => LeftOut::Middling,
                (None, Some(_)) => LeftOut::EditAlone,
                (None, None) => LeftOut::NotJudged,
            }));
        };
        if all.contains(&!label) {
            return Err("its judgements contradict each other, expected one".to_owned());
        }
        let turns = answered(object, label)?;
        Ok(Ok(Self { turns, label, time: moment(object)? }))
    }
}

/// Of a row with a correction the pair: it is better than what it corrects.
pub(crate) fn edited(
    object: &Map<String, Value>,
) -> Result<Result<(PairTurns, Option<String>), LeftOut>, String> {
    let Some(edit) = edit(object)? else { return Ok(Err(LeftOut::NotEdited)) };
    let rejected = answered(object, false)?;
    let mut chosen = rejected.clone();
    chosen.messages.pop();
    chosen.messages.push(Turn {
        role: "assistant".to_owned(),
        content: Some(edit.to_owned()),
        ..Turn::default()
    });
    Ok(Ok((PairTurns::new(chosen, rejected)?, moment(object)?)))
}

/// The conversation, whose last message is the answer: one that was liked says something.
fn answered(object: &Map<String, Value>, liked: bool) -> Result<Turns, String> {
    let (messages, tools) = said(object)?;
    let turns = match liked {
        true => Turns::answered(&messages, tools)?,
        false => Turns::perhaps_unsaid(&messages, tools)?,
    };
    match turns.messages.last() {
        Some(last) if last.role == "assistant" => Ok(turns),
        last => {
            let found = last.map_or("nothing", |last| &last.role);
            Err(format!("it ends with `{found}`, expected the answer that was judged"))
        }
    }
}

fn moment(object: &Map<String, Value>) -> Result<Option<String>, String> {
    given(object, "time").map(time::read).transpose()
}

/// The value of a field, unless it is null.
fn given<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn label(object: &Map<String, Value>) -> Result<Option<bool>, String> {
    given(object, "label")
        .map(|label| match (label, label.as_f64()) {
            (Value::Bool(label), _) => Ok(*label),
            (_, Some(1.0)) => Ok(true),
            (_, Some(0.0)) => Ok(false),
            _ => Err(format!("`label` is {label}, expected true or false")),
        })
        .transpose()
}

fn thumbs(object: &Map<String, Value>) -> Result<Option<bool>, String> {
    given(object, "thumbs")
        .map(|thumbs| match (thumbs, thumbs.as_str(), thumbs.as_f64()) {
            (Value::Bool(up), ..) => Ok(*up),
            (_, Some("up"), _) | (_, _, Some(1.0)) => Ok(true),
            (_, Some("down"), _) | (_, _, Some(-1.0)) => Ok(false),
            _ => Err(format!("`thumbs` is {thumbs}, expected \"up\" or \"down\"")),
        })
        .transpose()
}

/// The corrected answer; logs write an empty one where nothing was corrected.
fn edit(object: &Map<String, Value>) -> Result<Option<&str>, String> {
    match given(object, "edit") {
        None => Ok(None),
        Some(Value::String(text)) => Ok((!text.trim().is_empty()).then_some(text.as_str())),
        Some(other) => Err(format!("`edit` is {other}, expected the corrected answer as a text")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(fields: Value) -> Map<String, Value> {
        let mut whole = json!({ "prompt": "a", "completion": "b" });
        for (key, value) in fields.as_object().unwrap() {
            whole[key] = value.clone();
        }
        whole.as_object().unwrap().clone()
    }

    #[track_caller]
    fn check(fields: Value, expected: Result<Result<bool, LeftOut>, &str>) {
        let found = JudgedTurns::read(&object(fields), Ratings::STARS);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.map(|judged| judged.label), expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn every_judgement_is_a_label() {
        check(json!({ "label": true }), Ok(Ok(true)));
        check(json!({ "label": 0 }), Ok(Ok(false)));
        check(json!({ "thumbs": "up" }), Ok(Ok(true)));
        check(json!({ "thumbs": -1 }), Ok(Ok(false)));
        check(json!({ "rating": 4 }), Ok(Ok(true)));
        check(json!({ "rating": 2.0 }), Ok(Ok(false)));
        check(json!({ "rating": 3, "thumbs": "down" }), Ok(Ok(false)));
        check(json!({ "label": null, "thumbs": "up", "rating": 5 }), Ok(Ok(true)));
        check(json!({ "thumbs": "down", "edit": "c" }), Ok(Ok(false)));
    }

    #[test]
    fn what_says_neither_good_nor_bad_is_left_out() {
        check(json!({}), Ok(Err(LeftOut::NotJudged)));
        check(json!({ "label": null, "edit": " " }), Ok(Err(LeftOut::NotJudged)));
        check(json!({ "rating": 3 }), Ok(Err(LeftOut::Middling)));
        check(json!({ "edit": "c" }), Ok(Err(LeftOut::EditAlone)));
    }

    #[test]
    fn what_is_no_judgement_is_refused() {
        check(json!({ "label": "yes" }), Err("`label` is \"yes\", expected true or false"));
        check(json!({ "label": 2 }), Err("`label` is 2"));
        check(json!({ "thumbs": "sideways" }), Err("expected \"up\" or \"down\""));
        check(json!({ "rating": 9 }), Err("`rating` is 9, expected 1 to 5, or thresholds"));
        check(json!({ "rating": "good" }), Err("expected a number"));
        check(json!({ "label": true, "rating": 1 }), Err("contradict each other"));
        check(json!({ "edit": 7 }), Err("`edit` is 7"));
        check(json!({ "label": true, "time": "yesterday" }), Err("`time` is \"yesterday\""));
        let asked = json!([
            { "role": "user", "content": "a" }, { "role": "assistant", "content": "b" },
            { "role": "user", "content": "c" },
        ]);
        check(json!({ "label": true, "messages": asked }), Err("it ends with `user`"));
    }

    #[test]
    fn an_answer_that_says_nothing_may_be_disliked_alone() {
        let answered = |answer: &str| {
            json!([
                { "role": "user", "content": "a" }, { "role": "assistant", "content": "b" },
                { "role": "user", "content": "c" }, { "role": "assistant", "content": answer },
            ])
        };
        for empty in [
            json!({ "completion": "" }),
            json!({ "messages": answered("") }),
            json!({ "messages": answered(" \n") }),
        ] {
            let judged = |label: bool| {
                let mut judged = empty.clone();
                judged["label"] = label.into();
                judged
            };
            check(judged(false), Ok(Ok(false)));
            check(judged(true), Err("the assistant says nothing"));
            let mut corrected = empty.clone();
            corrected["edit"] = "d".into();
            assert!(edited(&object(corrected)).unwrap().is_ok());
        }
    }

    #[test]
    fn thresholds_are_those_stated() {
        let ratings = Ratings::stated(0.8, 0.2);
        for (rating, expected) in [(0.8, Some(true)), (0.5, None), (0.2, Some(false))] {
            assert_eq!(ratings.label(rating).unwrap(), expected);
        }
    }

    #[test]
    fn a_correction_is_better_than_what_it_corrects() {
        let (pair, time) = edited(&object(json!({ "edit": "c", "time": 0 }))).unwrap().unwrap();
        let last = |turns: &Turns| turns.messages.last().unwrap().content.clone().unwrap();
        assert_eq!((last(&pair.chosen), last(&pair.rejected)), ("c".to_owned(), "b".to_owned()));
        assert_eq!(time.as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(edited(&object(json!({ "label": true }))).unwrap(), Err(LeftOut::NotEdited));
        let same = edited(&object(json!({ "edit": "b" })));
        assert!(same.unwrap_err().contains("are the same"));
    }
}
