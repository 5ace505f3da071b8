use expect_test::{Expect, expect};

use super::*;
use crate::testing::{corpus, nobody};

const ITEM: &str = "The river ran slowly past the old mill and nobody in the village had seen the miller \
    since the spring when the great flood carried away the bridge";

/// What of `items`, all of one task, stands in a corpus of `texts`.
#[track_caller]
fn check(items: &[&str], texts: &[&str], expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let corpora = [corpus(folder.path(), "a", texts).1];
    let item = |(text, id): (&&str, u32)| SuiteItem {
        task: "task".to_owned(),
        id: id.to_string(),
        text: (*text).to_owned(),
    };
    let items: Vec<SuiteItem> = items.iter().zip(0..).map(item).collect();
    let found =
        contamination(&items, &corpora.each_ref(), ContaminationOptions::default(), nobody())
            .unwrap();
    let task = &found.tasks[0];
    let mut lines = vec![format!("{} items, {} too short", task.items, task.too_short)];
    lines.extend(task.contaminated.iter().map(|item| {
        format!("item {}: {:.2} in row {}", item.item, item.overlap, item.document.row)
    }));
    let rows: Vec<String> = found.documents.iter().map(|place| place.row.to_string()).collect();
    lines.push(format!("rows {}", rows.join(" ")));
    expected.assert_eq(&lines.join("\n"));
    assert_eq!(found.is_clean(), task.contaminated.is_empty());
}

#[test]
fn an_item_inside_a_document_is_found() {
    let inside = format!("Chapter one. {}! And so on.", ITEM.to_uppercase());
    check(
        &[ITEM],
        &["nothing of it", &inside],
        expect![[r#"
        1 items, 0 too short
        item 0: 1.00 in row 1
        rows 1"#]],
    );
    check(
        &[ITEM],
        &["nothing of it"],
        expect![[r#"
        1 items, 0 too short
        rows "#]],
    );
}

#[test]
fn more_than_half_of_the_runs_are_enough() {
    // 28 words make 16 runs of 13.
    let words: Vec<&str> = ITEM.split_whitespace().collect();
    let most = words[..21].join(" ");
    let little = words[..18].join(" ");
    check(
        &[ITEM],
        &[&most],
        expect![[r#"
        1 items, 0 too short
        item 0: 0.56 in row 0
        rows 0"#]],
    );
    check(
        &[ITEM],
        &[&little],
        expect![[r#"
        1 items, 0 too short
        rows "#]],
    );
}

#[test]
fn short_items_are_looked_for_whole() {
    let text = "He said that the cat had eaten all the fish before anybody came home.";
    check(
        &["the cat had eaten all the fish", "the dog had eaten all the fish", "the cat"],
        &[text],
        expect![[r#"
            3 items, 1 too short
            item 0: 1.00 in row 0
            rows 0"#]],
    );
}

#[test]
fn wording_that_everybody_uses_tells_nothing() {
    let common =
        "solubility is the largest amount of a substance that dissolves in a litre of water";
    let item = format!("{common} and of benzene it is less than two grams at room temperature");
    let texts: Vec<String> = (0..20).map(|i| format!("{common}. Substance {i}.")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    check(
        &[&item],
        &texts,
        expect![[r#"
        1 items, 0 too short
        rows "#]],
    );
    // A copy of the whole item gives it away, however many copies there are.
    check(
        &[common],
        &texts,
        expect![[r#"
        1 items, 0 too short
        item 0: 1.00 in row 0
        rows 0 1 2 3 4 5 6 7 8 9 10"#]],
    );
    check(
        &[common],
        &texts[..10],
        expect![[r#"
        1 items, 0 too short
        item 0: 1.00 in row 0
        rows 0 1 2 3 4 5 6 7 8 9"#]],
    );
}
