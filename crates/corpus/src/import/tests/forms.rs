//! Rows that are no texts: the option that their fields ask for reads them.

use super::*;
use crate::import::Ratings;

#[test]
fn what_is_no_text_names_the_option_that_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.parquet");
    let check = |row: &str, expected: Option<(&str, RowForm)>| {
        let inputs = write(folder.path(), &[("in.jsonl", row.as_bytes())]);
        let error = import(&inputs, &out, &options()).unwrap_err().to_string();
        let line = error.lines().next().unwrap();
        let Some((option, form)) = expected else {
            return assert!(!line.contains("--"), "{line}");
        };
        assert!(line.ends_with(&format!(" are read with `{option}`")), "{line}");
        let read = import(&inputs, &out, &ImportOptions { form, ..options() }).unwrap();
        assert_eq!(read.rows, 1, "{row}");
    };
    let conversations = Some(("--conversations", RowForm::Conversations));
    let pairs = Some(("--pairs", RowForm::Pairs));
    let feedback = Some(("--feedback", RowForm::Feedback(Ratings::STARS)));
    let prompts = Some(("--prompts", RowForm::Prompts));
    let asked = r#"{"role": "user", "content": "a"}"#;
    let turns = format!(r#"{asked}, {{"role": "assistant", "content": "b"}}"#);
    check(&format!(r#"{{"messages": [{turns}]}}"#), conversations);
    check(
        r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"#,
        conversations,
    );
    check(r#"{"instruction": "a", "input": "", "output": "b"}"#, conversations);
    check(r#"{"prompt": "a", "completion": "b"}"#, conversations);
    check(r#"{"prompt": "a", "response": "b"}"#, conversations);
    check(r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#, pairs);
    check(
        &format!(
            r#"{{"chosen": [{turns}], "rejected": [{asked}, {{"role": "assistant", "content": "c"}}]}}"#
        ),
        pairs,
    );
    check(r#"{"prompt": "a", "completion": "b", "label": true}"#, feedback);
    check(&format!(r#"{{"messages": [{turns}], "rating": 5}}"#), feedback);
    check(r#"{"question": "a", "answer": "b"}"#, prompts);
    check(&format!(r#"{{"messages": [{asked}], "ground_truth": "b"}}"#), prompts);
    check(r#"{"prompt": "a"}"#, prompts);
    check(r#"{"content": "a", "label": 1}"#, None);
    check(r#"{"title": "a", "answer": "b"}"#, None);
}
