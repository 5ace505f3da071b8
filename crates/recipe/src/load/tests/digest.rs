//! What the digest covers, and the resolved form.

use super::*;

#[test]
fn the_digest_names_the_values() {
    let fixture = Fixture::new();
    let digest = |text: &str| load_text(&fixture, text).unwrap().recipe.digest();
    let first = digest(RECIPE);
    assert_eq!(digest(&format!("# Another text.\n\n{RECIPE}")), first);
    assert_eq!(digest(&RECIPE.replace("notes = 20, chem = 80", "chem = 80, notes = 20.0")), first);
    assert_eq!(digest(&RECIPE.replace("\"1M\"", "1_000_000")), first);
    assert_eq!(digest(&RECIPE.replace("lr = 3e-4", "lr = 0.0003\neps = 1e-8")), first);
    assert_eq!(digest(&RECIPE.replace("name = \"chem\"", "name = \"other\"")), first);
    assert_ne!(digest(&RECIPE.replace("seed = 17", "seed = 18")), first);
    // The data count as well.
    fixture.manifest("notes", "chemistry", "train", "{ text = 'body' }");
    let second = digest(RECIPE);
    assert_ne!(second, first);
    fixture.manifest("held-prose", "prose", "heldout", "{ text = 'body' }");
    assert_ne!(digest(RECIPE), second);
}

#[test]
fn learned_turns_are_resolved_where_they_are_not_the_default() {
    let fixture = Fixture::new();
    let conversations = RECIPE.replace("mid-train", "sft");
    let resolved = |table: &str| load_text(&fixture, &format!("{conversations}{table}")).unwrap();
    let (unsaid, every) = (resolved(""), resolved("[sft]\nturns = \"every\"\n"));
    assert_eq!(every.recipe.digest(), unsaid.recipe.digest());
    assert!(!unsaid.recipe.to_toml().contains("[sft]"));
    let last = resolved("[sft]\nturns = \"last\"\n").recipe;
    assert_ne!(last.digest(), unsaid.recipe.digest());
    assert_eq!(diff(&unsaid.recipe, &last), ["sft.turns: none, now \"last\""]);
    let text = last.to_toml();
    assert_eq!(Recipe::from_resolved(&text).unwrap(), last);
    let other = text.replace("stage = \"sft\"", "stage = \"mid-train\"");
    let refused = Recipe::from_resolved(&other).unwrap_err().to_string();
    assert!(
        refused.contains("sft: the stage is `mid-train`, expected it in `sft` only"),
        "{refused}"
    );
}

#[test]
fn edited_resolved_recipes_are_refused() {
    #[track_caller]
    fn check(from: &str, with: &str, expected: Expect) {
        let text = load_text(&Fixture::new(), RECIPE).unwrap().recipe.to_toml();
        assert!(text.contains(from), "{text}");
        let error = Recipe::from_resolved(&text.replace(from, with)).unwrap_err();
        expected.assert_eq(&error.to_string());
    }
    check(
        "seed = 17",
        "seeds = 17",
        expect![[r#"
            no resolved recipe: TOML parse error at line 4, column 1
              |
            4 | seeds = 17
              | ^^^^^
            unknown field `seeds`, expected one of `schema`, `name`, `stage`, `seed`, `model`, `training`, `tokenization`, `mixture`, `sft`, `preference`, `rl`, `replay`, `lora`, `anchor`, `ema`, `optimizer`, `checkpoint`, `forgetting`

            hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
    check(
        "micro_batch_size = 6",
        "micro_batch_size = 7",
        expect![[r#"
        no resolved recipe: training.micro_batch_size: found `7`, expected a divisor of `global_batch_size`, 12

        hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
    check(
        "chem = \"3/5\"",
        "chem = \"4/5\"",
        expect![[r#"
            no resolved recipe: mixture.shares: found `4/5 + 1/40 + 3/20 + 3/20 + 3/40`, expected shares above zero, of sources, that sum to one

            hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
    check(
        "chem = \"3/5\"",
        "chem = \"6/5\"",
        expect![[r#"
            no resolved recipe: TOML parse error at line 34, column 8
               |
            34 | chem = "6/5"
               |        ^^^^^
            `6/5` is no share: expected a fraction such as `3/4`

            hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
    check(
        "corpus = \"notes\"",
        "corpus = \"chem\"",
        expect![[r#"
            no resolved recipe: mixture.sources: a corpus is a source twice

            hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
    check(
        "schema = 1",
        "schema = 2",
        expect![[r#"
        no resolved recipe: schema: found `2`, expected `1`

        hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
}
