use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::diff::diff;
use crate::fixture::{Fixture, RECIPE};
use crate::share::{Percent, Share};

#[track_caller]
fn load_text(fixture: &Fixture, text: &str) -> Result<Loaded, Error> {
    load(&fixture.write("recipes/r.toml", text), &[])
}

#[test]
fn a_short_recipe_resolves_to_every_value() {
    let fixture = Fixture::new();
    let loaded = load_text(&fixture, RECIPE).unwrap();
    expect![[r#"
        schema = 1
        name = "chem"
        stage = "mid-train"
        seed = 17

        [model]
        from = "checkpoints/nano"

        [training]
        sequence_length = 512
        global_batch_size = 12
        micro_batch_size = 6
        precision = "f32"

        [training.budget]
        tokens = 1000000

        [tokenization]
        bos = true
        eos = true

        [mixture]
        unit = "tokens"
        packing = "best-fit"
        packing_window = 1024

        [[mixture.sources]]
        corpus = "chem"
        side = "customer"
        category = "chemistry"
        manifest = "217fe7b5da1d16ffd9454341fea7379fc5711ffee372ccbc21cc569eb6e833a9"
        share = "3/5"
        max_epochs = 9

        [[mixture.sources]]
        corpus = "notes"
        side = "customer"
        category = "chemistry"
        manifest = "569ec883011df9f124eabf65f7cb0c5ed01492d438eee088b379c3cc3664a377"
        share = "3/20"
        max_epochs = 9

        [[mixture.sources]]
        corpus = "essays"
        side = "curated"
        category = "prose"
        manifest = "5e3a7274aa93c8635e6638f7acc5607f89edd016937f90ac52f0b4f8ea8c2f37"
        share = "1/40"
        max_epochs = 4

        [[mixture.sources]]
        corpus = "novels"
        side = "curated"
        category = "prose"
        manifest = "c737f10302307e521d34b8eee99974a7b23fc7a5c4c238bc70f3f38bc4adfbd6"
        share = "3/40"
        max_epochs = 4

        [[mixture.sources]]
        corpus = "manuals"
        side = "curated"
        category = "technical"
        manifest = "3849c0542e4b5e3955db5f5b82a08ec0487995c0626cfc324c9e52231c11164a"
        share = "3/20"
        max_epochs = 4

        [optimizer]
        name = "adamw"
        lr = 0.0003
        betas = [0.9, 0.95]
        eps = 0.00000001
        weight_decay = 0.1
        clip_norm = 1.0
        state = "reset"

        [optimizer.schedule]
        kind = "wsd"
        warmup = 0.01
        decay = 0.1
        min_lr = 0.00003

        [checkpoint]
        every = 100
        keep_last = 2
        keep_every = 0
        dtype = "f32"

        [forgetting]
        suite = "small"
        suite_digest = "653dfd843f9fd223af46e8eef9c06c5018733614892e56b87e7368df478021d2"
        every = 0
        action = "stop"
        on_undecided = "warn"

        [forgetting.tolerance]
        loss = 0.05
        accuracy = 0.02
    "#]]
    .assert_eq(&loaded.recipe.to_toml());
    assert_eq!(loaded.source_text, RECIPE);
    let manifests: Vec<&str> = loaded.manifests.keys().map(String::as_str).collect();
    assert_eq!(manifests, ["chem", "essays", "manuals", "notes", "novels"]);
    let suite = loaded.suite.unwrap();
    assert_eq!(suite.manifests.len(), 3);
    assert_eq!(loaded.recipe.forgetting.unwrap().suite_digest, suite.digest());
}

/// What `from` becomes when `with` takes its place in the recipe.
#[track_caller]
fn check_refused(changes: &[(&str, &str)], expected: Expect) {
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
            recipes/r.toml: 12 problems

              recipes/r.toml: name: missing
                hint: the run goes to `runs/<name>`, as in `name = "chem-midtrain"`
              recipes/r.toml:2:1: nam: unknown key
                hint: did you mean `name`?
              recipes/r.toml:3:1: stage: `sft` is not in this version, expected one of `pretrain`, `mid-train`
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

          recipes/r.toml:9:2: training.sequence_length: missing
            hint: positions per row, at most the model's context, as in `sequence_length = 512`
          recipes/r.toml:9:2: training.global_batch_size: missing
            hint: rows per step, as in `global_batch_size = 16`"#]],
    );
    check_refused(
        &[("sequence_length = 512", "sequence_length = 0\nprecision = 'bf16'")],
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:11:1: training.sequence_length: found `0`, expected 1 to 1048576 positions
              recipes/r.toml:12:1: training.precision: `bf16` is not in this version, expected `f32`

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
            recipes/r.toml: 3 problems

              recipes/r.toml:16:1: data_mixing.unit: `samples` is not in this version, expected `tokens`
              recipes/r.toml:17:1: data_mixing.packing_window: found `0`, expected 1 to 16777216 documents
              recipes/r.toml:18:1: data_mixing.max_epochs: found `0`, expected 1 pass or more
                hint: leave a source out by a percent of 0"#]],
    );
}

#[test]
fn optimizers_stay_within_their_limits() {
    check_refused(
        &[("lr = 3e-4", "weight_decay = -1")],
        expect![[r#"
        recipes/r.toml: 2 problems

          recipes/r.toml:20:2: optimizer.lr: missing
            hint: the peak learning rate; a tenth to a third of the pretraining's continues it gently
          recipes/r.toml:21:1: optimizer.weight_decay: found `-1`, expected 0 or more"#]],
    );
    check_refused(
        &[(
            "lr = 3e-4",
            "lr = 0\nbetas = [1.0, -0.1]\neps = 0\nweight_decay = -1\nclip_norm = inf\nname = 'adam'",
        )],
        expect![[r#"
            recipes/r.toml: 7 problems

              recipes/r.toml:21:1: optimizer.lr: found `0`, expected more than 0 and at most 1
              recipes/r.toml:22:1: optimizer.betas: found `1`, expected 0 or more and less than 1
              recipes/r.toml:22:1: optimizer.betas: found `-0.1`, expected 0 or more and less than 1
              recipes/r.toml:23:1: optimizer.eps: found `0`, expected more than 0
              recipes/r.toml:24:1: optimizer.weight_decay: found `-1`, expected 0 or more
              recipes/r.toml:25:1: optimizer.clip_norm: found `inf`, expected 0 or more
              recipes/r.toml:26:1: optimizer.name: `adam` is not known, expected `adamw`
                hint: did you mean `adamw`?"#]],
    );
    let schedule = |schedule: &str| format!("lr = 3e-4\nschedule = {schedule}");
    check_refused(
        &[("lr = 3e-4", &schedule("{ min_lr = 3e-3 }"))],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:22:14: optimizer.schedule.min_lr: found `0.003`, expected at most `lr`, 0.0003
            hint: the rate would rise where it should fall; leave `min_lr` out to get `lr` / 10"#]],
    );
    check_refused(
        &[("lr = 3e-4", &schedule("{ warmup = 0.6, decay = 0.5 }"))],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:22:1: optimizer.schedule: found `1.1`, expected `warmup` and `decay` to sum to at most 1

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("lr = 3e-4", &schedule("{ kind = 'cosine', warmup = 2, decay = 0.5 }"))],
        expect![[r#"
        recipes/r.toml: 2 problems

          recipes/r.toml:22:31: optimizer.schedule.warmup: found `2`, expected a share of the budget, 0 to 1
          recipes/r.toml:22:43: optimizer.schedule.decay: found `0.5`, expected it with `wsd` only
            hint: `linear` and `cosine` fall from the warm-up to the end; leave `decay` out"#]],
    );
    check_refused(
        &[("lr = 3e-4", &schedule("{ kind = 'constant', min_lr = 1e-5 }"))],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:22:33: optimizer.schedule.min_lr: found `0.00001`, expected none with `constant`
            hint: `constant` stays at `lr`; leave `min_lr` out"#]],
    );
    check_refused(
        &[("lr = 3e-4", &schedule("'wsd'"))],
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:22:1: optimizer.schedule: found the text `wsd`, expected a table

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
}

#[test]
fn policies_stay_within_their_limits() {
    check_refused(
        &[("[forgetting]", "[checkpoint]\nevery = 0\nkeep_last = 0\ndtype = 'f16'\n[forgetting]")],
        expect![[r#"
        recipes/r.toml: 3 problems

          recipes/r.toml:24:1: checkpoint.every: found `0`, expected 1 step or more
            hint: the last step always makes a checkpoint; a large number makes only that one
          recipes/r.toml:25:1: checkpoint.keep_last: found `0`, expected 1 or more
            hint: a run without a checkpoint can be neither resumed nor used
          recipes/r.toml:26:1: checkpoint.dtype: `f16` is not known, expected one of `f32`, `bf16`
            hint: did you mean `bf16`?"#]],
    );
    check_refused(
        &[("suite = \"small\"", "tolerance = { loss = -1, accuracy = 2 }\naction = 'halt'")],
        expect![[r#"
            recipes/r.toml: 4 problems

              recipes/r.toml:23:2: forgetting.suite: missing
                hint: the name of a file in `data-manifests/suites`, as in `suite = "quickstart"`
              recipes/r.toml:24:15: forgetting.tolerance.loss: found `-1`, expected nats per token, 0 or more
              recipes/r.toml:24:26: forgetting.tolerance.accuracy: found `2`, expected a share of the items, 0 to 1
                hint: two points of accuracy are `0.02`
              recipes/r.toml:25:1: forgetting.action: `halt` is not known, expected one of `stop`, `warn`"#]],
    );
    check_refused(
        &[("suite = \"small\"", "suite = 'small'\ntolerance = { loss = -1, accuracy = 2 }")],
        expect![[r#"
        recipes/r.toml: 2 problems

          recipes/r.toml:25:15: forgetting.tolerance.loss: found `-1`, expected nats per token, 0 or more
          recipes/r.toml:25:26: forgetting.tolerance.accuracy: found `2`, expected a share of the items, 0 to 1
            hint: two points of accuracy are `0.02`"#]],
    );
}

#[test]
fn texts_that_are_no_recipe_are_refused() {
    check_refused(
        &[("seed = 17", "seed = 17\nseed = ")],
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:5:1: no TOML: duplicate key
              recipes/r.toml:5:8: no TOML: string values must be quoted, expected literal string

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("schema = 1", "schema = 2")],
        expect![[r#"
        recipes/r.toml: 1 problem

          recipes/r.toml:1:1: schema: found `2`, expected `1`
            hint: this version of temper reads no other schema"#]],
    );
    let fixture = Fixture::new();
    let error = load(&fixture.write("recipes/r.json", "{}"), &[]).unwrap_err();
    expect![[r#"
        `recipes/r.json` is no recipe by its extension, expected `.toml`, `.yaml` or `.yml`

        hint: rename the file to what it is written in"#]]
    .assert_eq(&fixture.neutral(&error.to_string()));
    let error = load(&fixture.project().root.join("none.toml"), &[]).unwrap_err();
    expect![[r#"
        cannot read `none.toml`

        hint: check that the file is there and readable"#]]
    .assert_eq(&fixture.neutral(&error.to_string()));
}

#[test]
fn problems_of_yaml_recipes_have_lines() {
    let text = "schema: 1\nname: chem\nstage: mid-train\nmodel:\n  from: [a]\ntraining:\n  max_tokens: 1M\n  \
                sequence_length: 512\n  global_batch_size: 16\n  max_step: 3\ndata_mixing:\n  sources:\n    \
                customer_data: {percent: 100, corpora: {chem: 90, note: 10}}\noptimizer:\n  lr: 1e-3\n  betas:\n";
    let fixture = Fixture::new();
    let error = load(&fixture.write("recipes/r.yaml", text), &[]).unwrap_err();
    expect![[r#"
        recipes/r.yaml: 4 problems

          recipes/r.yaml:5:3: model.from: found a list, expected a text
          recipes/r.yaml:10:3: training.max_step: unknown key
            hint: did you mean `max_steps`?
          recipes/r.yaml:13:5: data_mixing.sources.customer_data.corpora.note: no manifest `note`, expected `data-manifests/note.toml`
            hint: did you mean `notes`?
          recipes/r.yaml:16:3: optimizer.betas: found nothing, expected a list of two"#]].assert_eq(&fixture.neutral(&error.to_string()));
}

#[track_caller]
fn check_shares(changes: &[(&str, &str)], expected: Expect) {
    let text =
        changes.iter().fold(RECIPE.to_owned(), |text, (from, with)| text.replace(from, with));
    let loaded = load_text(&Fixture::new(), &text);
    let sources = loaded.unwrap_or_else(|error| panic!("{error}")).recipe.mixture.sources;
    let shares: Vec<String> = sources
        .iter()
        .map(|source| format!("{} {} ×{}", source.corpus, source.share, source.max_epochs))
        .collect();
    expected.assert_eq(&shares.join("\n"));
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

#[track_caller]
fn check_overrides(overrides: &[&str], expected: Expect) {
    let fixture = Fixture::new();
    let path = fixture.write("recipes/r.toml", RECIPE);
    let before = load(&path, &[]).unwrap().recipe;
    let overrides: Vec<String> = overrides.iter().map(|argument| (*argument).to_owned()).collect();
    let text = match load(&path, &overrides) {
        Ok(loaded) => diff(&before, &loaded.recipe).join("\n"),
        Err(error) => fixture.neutral(&error.to_string()),
    };
    expected.assert_eq(&text);
}

#[test]
fn overrides_change_one_call() {
    check_overrides(
        &["seed=18", "optimizer.lr = 1e-3"],
        expect![[r#"
        optimizer.lr: 0.0003, now 0.001
        optimizer.schedule.min_lr: 0.00003, now 0.0001
        seed: 17, now 18"#]],
    );
    check_overrides(
        &["training.max_steps=3"],
        expect![[r#"
        training.budget.steps: none, now 3
        training.budget.tokens: 1000000, now none"#]],
    );
    check_overrides(
        &["training.max_tokens=2.5M", "name=other"],
        expect!["training.budget.tokens: 1000000, now 2500000"],
    );
    check_overrides(
        &["model.init=configs/nano", "stage=pretrain"],
        expect![[r#"
        model.from: "checkpoints/nano", now none
        model.init: none, now "configs/nano"
        stage: "mid-train", now "pretrain""#]],
    );
    check_overrides(
        &["optimizer.schedule.kind=cosine"],
        expect![[r#"
        optimizer.schedule.decay: 0.1, now 0.0
        optimizer.schedule.kind: "wsd", now "cosine""#]],
    );
    check_overrides(
        &["optimizer.schedule={kind='constant'}", "checkpoint.every=5"],
        expect![[r#"
        checkpoint.every: 100, now 5
        optimizer.schedule.decay: 0.1, now 0.0
        optimizer.schedule.kind: "wsd", now "constant"
        optimizer.schedule.min_lr: 0.00003, now 0.0003"#]],
    );
    check_overrides(
        &["data_mixing.sources.curated_data={prose=100}"],
        expect![[r#"
        mixture.sources.essays.share: "1/40", now "1/16"
        mixture.sources.novels.share: "3/40", now "3/16"
        mixture.sources.manuals: 3/20 of the mix, now none"#]],
    );
    check_overrides(
        &["data_mixing.sources.customer_data.percent=0"],
        expect![[r#"
        mixture.sources.chem: 3/5 of the mix, now none
        mixture.sources.notes: 3/20 of the mix, now none
        mixture.sources.essays.share: "1/40", now "1/10"
        mixture.sources.novels.share: "3/40", now "3/10"
        mixture.sources.manuals.share: "3/20", now "3/5""#]],
    );
    check_overrides(
        &["optimizer.rl=1", "seed=-1", "data_mixing.sources.curated_data.prose=50"],
        expect![[r#"
        recipes/r.toml: 3 problems

          recipes/r.toml:18:1: data_mixing.sources.curated_data: percents sum to 110, expected 100
            prose = 50, technical = 60
            hint: take 10 away
          `--set optimizer.rl=1`: optimizer.rl: unknown key
            hint: did you mean `lr`?
          `--set seed=-1`: seed: found `-1`, expected a whole number, 0 or more"#]],
    );
    check_overrides(
        &["seed", "=3", "a b=3", "seed.x=3", "a=1\nb=2"],
        expect![[r#"
        recipes/r.toml: 5 problems

          `--set =3`: expected `key=value` with a dotted key
            hint: write for example `--set training.max_steps=10`
          `--set a b=3`: expected `key=value` with a dotted key
            hint: write for example `--set training.max_steps=10`
          `--set a=1
        b=2`: a: unknown key
            hint: known here: `schema`, `name`, `stage`, `seed`, `model`, `training`, `tokenization`, `data_mixing`, `optimizer`, `checkpoint`, `forgetting`
          `--set seed`: expected `key=value` with a dotted key
            hint: write for example `--set training.max_steps=10`
          `--set seed.x=3`: `x` cannot be set: what is before it is no table
            hint: set the value before it instead"#]],
    );
}

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
        unknown field `seeds`, expected one of `schema`, `name`, `stage`, `seed`, `model`, `training`, `tokenization`, `mixture`, `optimizer`, `checkpoint`, `forgetting`

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
        "share = \"3/5\"",
        "share = \"4/5\"",
        expect![[r#"
        no resolved recipe: mixture.sources: found `4/5 + 3/20 + 1/40 + 3/40 + 3/20`, expected shares above zero that sum to one

        hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
    check(
        "share = \"3/5\"",
        "share = \"6/5\"",
        expect![[r#"
        no resolved recipe: TOML parse error at line 32, column 9
           |
        32 | share = "6/5"
           |         ^^^^^
        `6/5` is no share: expected a fraction such as `3/4`

        hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; start a new run from the recipe"#]],
    );
    check(
        "corpus = \"notes\"",
        "corpus = \"chem\"",
        expect![[r#"
        no resolved recipe: mixture.sources: `chem` is a source twice

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

/// Parts of a hundred percent for each name.
fn percents(names: &'static [&'static str]) -> impl Strategy<Value = toml::Table> {
    prop::collection::vec(0_u32..=1_000_000, names.len() - 1).prop_map(move |mut cuts| {
        cuts.extend([0, 1_000_000]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).map(|pair| f64::from(pair[1] - pair[0]) / 1e4);
        names.iter().map(|name| (*name).to_owned()).zip(parts.map(toml::Value::from)).collect()
    })
}

prop_compose! {
    /// A recipe as a human may write it.
    fn recipe_file()(
        (seed, name) in (0..i64::MAX, "[a-z0-9][a-zA-Z0-9._-]{0,20}"),
        (tokens, length, lanes, rows) in (1..i64::MAX, 1_i64..4096, 1_i64..9, 1_i64..64),
        (bos, eos) in (any::<bool>(), any::<bool>()),
        percent in 0_u32..=1_000_000,
        customer in percents(&["chem", "notes"]),
        curated in percents(&["prose", "encyclopedic", "technical"]),
        (lr, ratio, beta, decay) in (1e-9_f64..1.0, 0.0_f64..=1.0, 0.0_f64..1.0, 0.0_f64..1.0),
        (kind, dtype) in (prop::sample::select(vec!["wsd", "cosine", "linear"]), prop::sample::select(vec!["f32", "bf16"])),
        forgetting in any::<bool>(),
    ) -> toml::Table {
        let percent = f64::from(percent) / 1e4;
        let mut file = toml::toml! {
            schema = 1
            stage = "mid-train"
            [model]
            from = "a/b"
            [training]
            [data_mixing]
            dataset_catalog = "small"
            [data_mixing.sources.customer_data]
            [optimizer]
            [optimizer.schedule]
            [checkpoint]
        };
        let mut set = |path: &[&str], value: toml::Value| {
            let (last, parents) = path.split_last().unwrap();
            let table = parents.iter().fold(&mut file, |table, key| table[*key].as_table_mut().unwrap());
            table.insert((*last).to_owned(), value);
        };
        set(&["seed"], seed.into());
        set(&["name"], name.into());
        set(&["training", "max_tokens"], tokens.into());
        set(&["training", "sequence_length"], length.into());
        set(&["training", "global_batch_size"], (lanes * rows).into());
        set(&["training", "micro_batch_size"], rows.into());
        set(&["tokenization"], toml::Table::from_iter([("bos".to_owned(), bos.into()), ("eos".to_owned(), eos.into())]).into());
        set(&["data_mixing", "sources", "customer_data", "percent"], percent.into());
        set(&["data_mixing", "sources", "customer_data", "corpora"], customer.into());
        set(&["data_mixing", "sources", "curated_data"], curated.into());
        set(&["optimizer", "lr"], lr.into());
        set(&["optimizer", "betas"], vec![beta, 1.0 - ratio.max(1e-9)].into());
        set(&["optimizer", "schedule", "kind"], kind.into());
        set(&["optimizer", "schedule", "min_lr"], (lr * ratio).into());
        set(&["optimizer", "schedule", "warmup"], ((1.0 - decay) * ratio).into());
        if kind == "wsd" {
            set(&["optimizer", "schedule", "decay"], decay.into());
        }
        set(&["checkpoint", "dtype"], dtype.into());
        if forgetting {
            set(&["forgetting"], toml::Table::from_iter([("suite".to_owned(), "small".into())]).into());
        }
        file
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn toml_and_yaml_say_the_same_and_resolved_reads_back(file in recipe_file()) {
        let fixture = Fixture::new();
        let toml = fixture.write("r.toml", &toml::to_string(&file).unwrap());
        let yaml = fixture.write("r.yaml", &serde_norway::to_string(&file).unwrap());
        let recipe = load(&toml, &[]).unwrap().recipe;
        prop_assert_eq!(&recipe, &load(&yaml, &[]).unwrap().recipe);
        prop_assert_eq!(&Recipe::from_resolved(&recipe.to_toml()).unwrap(), &recipe);
        prop_assert!(Share::sum_is_one(recipe.mixture.sources.iter().map(|source| source.share)));
    }

    #[test]
    fn differences_are_named_if_and_only_if_digests_differ(a in recipe_file(), b in recipe_file(), same in any::<bool>()) {
        let fixture = Fixture::new();
        let resolved = |file: &toml::Table| {
            load(&fixture.write("r.toml", &toml::to_string(file).unwrap()), &[]).unwrap().recipe
        };
        let mut b = if same { a.clone() } else { b };
        b.insert("name".to_owned(), "other".into());
        let (a, b) = (resolved(&a), resolved(&b));
        prop_assert_eq!(a.digest() == b.digest(), diff(&a, &b).is_empty());
        prop_assert!(!same || a.digest() == b.digest());
    }
}

#[test]
fn percent_is_not_normalised_by_a_third() {
    // Three thirds of four decimals are no hundred: the human has to say which third is the larger.
    let third = Percent::new(33.3333).unwrap();
    assert_eq!(Percent::sum([third; 3]), 99.9999);
}
