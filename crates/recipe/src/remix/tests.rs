use expect_test::{Expect, expect};

use super::*;
use crate::load::load;
use crate::testing::{Fixture, RECIPE};

/// What becomes of the run of [`RECIPE`] when the text of its recipe is edited.
#[track_caller]
fn check(edits: &[(&str, &str)], expected: Expect) {
    let fixture = Fixture::new();
    let read = |text: &str| load(&fixture.write("recipes/r.toml", text), &[]).unwrap().recipe;
    let before = read(RECIPE);
    let mut text = RECIPE.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let after = read(&text);
    let said = match remix(&before, &after) {
        Ok(remixed) => {
            assert_eq!(Recipe { mixture: before.mixture.clone(), ..remixed.clone() }, before);
            assert_eq!(remixed.mixture, after.mixture);
            diff(&before, &remixed).join("\n")
        }
        Err(refused) => format!("refused: {}", refused.join("\n")),
    };
    expected.assert_eq(&said);
}

#[test]
fn the_mix_alone_may_change() {
    let block = RECIPE.split_once("[data_mixing]").unwrap().1.split_once("[optimizer]").unwrap().0;
    check(
        &[(block, "\nweights = { chem = 1, wiki = 3 }\nmax_epochs = 9\n")],
        expect![[r#"
        mixture.shares.stated.chem: "3/5", now "1/4"
        mixture.shares.stated.essays: "1/40", now none
        mixture.shares.stated.manuals: "3/20", now none
        mixture.shares.stated.notes: "3/20", now none
        mixture.shares.stated.novels: "3/40", now none
        mixture.shares.stated.wiki: none, now "3/4"
        mixture.sources.notes: a source, now none
        mixture.sources.essays: a source, now none
        mixture.sources.novels: a source, now none
        mixture.sources.manuals: a source, now none
        mixture.sources.wiki: none, now a source"#]],
    );
    check(
        &[(block, "\ntokens = { chem = '1k', wiki = '2k' }\n"), ("max_tokens = \"1M\"\n", "")],
        expect![[r#"
            mixture.shares.stated.chem: "3/5", now none
            mixture.shares.stated.essays: "1/40", now none
            mixture.shares.stated.manuals: "3/20", now none
            mixture.shares.stated.notes: "3/20", now none
            mixture.shares.stated.novels: "3/40", now none
            mixture.shares.tokens.chem: none, now 1000
            mixture.shares.tokens.wiki: none, now 2000
            mixture.sources.chem.max_epochs: 9, now 4
            mixture.sources.notes: a source, now none
            mixture.sources.essays: a source, now none
            mixture.sources.novels: a source, now none
            mixture.sources.manuals: a source, now none
            mixture.sources.wiki: none, now a source"#]],
    );
    check(&[], expect!["refused: data_mixing: the mix is the one that the run has"]);
    check(
        &[(block, "\nweights = { chem = 1 }\npacking = 'concat'\nunit = 'rows'\n")],
        expect![[r#"
            refused: mixture.packing: "best-fit", now "concat"
            mixture.unit: "tokens", now "rows""#]],
    );
    check(
        &[(block, "\nweights = { chem = 1 }\n"), ("max_tokens = \"1M\"", "max_tokens = \"2M\"")],
        expect!["refused: training.budget.tokens: 1000000, now 2000000"],
    );
    check(
        &[(block, "\nepochs = { chem = 1 }\n"), ("max_tokens = \"1M\"\n", "")],
        expect![[r#"
        refused: training.budget.epochs: none, now 1.0
        training.budget.tokens: 1000000, now none
        data_mixing: found `epochs`, expected shares or `tokens`"#]],
    );
}
