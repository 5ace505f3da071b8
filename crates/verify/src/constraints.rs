//! Instructions that can be checked, by the names that IFEval gives them.

mod arguments;
mod language;
mod parts;

use serde::Deserialize;
use serde_json::{Map, Value};
use temper_recipe::VerifierName;

use self::arguments::Arguments;
use crate::Error;
use crate::json::parsed;

/// One of these has to stand in an answer to `detectable_format:constrained_response`, as the data set words it.
const RESPONSES: [&str; 3] = ["My answer is yes.", "My answer is no.", "My answer is maybe."];

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
        "language:response_language" => language::is_written(answer, arguments.text("language")?)?,
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
        "length_constraints:nth_paragraph_first_word" => {
            let nth = arguments.number("nth_paragraph")?;
            let (n, word) = (arguments.number("num_paragraphs")?, arguments.text("first_word")?);
            let found = parts::first_word(&lower, nth);
            parts::paragraphs(answer).count() == n && found == Some(word.to_lowercase().as_str())
        }
        "combination:repeat_prompt" => {
            let prompt = arguments.text("prompt_to_repeat")?.to_lowercase();
            lower.trim().starts_with(prompt.trim())
        }
        "combination:two_responses" => parts::are_two_responses(answer),
        "detectable_format:constrained_response" => {
            RESPONSES.iter().any(|response| answer.contains(response))
        }
        "detectable_format:multiple_sections" => {
            let n = parts::sections(answer, arguments.text("section_spliter")?);
            n >= arguments.number("num_sections")?
        }
        "detectable_format:number_highlighted_sections" => {
            parts::highlights(answer) >= arguments.number("num_highlights")?
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
        "change_case:capital_word_frequency" => {
            let is_capital =
                |word: &&str| word.chars().any(char::is_uppercase) && **word == word.to_uppercase();
            let capital = words(answer).filter(is_capital);
            arguments.holds_by("capital_relation", "capital_frequency", capital.count())?
        }
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
