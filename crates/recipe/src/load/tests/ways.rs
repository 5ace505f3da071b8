//! The ways of saying a mix.

use super::*;
use crate::mixture::Side;
use crate::recipe::Budget;

/// What the mix is when `block` takes the place of the recipe's `data_mixing`.
#[track_caller]
fn check_mix(block: &str, expected: Expect) {
    let (before, rest) = RECIPE.split_once("[data_mixing]").unwrap();
    let (_, after) = rest.split_once("[optimizer]").unwrap();
    let says_budget = block.contains("tokens]") || block.contains("epochs]");
    let before =
        if says_budget { before.replace("max_tokens = \"1M\"\n", "") } else { before.to_owned() };
    let text = format!("{before}[data_mixing]\n{block}\n[optimizer]{after}");
    let fixture = Fixture::new();
    let said = match load_text(&fixture, &text) {
        Ok(loaded) => toml::to_string(&loaded.recipe.mixture).unwrap(),
        Err(error) => fixture.neutral(&error.to_string()),
    };
    // What every mix says, and digests, tell nothing here.
    let told = ["unit", "packing", "packing_window", "manifest"];
    let lines =
        said.lines().filter(|line| !told.iter().any(|key| line.starts_with(&format!("{key} ="))));
    expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn weights_are_proportions() {
    check_mix(
        "dataset_catalog = 'small'\n[data_mixing.weights]\nchem = 3\nnovels = 0.5\nwiki = 0",
        expect![[r#"
            on_exhausted = "refuse"
            phases = []

            [shares.stated]
            chem = "6/7"
            novels = "1/7"

            [[sources]]
            corpus = "chem"
            side = "customer"
            category = "chemistry"
            max_epochs = 4

            [[sources]]
            corpus = "novels"
            side = "curated"
            category = "prose"
            max_epochs = 4"#]],
    );
    check_mix(
        "[data_mixing.weights]\nchem = -3",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:16:1: data_mixing.weights.chem: found `-3`, expected a weight: 0 to 10^9 with at most six decimals

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_mix(
        "[data_mixing.weights]\nchem = 0",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:15:14: data_mixing.weights: found no corpus, expected at least one with something of the mix
            hint: name the corpora, as in `chem = 3`"#]],
    );
    check_mix(
        "[data_mixing.weights]\nchem = 1\n[data_mixing.sources]",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:14:2: data_mixing: found `sources`, `weights`, expected one of them
            hint: each says the whole mix in its own way"#]],
    );
    check_mix(
        "max_share = 60\n[data_mixing.weights]\nchem = 3\nnotes = 1",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:16:14: data_mixing.weights: `chem` gets 75 % of the mix, expected at most 60 %
            hint: lower its part, or raise `data_mixing.max_share`"#]],
    );
}

#[test]
fn amounts_are_the_budget() {
    check_mix(
        "[data_mixing.tokens]\nchem = '3B'\nnotes = 1_000_000",
        expect![[r#"
        on_exhausted = "refuse"
        phases = []

        [shares.tokens]
        chem = 3000000000
        notes = 1000000

        [[sources]]
        corpus = "chem"
        side = "customer"
        category = "chemistry"
        max_epochs = 4

        [[sources]]
        corpus = "notes"
        side = "customer"
        category = "chemistry"
        max_epochs = 4"#]],
    );
    check_mix(
        "[data_mixing.epochs]\nchem = 2.5\nnotes = 7",
        expect![[r#"
        on_exhausted = "refuse"
        phases = []

        [shares.epochs]
        chem = 2.5
        notes = 7.0

        [[sources]]
        corpus = "chem"
        side = "customer"
        category = "chemistry"
        max_epochs = 3

        [[sources]]
        corpus = "notes"
        side = "customer"
        category = "chemistry"
        max_epochs = 7"#]],
    );
    check_mix(
        "[data_mixing.epochs]\nchem = -1",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:15:1: data_mixing.epochs.chem: found `-1`, expected passes, 0 to 1000000

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    let text = RECIPE.replace(
        "[data_mixing.sources]\ncustomer_data = { percent = 75, corpora = { notes = 20, chem = 80 }, max_epochs = 9 }\ncurated_data = { prose = 40, technical = 60 }",
        "tokens = { chem = '2M' }",
    );
    let error = load_text(&Fixture::new(), &text).unwrap_err().to_string();
    assert!(error.contains("expected none, or the 2000000 tokens of the mix"), "{error}");
    let budget = |text: &str| load_text(&Fixture::new(), text).unwrap().recipe.training.budget;
    assert_eq!(budget(&text.replace("2M", "1M")), Budget::Tokens(1_000_000));
    assert_eq!(budget(&text.replace("max_tokens = \"1M\"\n", "")), Budget::Tokens(2_000_000));
}

#[test]
fn shares_may_follow_from_sizes() {
    check_mix(
        "max_share = 40\ntemperature = { alpha = 0.5, corpora = ['notes', 'chem', 'wiki'] }",
        expect![[r#"
            on_exhausted = "refuse"
            phases = []

            [shares.temperature]
            alpha = 0.5
            max_share = "2/5"

            [[sources]]
            corpus = "chem"
            side = "customer"
            category = "chemistry"
            max_epochs = 4

            [[sources]]
            corpus = "notes"
            side = "customer"
            category = "chemistry"
            max_epochs = 4

            [[sources]]
            corpus = "wiki"
            side = "customer"
            category = "encyclopedic"
            max_epochs = 4"#]],
    );
    check_mix(
        "unimax = { corpora = ['chem', 'wiki'] }\nmax_epochs = 2",
        expect![[r#"
        on_exhausted = "refuse"
        phases = []

        [shares.unimax]
        max_share = "1/1"

        [[sources]]
        corpus = "chem"
        side = "customer"
        category = "chemistry"
        max_epochs = 2

        [[sources]]
        corpus = "wiki"
        side = "customer"
        category = "encyclopedic"
        max_epochs = 2"#]],
    );
    check_mix(
        "unit = 'documents'\nunimax = { corpora = ['chem'] }",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:15:1: data_mixing.unit: found `unimax`, which shares out tokens, with another `unit`
                hint: leave `unit` out"#]],
    );
    check_mix(
        "unimax = { corpora = ['chem', 'chem'] }",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:15:12: data_mixing.unimax.corpora: a corpus is listed twice
            hint: list it once"#]],
    );
    check_mix(
        "temperature = { alpha = 2, corpora = ['chem'] }",
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:15:17: data_mixing.temperature.alpha: found `2`, expected 0 to 1
            hint: 1 takes the sizes as they are, 0 makes all sources equal"#]],
    );
}

#[test]
fn phases_name_other_shares() {
    let start = "dataset_catalog = 'small'\non_exhausted = 'redistribute'\n\
                 sources = { customer_data = { percent = 100, corpora = { chem = 100 } } }\n";
    check_mix(
        &format!(
            "{start}[[data_mixing.phases]]\nat = '50%'\nramp = '100k'\n\
             sources = {{ customer_data = {{ percent = 40, corpora = {{ chem = 100 }} }}, curated_data = {{ prose = 100 }} }}\n\
             [[data_mixing.phases]]\nat = 'step 1000'\nweights = {{ chem = 1, wiki = 1 }}"
        ),
        expect![[r#"
            on_exhausted = "redistribute"

            [shares.stated]
            chem = "1/1"

            [[phases]]

            [phases.at]
            fraction = "1/2"

            [phases.ramp]
            tokens = 100000

            [phases.shares]
            chem = "2/5"
            essays = "3/20"
            novels = "9/20"

            [[phases]]

            [phases.at]
            step = 1000

            [phases.shares]
            chem = "1/2"
            wiki = "1/2"

            [[sources]]
            corpus = "chem"
            side = "customer"
            category = "chemistry"
            max_epochs = 4

            [[sources]]
            corpus = "essays"
            side = "curated"
            category = "prose"
            max_epochs = 4

            [[sources]]
            corpus = "novels"
            side = "curated"
            category = "prose"
            max_epochs = 4

            [[sources]]
            corpus = "wiki"
            side = "curated"
            category = "encyclopedic"
            max_epochs = 4"#]],
    );
    check_mix(
        &format!("{start}[[data_mixing.phases]]\nat = 'later'\nweights = {{ chem = 1 }}"),
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:19:1: data_mixing.phases[0].at: found the text `later`, expected a moment of the run: `"50%"` of the budget, `"1.5B"` tokens or `"step 1000"`

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_mix(
        &format!("{start}[[data_mixing.phases]]\nat = 100"),
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:18:1: data_mixing.phases[0]: expected exactly one of `sources`, `weights`
            hint: the shares that hold from there on"#]],
    );
    check_mix(
        "unimax = { corpora = ['chem'] }\n[[data_mixing.phases]]\nat = 100\nweights = { chem = 1 }",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:16:15: data_mixing.phases: phases change stated shares of tokens
                hint: say the mix with `sources` or `weights`, in the unit `tokens`"#]],
    );
}

#[test]
fn forge_files_are_read_as_they_are() {
    let fixture = Fixture::new();
    let manifest = fixture.project().manifests_dir().join("chem.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("a test", "s3://acme/chem.jsonl")).unwrap();
    let (before, rest) = RECIPE.split_once("[data_mixing]").unwrap();
    let (_, after) = rest.split_once("[optimizer]").unwrap();
    let block = "[data_mixing]\ndataset_catalog = 'small'\n\
                 [data_mixing.sources]\ncustomer_data = { percent = 25 }\n\
                 nova_data = { prose = 40, technical = 60 }\n";
    let run = "run = { data_s3_path = 's3://acme/chem.jsonl' }";
    let text = format!("{run}\n{before}{block}[optimizer]{after}");
    let nested = load_text(&fixture, &text).unwrap().recipe;
    let share = |corpus| nested.mixture.shares.stated(corpus).unwrap().to_string();
    assert_eq!([share("chem"), share("manuals")], ["1/4", "9/20"]);
    assert_eq!(nested.mixture.sources[0].side, Side::Customer);
    let flat = text.replace(
        "[data_mixing.sources]\ncustomer_data = { percent = 25 }\nnova_data = { prose = 40, technical = 60 }",
        "customer_data_percent = '25'\nnova_prose_percent = '40'\nnova_technical_percent = 60",
    );
    assert_ne!(flat, text);
    assert_eq!(load_text(&fixture, &flat).unwrap().recipe, nested);
    let error = load_text(&fixture, &text.replace("acme", "other")).unwrap_err().to_string();
    assert!(error.contains("no manifest says `source = \"s3://other/chem.jsonl\"`"), "{error}");
}

#[test]
fn tokens_have_other_names() {
    for name in ["tokens", "supervised-tokens", "real-tokens"] {
        let block = format!("unit = '{name}'\nweights = {{ chem = 1 }}\n");
        let (before, rest) = RECIPE.split_once("[data_mixing]").unwrap();
        let (_, after) = rest.split_once("[optimizer]").unwrap();
        let text = format!("{before}[data_mixing]\n{block}\n[optimizer]{after}");
        let loaded = load_text(&Fixture::new(), &text).unwrap();
        assert_eq!(loaded.recipe.mixture.unit, crate::mixture::Unit::Tokens, "{name}");
    }
}
