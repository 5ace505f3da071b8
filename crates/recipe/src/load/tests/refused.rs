//! What a recipe may not say about its run, model and mix.

use super::*;

/// What `from` becomes when `with` takes its place in the recipe.
#[track_caller]
pub(super) fn check_refused(changes: &[(&str, &str)], expected: Expect) {
    let mut text = RECIPE.to_owned();
    for (from, with) in changes {
        assert!(text.contains(from), "`{from}` is not in the recipe");
        text = text.replace(from, with);
    }
    let fixture = Fixture::new();
    let error = load_text(&fixture, &text).unwrap_err();
    expected.assert_eq(&fixture.neutral(&error.to_string()));
}

#[test]
fn all_problems_of_a_recipe_are_reported_at_once() {
    check_refused(
        &[
            ("name = \"chem\"", "nam = \"chem\""),
            ("mid-train", "sft"),
            ("from =", "form ="),
            ("max_tokens = \"1M\"", "max_tokens = \"1 million\""),
            ("global_batch_size = 12", "global_batch_size = 12\nmicro_batch_size = 5"),
            ("lr = 3e-4", "lr = \"fast\"\nbeta = 1"),
            ("suite = \"small\"", "suite = \"smal\""),
            ("technical = 60", "tecnical = 59.5"),
        ],
        expect![[r#"
            recipes/r.toml: 11 problems

              recipes/r.toml: name: missing
                hint: the run goes to `runs/<name>`, as in `name = "chem-midtrain"`
              recipes/r.toml:2:1: nam: unknown key
                hint: did you mean `name`?
              recipes/r.toml:6:2: model: found none, expected exactly one of `from`, `init`
                hint: `from` continues a checkpoint, `init` draws the weights of a `config.json` from the seed
              recipes/r.toml:7:1: model.form: unknown key
                hint: did you mean `from`?
              recipes/r.toml:10:1: training.max_tokens: found the text `1 million`, expected a number of tokens such as `600000`, `"600k"`, `"1M"` or `"2.5B"`
              recipes/r.toml:13:1: training.micro_batch_size: found `5`, expected a divisor of `global_batch_size`, 12
                hint: leave it out to get 6
              recipes/r.toml:19:1: data_mixing.sources.curated_data: percents sum to 99.5, expected 100
                prose = 40, tecnical = 59.5
                hint: add 0.5
              recipes/r.toml:19:30: data_mixing.sources.curated_data.tecnical: unknown category, catalog `small` has `encyclopedic`, `prose`, `technical`
                hint: did you mean `technical`?
              recipes/r.toml:22:1: optimizer.lr: found the text `fast`, expected a number
              recipes/r.toml:23:1: optimizer.beta: unknown key
                hint: did you mean `betas`?
              recipes/r.toml:26:1: forgetting.suite: no suite `smal`, expected `data-manifests/suites/smal.toml`
                hint: did you mean `small`?"#]],
    );
}

#[test]
fn learned_turns_are_those_of_fine_tuning() {
    check_refused(
        &[("[forgetting]", "[sft]\nturns = \"last\"\n[forgetting]")],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:23:2: sft: found in the stage `mid-train`, expected it in `sft` only
                hint: leave the table out"#]],
    );
    check_refused(
        &[("mid-train", "sft"), ("[forgetting]", "[sft]\nturns = \"first\"\n[forgetting]")],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:24:1: sft.turns: `first` is not known, expected one of `every`, `last`

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
}

#[test]
fn shapes_that_no_memory_holds_are_refused() {
    check_refused(
        &[
            ("sequence_length = 512", "sequence_length = 4000000000"),
            ("global_batch_size = 12", "global_batch_size = 1000000000000"),
            ("\"small\"\n[data", "\"small\"\npacking_window = 9223372036854775807\n[data"),
        ],
        expect![[r#"
            recipes/r.toml: 3 problems

              recipes/r.toml:11:1: training.sequence_length: found `4000000000`, expected 1 to 1048576 positions
              recipes/r.toml:12:1: training.global_batch_size: found `1000000000000`, expected 1 to 1048576 rows
              recipes/r.toml:16:1: data_mixing.packing_window: found `9223372036854775807`, expected 1 to 16777216 documents

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    let largest = RECIPE
        .replace("sequence_length = 512", "sequence_length = 1048576")
        .replace("global_batch_size = 12", "global_batch_size = 1048576")
        .replace("\"small\"\n[data", "\"small\"\npacking_window = 16777216\n[data");
    load_text(&Fixture::new(), &largest).unwrap();
}

#[test]
fn budgets_are_exactly_one() {
    check_refused(
        &[("max_tokens = \"1M\"\n", "")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:9:2: training: found none, expected exactly one of `max_tokens`, `max_steps`, `max_epochs`
            hint: the budget of the run, as in `max_tokens = "1M"`"#]],
    );
    check_refused(
        &[("max_tokens = \"1M\"", "max_tokens = \"1M\"\nmax_steps = 3")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:9:2: training: found `max_tokens`, `max_steps`, expected exactly one of `max_tokens`, `max_steps`, `max_epochs`
            hint: the budget of the run, as in `max_tokens = "1M"`"#]],
    );
    check_refused(
        &[("max_tokens = \"1M\"", "max_tokens = \"0.0000001M\"")],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:10:1: training.max_tokens: found the text `0.0000001M`, expected a number of tokens such as `600000`, `"600k"`, `"1M"` or `"2.5B"`

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("max_tokens = \"1M\"", "max_steps = 0")],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:10:1: training.max_steps: found `0`, expected 1 or more

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("max_tokens = \"1M\"", "max_epochs = nan")],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:10:1: training.max_epochs: found `NaN`, expected more than 0

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("sequence_length = 512", ""), ("global_batch_size = 12", "")],
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:9:2: training.global_batch_size: missing
                hint: rows per step, as in `global_batch_size = 16`
              recipes/r.toml:9:2: training.sequence_length: missing
                hint: positions per row, at most the model's context, as in `sequence_length = 512`"#]],
    );
    check_refused(
        &[("sequence_length = 512", "sequence_length = 0\nprecision = 'f16'")],
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:11:1: training.sequence_length: found `0`, expected 1 to 1048576 positions
              recipes/r.toml:12:1: training.precision: `f16` is not in this version, expected one of `f32`, `bf16`

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
}

#[test]
fn origins_fit_the_stage() {
    check_refused(
        &[("from = \"checkpoints/nano\"", "")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:6:2: model: found none, expected exactly one of `from`, `init`
            hint: `from` continues a checkpoint, `init` draws the weights of a `config.json` from the seed"#]],
    );
    check_refused(
        &[("from =", "init = 'configs/nano'\nfrom =")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:6:2: model: found `from`, `init`, expected exactly one of `from`, `init`
            hint: `from` continues a checkpoint, `init` draws the weights of a `config.json` from the seed"#]],
    );
    check_refused(
        &[("from =", "init ="), ("lr = 3e-4", "lr = 3e-4\nstate = 'keep'")],
        expect![[r#"
        recipes/r.toml: 2 problems

          recipes/r.toml:7:1: model.init: `mid-train` continues a checkpoint, found `init`, expected `from`
            hint: say `from`, or `stage = "pretrain"` to start from the seed
          recipes/r.toml:22:1: optimizer.state: found `keep`, expected `reset`, as `model.init` starts anew
            hint: weights drawn from the seed have no moments to keep"#]],
    );
    check_refused(
        &[("name = \"chem\"", "name = \"../chem\"")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:2:1: name: found `../chem`, expected 1 to 100 of the characters `a-z A-Z 0-9 . _ -`, the first a letter or a digit
            hint: the run goes to the folder `runs/<name>`"#]],
    );
}

#[test]
fn shares_are_never_normalised() {
    check_refused(
        &[("notes = 20", "notes = 30")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:17:33: data_mixing.sources.customer_data.corpora: percents sum to 110, expected 100
            chem = 80, notes = 30
            hint: take 10 away"#]],
    );
    check_refused(
        &[("prose = 40", "prose = 33.3333")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:18:1: data_mixing.sources.curated_data: percents sum to 93.3333, expected 100
            prose = 33.3333, technical = 60
            hint: add 6.6667"#]],
    );
    check_refused(
        &[("notes = 20, chem = 80", "")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:17:33: data_mixing.sources.customer_data.corpora: percents sum to 0, expected 100
            nothing is listed
            hint: add 100"#]],
    );
    check_refused(
        &[("percent = 75, ", "")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:17:1: data_mixing.sources.customer_data.percent: missing
            hint: the customer's part of the mix, as in `percent = 75`"#]],
    );
    check_refused(
        &[("percent = 75", "percent = 175")],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:17:19: data_mixing.sources.customer_data.percent: found `175`, expected a percent: 0 to 100 with at most four decimals

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("notes = 20", "notes = 20.00001")],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:17:45: data_mixing.sources.customer_data.corpora.notes: found `20.00001`, expected a percent: 0 to 100 with at most four decimals

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("prose = 40, technical = 60", "")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:18:1: data_mixing.sources.curated_data: percents sum to 0, expected 100
            nothing is listed
            hint: add 100"#]],
    );
    check_refused(
        &[("percent = 75", "percent = 100"), ("prose = 40", "prose = 50")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:18:1: data_mixing.sources.curated_data: percents sum to 110, expected 100
            prose = 50, technical = 60
            hint: take 10 away"#]],
    );
}

#[test]
fn sources_are_corpora_to_train_on() {
    check_refused(
        &[("notes = 20", "note = 20")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:17:45: data_mixing.sources.customer_data.corpora.note: no manifest `note`, expected `data-manifests/note.toml`
            hint: did you mean `notes`?"#]],
    );
    check_refused(
        &[("notes = 20", "held-prose = 20")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:17:45: data_mixing.sources.customer_data.corpora.held-prose: `held-prose` is held out, expected a corpus with `split = "train"`
            hint: training on it would make its scores worthless"#]],
    );
    check_refused(
        &[("notes = 20", "\"../notes\" = 20")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:17:45: data_mixing.sources.customer_data.corpora.../notes: no manifest `../notes`, expected `data-manifests/../notes.toml`
            hint: there are: `chem`, `essays`, `held-chem`, `held-pairs`, `held-prose`, `manuals`, `notes`, `novels`, `wiki`"#]],
    );
    check_refused(
        &[("notes = 20", "manuals = 20")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:18:30: data_mixing.sources.curated_data.technical: `manuals` is a source twice
            hint: name it on one side only, with the sum of both percents"#]],
    );
    check_refused(
        &[("dataset_catalog = \"small\"", "")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:14:2: data_mixing.dataset_catalog: missing
            hint: the name of a file in `data-manifests/catalogs`; it supplies the 25 % that the customer's data leave"#]],
    );
    check_refused(
        &[("\"small\"\n[data", "\"big\"\n[data")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:15:1: data_mixing.dataset_catalog: no catalog `big`, expected `data-manifests/catalogs/big.toml`
            hint: there are: `small`"#]],
    );
    check_refused(
        &[("curated_data", "nova_data = { prose = 100 }\ncurated_data")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:16:14: data_mixing.sources: found `curated_data` and `nova_data`, expected one of them
            hint: they are two names of the same table"#]],
    );
    check_refused(
        &[("max_epochs = 9", "max_epochs = 0")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:17:70: data_mixing.sources.customer_data.max_epochs: found `0`, expected 1 pass or more
            hint: leave a source out by a percent of 0"#]],
    );
    check_refused(
        &[(
            "\"small\"\n[data",
            "\"small\"\nunit = 'samples'\npacking_window = 0\nmax_epochs = 0\n[data",
        )],
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:17:1: data_mixing.packing_window: found `0`, expected 1 to 16777216 documents
              recipes/r.toml:18:1: data_mixing.max_epochs: found `0`, expected 1 pass or more
                hint: leave a source out by a percent of 0"#]],
    );
}
