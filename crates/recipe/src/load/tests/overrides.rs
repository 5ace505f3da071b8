//! What `--set` changes.

use super::*;

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
    // With or without the word `sources`, as Forge's documents have it.
    check_overrides(
        &["data_mixing.customer_data.percent=50"],
        expect![[r#"
            mixture.shares.stated.chem: "3/5", now "2/5"
            mixture.shares.stated.essays: "1/40", now "1/20"
            mixture.shares.stated.manuals: "3/20", now "3/10"
            mixture.shares.stated.notes: "3/20", now "1/10"
            mixture.shares.stated.novels: "3/40", now "3/20""#]],
    );
    check_overrides(
        &["data_mixing.sources.customer_data.percent=50"],
        expect![[r#"
            mixture.shares.stated.chem: "3/5", now "2/5"
            mixture.shares.stated.essays: "1/40", now "1/20"
            mixture.shares.stated.manuals: "3/20", now "3/10"
            mixture.shares.stated.notes: "3/20", now "1/10"
            mixture.shares.stated.novels: "3/40", now "3/20""#]],
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
            model.origin.from: "checkpoints/nano", now none
            model.origin.init: none, now "configs/nano"
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
            mixture.shares.stated.essays: "1/40", now "1/16"
            mixture.shares.stated.manuals: "3/20", now none
            mixture.shares.stated.novels: "3/40", now "3/16"
            mixture.sources.manuals: a source, now none"#]],
    );
    check_overrides(
        &["data_mixing.sources.customer_data.percent=0"],
        expect![[r#"
            mixture.shares.stated.chem: "3/5", now none
            mixture.shares.stated.essays: "1/40", now "1/10"
            mixture.shares.stated.manuals: "3/20", now "3/5"
            mixture.shares.stated.notes: "3/20", now none
            mixture.shares.stated.novels: "3/40", now "3/10"
            mixture.sources.chem: a source, now none
            mixture.sources.notes: a source, now none"#]],
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
                hint: did you mean `ema`?
              `--set seed`: expected `key=value` with a dotted key
                hint: write for example `--set training.max_steps=10`
              `--set seed.x=3`: `x` cannot be set: what is before it is no table
                hint: set the value before it instead"#]],
    );
}
