use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::diff::diff;
use crate::share::{Percent, Share};
use crate::testing::{Fixture, RECIPE};

mod chain;
mod digest;
mod environments;
mod held;
mod limits;
mod overrides;
mod properties;
mod refused;
mod rewards;
mod shares;
mod ways;

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
        partial = false
        added_tokens = []

        [model.origin]
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
        on_exhausted = "refuse"
        phases = []

        [mixture.shares.stated]
        chem = "3/5"
        essays = "1/40"
        manuals = "3/20"
        notes = "3/20"
        novels = "3/40"

        [[mixture.sources]]
        corpus = "chem"
        side = "customer"
        category = "chemistry"
        manifest = "217fe7b5da1d16ffd9454341fea7379fc5711ffee372ccbc21cc569eb6e833a9"
        max_epochs = 9

        [[mixture.sources]]
        corpus = "notes"
        side = "customer"
        category = "chemistry"
        manifest = "569ec883011df9f124eabf65f7cb0c5ed01492d438eee088b379c3cc3664a377"
        max_epochs = 9

        [[mixture.sources]]
        corpus = "essays"
        side = "curated"
        category = "prose"
        manifest = "5e3a7274aa93c8635e6638f7acc5607f89edd016937f90ac52f0b4f8ea8c2f37"
        max_epochs = 4

        [[mixture.sources]]
        corpus = "novels"
        side = "curated"
        category = "prose"
        manifest = "c737f10302307e521d34b8eee99974a7b23fc7a5c4c238bc70f3f38bc4adfbd6"
        max_epochs = 4

        [[mixture.sources]]
        corpus = "manuals"
        side = "curated"
        category = "technical"
        manifest = "3849c0542e4b5e3955db5f5b82a08ec0487995c0626cfc324c9e52231c11164a"
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
        suite_digest = "59abca93231d5f34129c3d67ecb72bf771c721d441577c9daa972ae39e12c064"
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
