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
    check(
        "[ema]",
        expect![[r#"
        [ema]
        decay = 0.999"#]],
    );
    check(
        "[anchor]\nl2 = 1e-3",
        expect![[r#"
        [anchor]
        l2 = 0.001"#]],
    );
    check(
        "[anchor]\newc = 2",
        expect![[r#"
        [anchor]
        ewc = 2.0
        fisher_rows = 256
        sources = ["essays", "novels", "manuals"]"#]],
    );
    check(
        "[anchor]\nkl = 0.1",
        expect![[r#"
        [anchor]
        kl = 0.1
        sources = ["essays", "novels", "manuals"]"#]],
    );
    check(
        "[anchor]\nl2 = 0.5\newc = 2\nfisher_rows = 8\nsources = ['novels']",
        expect![[r#"
        [anchor]
        l2 = 0.5
        ewc = 2.0
        fisher_rows = 8
        sources = ["novels"]"#]],
    );
}

#[test]
fn what_holds_nothing_is_refused() {
    check(
        "[ema]\ndecay = 1.0",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:27:1: ema.decay: found `1`, expected more than 0 and less than 1
            hint: 0.999 remembers about a thousand updates"#]],
    );
    check(
        "[anchor]",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:26:2: anchor: found no term above 0, expected `l2`, `ewc` or `kl`
            hint: leave `[anchor]` out to hold nothing"#]],
    );
    check(
        "[anchor]\nl2 = -1",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:27:1: anchor.l2: found `-1`, expected 0 or more

        hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check(
        "[anchor]\nl2 = 1\nfisher_rows = 7\nsources = ['novels']",
        expect![[r#"
        recipes/r.toml: 2 problems

          recipes/r.toml:28:1: anchor.fisher_rows: found without `ewc`, which measures on rows
            hint: leave `fisher_rows` out
          recipes/r.toml:29:1: anchor.sources: found without `ewc` and `kl`, which look at rows
            hint: leave `sources` out"#]],
    );
    check(
        "[anchor]\nkl = 1\nfisher_rows = 7",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:28:1: anchor.fisher_rows: found without `ewc`, which measures on rows
            hint: leave `fisher_rows` out"#]],
    );
    check(
        "[anchor]\newc = 1\nfisher_rows = 0",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:28:1: anchor.fisher_rows: found `0`, expected 1 to 1048576 rows

        hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check(
        "[anchor]\newc = 1\nsources = ['novel']",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:28:1: anchor.sources: `novel` is no source of the mix
            hint: did you mean `novels`?"#]],
    );
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

#[test]
fn fisher_information_is_named_by_its_file_or_by_the_run_that_keeps_it() {
    let fixture = Fixture::new();
    fixture.write("runs/before/anchor/fisher.safetensors", "numbers");
    let anchor = |keys: &str| {
        let loaded = load_text(&fixture, &format!("{RECIPE}\n[anchor]\newc = 2\n{keys}"));
        let recipe = loaded.unwrap().recipe;
        assert_eq!(Recipe::from_resolved(&recipe.to_toml()).unwrap(), recipe);
        recipe.anchor.unwrap()
    };
    let of_file = anchor("fisher = 'runs/before/anchor/fisher.safetensors'");
    let named = of_file.fisher.as_ref().unwrap();
    assert_eq!(named.path, "runs/before/anchor/fisher.safetensors");
    assert_eq!(named.digest, crate::digest::Digest::of(b"numbers"));
    // It looks at no rows, unless another term does.
    assert_eq!((of_file.fisher_rows, of_file.sources.len()), (0, 0));
    assert_eq!(anchor("fisher = 'runs/before'"), of_file);
    assert_eq!(anchor("fisher = 'runs/before/'"), of_file);
    let with_kl = anchor("fisher = 'runs/before'\nkl = 1\nsources = ['novels']");
    assert_eq!((with_kl.fisher_rows, with_kl.sources), (0, vec!["novels".to_owned()]));

    let refused = |keys: &str, expected: &str| {
        let text = format!("{RECIPE}\n[anchor]\nfisher = 'runs/before'\n{keys}");
        let message = load_text(&fixture, &text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    refused(
        "l2 = 1",
        "anchor.fisher: found `runs/before/anchor/fisher.safetensors`, expected none",
    );
    refused("ewc = 1\nfisher_rows = 8", "anchor.fisher_rows: found with `fisher`");
    refused("ewc = 1\nsources = ['novels']", "anchor.sources: found with `fisher`");
    fixture.write("runs/other/run.json", "{}");
    for missing in ["runs/other", "nowhere"] {
        let text = format!("{RECIPE}\n[anchor]\newc = 1\nfisher = '{missing}'");
        let message = load_text(&fixture, &text).unwrap_err().to_string();
        assert!(message.contains(&format!("anchor.fisher: cannot read `{missing}")), "{message}");
    }
}
