use expect_test::{Expect, expect};

use super::*;
use crate::testing::{corpus, nobody};

const MILL: &str = "The river ran slowly past the old mill and nobody in the village had seen the miller \
    since the spring when the great flood carried away the bridge and half of the orchard behind the church";

/// The copies in corpora `a` and `b`, one a line.
#[track_caller]
fn check(a: &[&str], b: &[&str], near: Option<f64>, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let corpora = [corpus(folder.path(), "a", a).1, corpus(folder.path(), "b", b).1];
    let found = duplicates(&corpora.each_ref(), DuplicateOptions { near }, nobody()).unwrap();
    let place = |place: &DocumentPlace| format!("{}:{}", place.corpus, place.row);
    let mut lines: Vec<String> = found
        .duplicates
        .iter()
        .map(|copy| {
            let (document, of) = (place(&copy.document), place(&copy.of));
            format!("{document} is {of} ({:.2})", copy.similarity)
        })
        .collect();
    lines.extend(found.corpora.iter().map(|count| {
        let CorpusDuplicates {
            corpus, exact_within, exact_across, near_within, near_across, ..
        } = count;
        format!("{corpus}: {exact_within} {exact_across} {near_within} {near_across}")
    }));
    expected.assert_eq(&lines.join("\n"));
    assert_eq!(found.corpora[0].documents, a.len() as u64);
}

#[test]
fn the_first_of_equal_texts_stays() {
    check(
        &["one", "two", "one"],
        &["two", "three", "three"],
        None,
        expect![[r#"
        a:2 is a:0 (1.00)
        b:0 is a:1 (1.00)
        b:2 is b:1 (1.00)
        a: 1 0 0 0
        b: 1 1 0 0"#]],
    );
    check(
        &["one"],
        &["One"],
        None,
        expect![[r#"
        a: 0 0 0 0
        b: 0 0 0 0"#]],
    );
}

#[test]
fn near_copies_are_found_within_and_across() {
    let edited = MILL.replace("slowly", "quickly");
    let punctuated = MILL.replace(" and ", ", and ");
    let other = "Benzene is a colourless liquid that boils at eighty degrees and dissolves most fats and waxes";
    check(
        &[MILL, other],
        &[&edited, &punctuated, other],
        Some(0.7),
        expect![[r#"
        b:0 is a:0 (0.78)
        b:1 is a:0 (1.00)
        b:2 is a:1 (1.00)
        a: 0 0 0 0
        b: 0 1 0 2"#]],
    );
    check(
        &[MILL, other],
        &[&edited, &punctuated, other],
        Some(0.99),
        expect![[r#"
        b:1 is a:0 (1.00)
        b:2 is a:1 (1.00)
        a: 0 0 0 0
        b: 0 1 0 1"#]],
    );
}

#[test]
fn an_equal_text_follows_its_first_one() {
    let edited = MILL.replace("slowly", "quickly");
    check(
        &[MILL],
        &[&edited, &edited],
        Some(0.7),
        expect![[r#"
        b:0 is a:0 (0.78)
        b:1 is a:0 (0.78)
        a: 0 0 0 0
        b: 0 0 0 2"#]],
    );
}

#[test]
fn somebody_may_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let corpora = [corpus(folder.path(), "a", &["one"]).1];
    let stop = std::sync::atomic::AtomicBool::new(true);
    let watch = Watch { stop: &stop, ..nobody() };
    let found = duplicates(&corpora.each_ref(), DuplicateOptions { near: None }, watch);
    assert!(matches!(found, Err(Error::Stopped)));
}
