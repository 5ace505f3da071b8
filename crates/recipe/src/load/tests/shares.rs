//! How percents become shares.

use super::*;
use crate::mixture::Source;

#[track_caller]
fn check_shares(changes: &[(&str, &str)], expected: Expect) {
    let text =
        changes.iter().fold(RECIPE.to_owned(), |text, (from, with)| text.replace(from, with));
    let loaded = load_text(&Fixture::new(), &text);
    let mixture = loaded.unwrap_or_else(|error| panic!("{error}")).recipe.mixture;
    let line = |source: &Source| {
        let share = mixture.shares.stated(&source.corpus).unwrap();
        format!("{} {share} ×{}", source.corpus, source.max_epochs)
    };
    expected.assert_eq(&mixture.sources.iter().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn percents_nest_into_shares() {
    check_shares(
        &[],
        expect![[r#"
        chem 3/5 ×9
        notes 3/20 ×9
        essays 1/40 ×4
        novels 3/40 ×4
        manuals 3/20 ×4"#]],
    );
    // Without a list the catalog's own percents hold.
    check_shares(
        &[("curated_data = { prose = 40, technical = 60 }", "")],
        expect![[r#"
        chem 3/5 ×9
        notes 3/20 ×9
        wiki 3/40 ×4
        essays 1/32 ×4
        novels 3/32 ×4
        manuals 1/20 ×4"#]],
    );
    check_shares(
        &[("curated_data", "nova_data")],
        expect![[r#"
        chem 3/5 ×9
        notes 3/20 ×9
        essays 1/40 ×4
        novels 3/40 ×4
        manuals 3/20 ×4"#]],
    );
    // The arms of a comparison change one number.
    check_shares(
        &[("percent = 75", "percent = 100")],
        expect![[r#"
        chem 4/5 ×9
        notes 1/5 ×9"#]],
    );
    check_shares(
        &[("percent = 75", "percent = 0")],
        expect![[r#"
        essays 1/10 ×4
        novels 3/10 ×4
        manuals 3/5 ×4"#]],
    );
    check_shares(
        &[
            ("curated_data = { prose = 40, technical = 60 }", ""),
            ("dataset_catalog = \"small\"", ""),
            ("percent = 75", "percent = 100"),
        ],
        expect![[r#"
            chem 4/5 ×9
            notes 1/5 ×9"#]],
    );
    check_shares(
        &[("prose = 40, technical = 60", "prose = 100, technical = 0")],
        expect![[r#"
        chem 3/5 ×9
        notes 3/20 ×9
        essays 1/16 ×4
        novels 3/16 ×4"#]],
    );
    check_shares(
        &[("customer_data =", "# customer_data =")],
        expect![[r#"
        essays 1/10 ×4
        novels 3/10 ×4
        manuals 3/5 ×4"#]],
    );
}

#[test]
fn names_that_the_ledger_has_taken_are_refused() {
    let fixture = Fixture::new();
    fixture.manifest("anchor", "chemistry", "train", "{ text = 'text' }");
    let text = RECIPE.replace("chem = ", "anchor = ");
    let message = load_text(&fixture, &text).unwrap_err().to_string();
    assert!(
        message.contains("`anchor` is what the ledger calls a part of the objective"),
        "{message}"
    );
    assert!(message.contains("hint: rename `data-manifests/anchor.toml`"), "{message}");
}
