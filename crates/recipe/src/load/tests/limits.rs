//! What a recipe may not say about numbers, policies and syntax.

use super::refused::check_refused;
use super::*;

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
              recipes/r.toml:22:1: optimizer.betas: found `-0.1`, expected 0 or more and less than 1
              recipes/r.toml:22:1: optimizer.betas: found `1`, expected 0 or more and less than 1
              recipes/r.toml:23:1: optimizer.eps: found `0`, expected more than 0
              recipes/r.toml:24:1: optimizer.weight_decay: found `-1`, expected 0 or more
              recipes/r.toml:25:1: optimizer.clip_norm: found `inf`, expected 0 or more
              recipes/r.toml:26:1: optimizer.name: `adam` is not known, expected one of `adamw`, `lion`, `sgd`, `muon`
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
              recipes/r.toml:22:43: optimizer.schedule.decay: found `0.5`, expected it with `wsd` and `infinite` only
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
        &[(
            "lr = 3e-4",
            &schedule("{ kind = 'infinite', cooldown = 0.95, min_lr = 0, start_lr = 1 }"),
        )],
        expect![[r#"
            recipes/r.toml: 3 problems

              recipes/r.toml:22:1: optimizer.schedule: found `1.06`, expected `warmup`, `cooldown` and `decay` to sum to at most 1
              recipes/r.toml:22:50: optimizer.schedule.min_lr: found `0`, expected more than 0 with `infinite`
                hint: its last part falls exponentially and never reaches 0
              recipes/r.toml:22:62: optimizer.schedule.start_lr: found `1`, expected at most `lr`, 0.0003
                hint: the warm-up would fall where it should rise"#]],
    );
    check_refused(
        &[(
            "lr = 3e-4",
            &schedule("{ kind = 'infinite', min_lr = 2e-4, constant_lr = 1e-4, start_lr = -1 }"),
        )],
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:22:48: optimizer.schedule.constant_lr: found `0.0001`, expected at least `min_lr`, 0.0002
              recipes/r.toml:22:68: optimizer.schedule.start_lr: found `-1`, expected 0 or more

            hint: correct it there; `temper check` reads the recipe again"#]],
    );
    check_refused(
        &[("lr = 3e-4", &schedule("{ cooldown = 0.1, constant_lr = 1e-4 }"))],
        expect![[r#"
            recipes/r.toml: 2 problems

              recipes/r.toml:22:14: optimizer.schedule.cooldown: found `0.1`, expected it with `infinite` only
                hint: the other shapes have one peak and one end; leave it out
              recipes/r.toml:22:30: optimizer.schedule.constant_lr: found `0.0001`, expected it with `infinite` only
                hint: the other shapes have one peak and one end; leave it out"#]],
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
