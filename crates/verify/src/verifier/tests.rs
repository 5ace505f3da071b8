use proptest::prelude::*;

use super::*;

fn score(verifier: &Verifier, answer: &str, reference: &str) -> Result<f64, Error> {
    verifier.criterion(reference)?.score(answer)
}

#[track_caller]
fn check(name: VerifierName, answer: &str, reference: &str, expected: f64) {
    let found = score(&Verifier::new(name, None).unwrap(), answer, reference).unwrap();
    assert_eq!(found, expected, "{name}: {answer:?} for {reference:?}");
}

#[track_caller]
fn check_refused(name: VerifierName, reference: &str, expected: &str) {
    let error = score(&Verifier::new(name, None).unwrap(), "x", reference).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn numbers_are_those_that_are_meant() {
    let check =
        |answer, reference, expected| check(VerifierName::Number, answer, reference, expected);
    check("The answer is 72.", "Natalia sold <<48+24=72>>72 clips.\n#### 72", 1.0);
    check("48 / 2 = 24, 48 + 24 = 72", "72", 1.0);
    check("#### 72 clips, of 100", "72", 1.0);
    check("It costs $1,234.50", "1234.5", 1.0);
    check("70 - 3 = 67", "67", 1.0);
    check("5-3", "3", 1.0);
    check("-3", "3", 0.0);
    check("minus -3.0", "-3", 1.0);
    check("73", "72", 0.0);
    check("", "72", 0.0);
    check("no idea", "72", 0.0);
    check("1.", "1", 1.0);
    check("1234567", "1234568", 0.0);
    check("0.3333333", "0.33333333", 1.0);
    check(&"9".repeat(400), "72", 0.0);
    check_refused(VerifierName::Number, "none", "found `none`, expected a number");
}

#[test]
fn choices_are_letters_however_they_are_said() {
    let check = |answer, expected| check(VerifierName::Choice, answer, "C", expected);
    for right in [
        "C",
        " C.",
        "(C)",
        "The answer is C",
        "the answer is (C).",
        "A? No.\n**Answer: C**",
        "C) blue",
    ] {
        check(right, 1.0);
    }
    for wrong in ["", "D", "The answer is B, not C.", "Carbon", "(B) or (C)? The answer is (B)"] {
        check(wrong, 0.0);
    }
    check_refused(VerifierName::Choice, "carbon", "expected a letter A to J");
}

#[test]
fn texts_and_patterns() {
    check(VerifierName::Exact, " New\n York ", "New York", 1.0);
    check(VerifierName::Exact, "new york", "New York", 0.0);
    check(VerifierName::Regex, "call 555-1234", r"\d{3}-\d{4}", 1.0);
    check(VerifierName::Regex, "call me", r"\d", 0.0);
    check_refused(VerifierName::Regex, "(", "reference for `regex`");
    let fixed = Verifier::new(VerifierName::Regex, Some("^yes")).unwrap();
    assert_eq!(score(&fixed, "yes, it is", "").unwrap(), 1.0);
    assert!(Verifier::new(VerifierName::Regex, Some("(")).is_err());
    assert!(Verifier::new(VerifierName::Exact, Some("a")).is_err());
}

#[test]
fn json_has_a_shape() {
    let check = |answer, expected| {
        check(
            VerifierName::Json,
            answer,
            r#"{"name": "x", "tags": ["y"], "n": {"k": 1}}"#,
            expected,
        );
    };
    check(r#"{"tags": [], "name": "Ada", "n": {"k": 2.5}, "more": true}"#, 1.0);
    check("Here:\n```json\n{\"name\": \"Ada\", \"tags\": [\"a\"], \"n\": {\"k\": 0}}\n```", 1.0);
    check(r#"{"name": "Ada", "tags": [1], "n": {"k": 0}}"#, 0.0);
    check(r#"{"name": "Ada"}"#, 0.0);
    check("name: Ada", 0.0);
    check_refused(VerifierName::Json, "{", "it is no JSON");
}

#[test]
fn json_satisfies_a_schema() {
    let person = r##"{
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "age": {"type": "integer", "minimum": 0},
            "born": {"type": "string", "format": "date"},
            "friends": {"type": "array", "items": {"$ref": "#"}}
        },
        "required": ["name"],
        "additionalProperties": false
    }"##;
    let check = |answer: &str, expected| {
        check(VerifierName::JsonSchema, answer, person, expected);
        let fixed = Verifier::new(VerifierName::JsonSchema, Some(person)).unwrap();
        assert_eq!(score(&fixed, answer, "").unwrap(), expected, "{answer}");
    };
    check(r#"{"name": "Ada", "age": 36}"#, 1.0);
    check(r#"{"name": "Ada", "age": 36.0}"#, 1.0);
    check("Here:\n```json\n{\"name\": \"Ada\"}\n```\nDone.", 1.0);
    check(r#"{"name": "Ada", "friends": [{"name": "Mary", "friends": []}]}"#, 1.0);
    check(r#"{"name": "Ada", "friends": [{"age": 3}]}"#, 0.0);
    check(r#"{"name": "Ada", "born": "1815-12-10"}"#, 1.0);
    check(r#"{"name": "Ada", "born": "long ago"}"#, 0.0);
    check(r#"{"name": "Ada", "age": "36"}"#, 0.0);
    check(r#"{"name": ""}"#, 0.0);
    check(r#"{"name": "Ada", "more": true}"#, 0.0);
    check("{}", 0.0);
    check("[]", 0.0);
    check("name: Ada", 0.0);
    check("", 0.0);
}

#[test]
fn schemas_may_be_of_any_draft_and_refer_to_themselves() {
    let check = |schema: &str, answer: &str, expected| {
        check(VerifierName::JsonSchema, answer, schema, expected);
    };
    check("true", "3", 1.0);
    check("false", "3", 0.0);
    check("{}", "null", 1.0);
    // What was a boolean in draft 4 is a number since draft 6.
    let draft_4 = r#"{"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": true}"#;
    check(draft_4, "3", 0.0);
    check(draft_4, "4", 1.0);
    check(r#"{"exclusiveMinimum": 3}"#, "3", 0.0);
    let named = r##"{"$id": "https://example.org/tree", "type": "array", "items": {"$ref": "https://example.org/tree"}}"##;
    check(named, "[[], [[]]]", 1.0);
    check(named, "[[], [3]]", 0.0);
    let circle = r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##;
    check(circle, "3", 1.0);
    check(r##"{"allOf": [{"$ref": "#"}]}"##, "3", 1.0);
    check(r#"{"pattern": "^(?=.*\\d)(?=.*[a-z]).+$"}"#, r#""a1""#, 1.0);
    check(r#"{"pattern": "^(a+)+$"}"#, &format!("\"{}!\"", "a".repeat(64)), 0.0);
}

#[test]
fn what_is_no_schema_is_refused() {
    let check = |schema: &str, expected: &str| {
        let expected = format!("reference for `json-schema`: {expected}");
        check_refused(VerifierName::JsonSchema, schema, &expected);
        assert!(Verifier::new(VerifierName::JsonSchema, Some(schema)).is_err(), "{schema}");
    };
    check("", "it is no JSON: EOF");
    check("{\"type\": ", "it is no JSON");
    check("3", "it is no schema: 3 is not of types");
    check(r#"{"type": "text"}"#, "it is no schema: `/type`: \"text\" is not");
    check(
        r#"{"properties": {"a": {"minLength": -1}}}"#,
        "it is no schema: `/properties/a/minLength`: -1 is less",
    );
    check(r#"{"pattern": "("}"#, "it is no schema: `/pattern`");
    check(r##"{"$ref": "#/$defs/none"}"##, "it is no schema: Pointer '/$defs/none' does not exist");
    let elsewhere = |uri: &str| format!("it refers to `{uri}`, expected no other document");
    check(r#"{"$ref": "other.json"}"#, &elsewhere("other.json"));
    check(
        r#"{"items": {"$ref": "https://example.org/a.json#/b"}}"#,
        &elsewhere("https://example.org/a.json"),
    );
    check(r#"{"$ref": "file:///etc/schema.json"}"#, &elsewhere("file:///etc/schema.json"));
    let dialect = r#"{"$schema": "https://example.org/dialect"}"#;
    check(dialect, "it is no schema: Unknown meta-schema: 'https://example.org/dialect'");
}

#[test]
fn references_are_looked_at_before_answers() {
    let number = Verifier::new(VerifierName::Number, None).unwrap();
    assert!(number.check_reference("3").is_ok());
    assert!(number.check_reference("three").is_err());
}

#[test]
fn calls_are_compared_as_values() {
    let check = |answer, expected| {
        let reference = r#"{"name": "add", "arguments": {"a": 1, "b": [2, 3]}}"#;
        check(VerifierName::ToolCall, answer, reference, expected);
    };
    check(r#"{"name": "add", "arguments": {"b": [2, 3], "a": 1.0}}"#, 1.0);
    check(
        "I add.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": [2, 3]}}\n</tool_call>",
        1.0,
    );
    check(r#"[{"function": {"name": "add", "arguments": "{\"a\": 1, \"b\": [2, 3]}"}}]"#, 1.0);
    check(r#"{"name": "add", "arguments": {"a": 1, "b": [3, 2]}}"#, 0.0);
    check(r#"{"name": "sub", "arguments": {"a": 1, "b": [2, 3]}}"#, 0.0);
    check("add(1, [2, 3])", 0.0);
    check_refused(VerifierName::ToolCall, "3", "expected `{\"name\"");
}

#[test]
fn constraints_count_what_is_kept() {
    let reference = r#"{"instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words",
        "keywords:existence", "change_case:english_lowercase"],
        "kwargs": [{}, {"relation": "at least", "num_words": 3}, {"keywords": ["Tea"]}, {}]}"#;
    let check = |answer, expected| check(VerifierName::Constraints, answer, reference, expected);
    check("we drink tea here", 1.0);
    check("We drink tea, here", 0.5);
    check("tea", 0.75);
    check("", 0.0);
    let one = |id: &str, kwargs: &str| {
        format!(r#"{{"instruction_id_list": ["{id}"], "kwargs": [{kwargs}]}}"#)
    };
    let kept = |id: &str, kwargs: &str, answer: &str, expected: f64| {
        super::tests::check(VerifierName::Constraints, answer, &one(id, kwargs), expected);
    };
    kept(
        "length_constraints:number_sentences",
        r#"{"relation": "less than", "num_sentences": 3}"#,
        "A. B!",
        1.0,
    );
    kept("detectable_format:number_bullet_lists", r#"{"num_bullets": 2}"#, "* a\n- b\nc", 1.0);
    kept("detectable_format:title", "{}", "<<Tea>>\nIt is hot.", 1.0);
    kept("detectable_format:json_format", "{}", "{\"a\": 1}", 1.0);
    kept(
        "detectable_content:number_placeholders",
        r#"{"num_placeholders": 2}"#,
        "[name] in [town]",
        1.0,
    );
    kept("detectable_content:postscript", r#"{"postscript_marker": "P.S."}"#, "bye\np.s. tea", 1.0);
    kept(
        "keywords:frequency",
        r#"{"relation": "at least", "keyword": "tea", "frequency": 2}"#,
        "tea and Tea",
        1.0,
    );
    kept(
        "keywords:letter_frequency",
        r#"{"let_relation": "less than", "letter": "e", "let_frequency": 2}"#,
        "tea",
        1.0,
    );
    kept("keywords:forbidden_words", r#"{"forbidden_words": ["tea"]}"#, "steam", 1.0);
    kept("change_case:english_capital", "{}", "TEA 1", 1.0);
    kept("startend:quotation", "{}", " \"tea\" ", 1.0);
    kept("startend:end_checker", r#"{"end_phrase": "No more."}"#, "Tea. no more.", 1.0);
    kept("length_constraints:number_paragraphs", r#"{"num_paragraphs": 2}"#, "a\n***\nb", 1.0);
    let second = r#"{"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Tea"}"#;
    kept("length_constraints:nth_paragraph_first_word", second, "Cake.\n\n\"Tea,\" he said.", 1.0);
    kept("length_constraints:nth_paragraph_first_word", second, "Cake.\n\nSome tea.", 0.0);
    kept("length_constraints:nth_paragraph_first_word", second, "Cake.\n\nTea.\n\nMore.", 0.0);
    let repeat = r#"{"prompt_to_repeat": "Is it Tea?"}"#;
    kept("combination:repeat_prompt", repeat, " is it tea? It is.", 1.0);
    kept("combination:repeat_prompt", repeat, "It is. Is it tea?", 0.0);
    for (answer, expected) in [
        ("Tea.\n******\nCake.", 1.0),
        ("******\nTea.\n******\nCake.\n******", 1.0),
        ("Tea.\n******\nTea.", 0.0),
        ("Tea.\n******\nCake.\n******\nMore.", 0.0),
        ("Tea.\n******", 0.0),
        ("Tea.", 0.0),
    ] {
        kept("combination:two_responses", "{}", answer, expected);
    }
    kept("detectable_format:constrained_response", "{}", "Well. My answer is no.", 1.0);
    kept("detectable_format:constrained_response", "{}", "no", 0.0);
    let sections = r#"{"section_spliter": "SECTION", "num_sections": 2}"#;
    kept("detectable_format:multiple_sections", sections, "SECTION 1\na\nSECTION 2\nb", 1.0);
    kept("detectable_format:multiple_sections", sections, "SECTION 1\na\nthe next SECTION", 0.0);
    let highlights = r#"{"num_highlights": 2}"#;
    kept("detectable_format:number_highlighted_sections", highlights, "*tea* and **cake**", 1.0);
    kept("detectable_format:number_highlighted_sections", highlights, "** ** *tea* * cake", 0.0);
    let capital = r#"{"capital_relation": "less than", "capital_frequency": 2}"#;
    kept("change_case:capital_word_frequency", capital, "TEA and 12 Cakes", 1.0);
    kept("change_case:capital_word_frequency", capital, "TEA AND cake", 0.0);
    let german = r#"{"language": "de"}"#;
    kept(
        "language:response_language",
        german,
        "Der Tee ist heiß, und der Kuchen schmeckt gut.",
        1.0,
    );
    kept("language:response_language", german, "The tea is hot, and the cake tastes good.", 0.0);
    check_refused(
        VerifierName::Constraints,
        &one("language:response_language", r#"{"language": "sw"}"#),
        "its language `sw` is not known here",
    );
    check_refused(
        VerifierName::Constraints,
        &one("magic:spell", "{}"),
        "`magic:spell`: it is not known here",
    );
    check_refused(
        VerifierName::Constraints,
        &one("keywords:existence", "{}"),
        "it needs `keywords`",
    );
    check_refused(VerifierName::Constraints, "{}", "instruction_id_list");
}

proptest! {
    /// Whatever a model writes, it is judged.
    #[test]
    fn no_answer_is_an_error(answer in "(?s).{0,60}") {
        let references = [
            (VerifierName::Number, "3"),
            (VerifierName::Choice, "A"),
            (VerifierName::Exact, "a"),
            (VerifierName::Regex, "a+"),
            (VerifierName::Json, "{\"a\": 1}"),
            (VerifierName::JsonSchema, r#"{"type": "object"}"#),
            (VerifierName::ToolCall, "{\"name\": \"f\"}"),
            (VerifierName::Constraints, r#"{"instruction_id_list": ["detectable_format:title"]}"#),
        ];
        for (name, reference) in references {
            let score = score(&Verifier::new(name, None).unwrap(), &answer, reference).unwrap();
            prop_assert!((0.0..=1.0).contains(&score));
        }
    }
}
