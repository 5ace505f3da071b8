//! What is frozen, averaged and held near the start.

use super::*;

/// What a recipe with `more` at its end says of `[anchor]` and `[ema]` when it is resolved, or what is
/// wrong with it.
#[track_caller]
fn check(more: &str, expected: Expect) {
    let fixture = Fixture::new();
    let text = match load_text(&fixture, &format!("{RECIPE}\n{more}")) {
        Ok(loaded) => {
            let resolved = loaded.recipe.to_toml();
            let again = Recipe::from_resolved(&resolved).unwrap();
            assert_eq!(again, loaded.recipe);
            let tables = resolved.split("\n\n");
            let tables =
                tables.filter(|table| table.starts_with("[anchor]") || table.starts_with("[ema]"));
            tables.map(str::trim_end).collect::<Vec<_>>().join("\n\n")
        }
        Err(error) => fixture.neutral(&error.to_string()),
    };
    expected.assert_eq(&text);
}

#[test]
fn what_is_not_said_has_a_reason() {
    check("", expect![[""]]);
    check("[ema]", expect![[""]]);
    check("[anchor]\nl2 = 1e-3", expect![[""]]);
    check("[anchor]\newc = 2", expect![[""]]);
    check("[anchor]\nkl = 0.1", expect![[""]]);
    check("[anchor]\nl2 = 0.5\newc = 2\nfisher_rows = 8\nsources = ['novels']", expect![[""]]);
}

#[test]
fn what_holds_nothing_is_refused() {
    check("[ema]\ndecay = 1.0", expect![[""]]);
    check("[anchor]", expect![[""]]);
    check("[anchor]\nl2 = -1", expect![[""]]);
    check("[anchor]\nl2 = 1\nfisher_rows = 7\nsources = ['novels']", expect![[""]]);
    check("[anchor]\nkl = 1\nfisher_rows = 7", expect![[""]]);
    check("[anchor]\newc = 1\nfisher_rows = 0", expect![[""]]);
    check("[anchor]\newc = 1\nsources = ['novel']", expect![[""]]);
}

#[test]
fn patterns_go_with_weights_alone() {
    let refused = |set: &[&str]| {
        let fixture = Fixture::new();
        let path = fixture.write("recipes/r.toml", RECIPE);
        let overrides: Vec<String> = set.iter().map(|set| (*set).to_owned()).collect();
        load(&path, &overrides).unwrap_err().to_string()
    };
    let text = refused(&["training.frozen=['a.*']", "lora.rank=4"]);
    assert!(text.contains("expected none with `[lora]`, which freezes all weights"), "{text}");
    let text = refused(&["training.frozen=['']"]);
    assert!(text.contains("expected the name of a tensor"), "{text}");
}
