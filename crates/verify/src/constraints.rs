//! Instructions that can be checked, by the names that IFEval gives them.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::json::parsed;
use temper_recipe::VerifierName;

use crate::Error;

/// The reference: `{"instruction_id_list": […], "kwargs": [{…}, …]}`, as the data set has it.
#[derive(Deserialize)]
struct Instructions {
    instruction_id_list: Vec<String>,
    #[serde(default)]
    kwargs: Vec<Map<String, Value>>,
}

/// The part of the instructions that an answer keeps; an empty one keeps none.
pub(crate) fn part_kept(answer: &str, reference: &str) -> Result<f64, Error> {
    let refuse =
        |problem: String| Error::Reference { verifier: VerifierName::Constraints, problem };
    let instructions: Instructions =
        serde_json::from_str(reference).map_err(|error| refuse(error.to_string()))?;
    let n = instructions.instruction_id_list.len();
    if n == 0 {
        return Err(refuse("found no instruction, expected one or more".to_owned()));
    }
    let nothing = Map::new();
    let mut kept = 0;
    for (i, id) in instructions.instruction_id_list.iter().enumerate() {
        let arguments = instructions.kwargs.get(i).unwrap_or(&nothing);
        let is_kept = keeps(id, &Arguments(arguments), answer)
            .map_err(|problem| refuse(format!("`{id}`: {problem}")))?;
        kept += usize::from(is_kept && !answer.trim().is_empty());
    }
    Ok(kept as f64 / n as f64)
}

fn keeps(id: &str, arguments: &Arguments<'_>, answer: &str) -> Result<bool, String> {
    let lower = answer.to_lowercase();
    Ok(match id {
        "keywords:existence" => {
            arguments.texts("keywords")?.iter().all(|word| lower.contains(&word.to_lowercase()))
        }
        "keywords:forbidden_words" => {
            let forbidden = arguments.texts("forbidden_words")?;
            forbidden.iter().all(|word| occurrences(&lower, word) == 0)
        }
        "keywords:frequency" => {
            arguments.holds("frequency", occurrences(&lower, arguments.text("keyword")?))?
        }
        "keywords:letter_frequency" => {
            let letter = arguments.text("letter")?.to_lowercase();
            let n = lower.chars().filter(|found| letter.starts_with(*found)).count();
            arguments.holds_by("let_relation", "let_frequency", n)?
        }
        "length_constraints:number_words" => arguments.holds("num_words", words(answer).count())?,
        "length_constraints:number_sentences" => {
            let sentences = answer.split(['.', '!', '?']);
            let n = sentences.filter(|sentence| words(sentence).next().is_some()).count();
            arguments.holds("num_sentences", n)?
        }
        "length_constraints:number_paragraphs" => {
            let n = answer.split("***").filter(|part| !part.trim().is_empty()).count();
            n == arguments.number("num_paragraphs")?
        }
        "detectable_format:number_bullet_lists" => {
            let is_bullet = |line: &&str| {
                let line = line.trim_start();
                line.starts_with("* ") || line.starts_with("- ")
            };
            answer.lines().filter(is_bullet).count() == arguments.number("num_bullets")?
        }
        "detectable_format:json_format" => parsed(answer).is_some(),
        "detectable_format:title" => answer.split_once("<<").is_some_and(|(_, rest)| {
            rest.split_once(">>").is_some_and(|(title, _)| !title.trim().is_empty())
        }),
        "detectable_content:number_placeholders" => {
            let placeholders = answer.split('[').skip(1).filter(|part| part.contains(']'));
            placeholders.count() >= arguments.number("num_placeholders")?
        }
        "detectable_content:postscript" => {
            lower.contains(&arguments.text("postscript_marker")?.to_lowercase())
        }
        "change_case:english_lowercase" => answer == lower,
        "change_case:english_capital" => answer == answer.to_uppercase(),
        "punctuation:no_comma" => !answer.contains(','),
        "startend:quotation" => {
            let answer = answer.trim();
            answer.len() > 1 && answer.starts_with('"') && answer.ends_with('"')
        }
        "startend:end_checker" => {
            lower.trim().trim_matches('"').ends_with(&arguments.text("end_phrase")?.to_lowercase())
        }
        _ => return Err("it is not known here".to_owned()),
    })
}

/// How often a word or phrase stands in a text in small letters, between borders of words.
fn occurrences(lower: &str, phrase: &str) -> usize {
    let phrase = phrase.to_lowercase();
    let is_inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let stands = |(at, found): &(usize, &str)| {
        !is_inside(lower[..*at].chars().next_back())
            && !is_inside(lower[at + found.len()..].chars().next())
    };
    lower.match_indices(phrase.as_str()).filter(stands).count()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'))
        .filter(|word| word.chars().any(char::is_alphanumeric))
}

/// What an instruction says beside its name.
struct Arguments<'a>(&'a Map<String, Value>);

impl Arguments<'_> {
    fn get(&self, key: &str) -> Result<&Value, String> {
        self.0.get(key).ok_or_else(|| format!("it needs `{key}`"))
    }

    fn text(&self, key: &str) -> Result<&str, String> {
        self.get(key)?.as_str().ok_or_else(|| format!("`{key}` is no text"))
    }

    fn texts(&self, key: &str) -> Result<Vec<&str>, String> {
        let items = self.get(key)?.as_array().ok_or_else(|| format!("`{key}` is no list"))?;
        let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
        texts.ok_or_else(|| format!("`{key}` is no list of texts"))
    }

    fn number(&self, key: &str) -> Result<usize, String> {
        let number = self.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| format!("`{key}` is no count"))
    }

    fn holds(&self, key: &str, n: usize) -> Result<bool, String> {
        self.holds_by("relation", key, n)
    }

    /// `at least` or `less than` so many.
    fn holds_by(&self, relation: &str, key: &str, n: usize) -> Result<bool, String> {
        let limit = self.number(key)?;
        match self.text(relation)? {
            "at least" => Ok(n >= limit),
            "less than" => Ok(n < limit),
            other => Err(format!("`{relation}` is `{other}`, expected `at least` or `less than`")),
        }
    }
}
