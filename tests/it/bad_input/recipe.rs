//! Recipes that ask for what is not there, or for what cannot be.

use expect_test::expect;

use super::{check, check_call};
use crate::project::Project;

const RECIPE: &str = "recipe.toml";

#[test]
fn names_that_nothing_has_are_refused_with_a_suggestion() {
    let whole = Project::new();
    let curated = "[data_mixing.sources]\ncurated_data = { proze = 100 }";
    check(
        &whole,
        |project| project.edit(RECIPE, "[data_mixing.sources]", curated),
        expect![[r#"
        error: recipe.toml: 1 problem

          recipe.toml:21:18: data_mixing.sources.curated_data.proze: unknown category, catalog `small` has `prose`
            hint: did you mean `prose`?"#]],
    );
    check(
        &whole,
        |project| project.edit(RECIPE, "{ customer = 100 }", "{ costumer = 100 }"),
        expect![[r#"
        error: recipe.toml: 1 problem

          recipe.toml:21:45: data_mixing.sources.customer_data.corpora.costumer: no manifest `costumer`, expected `data-manifests/costumer.toml`
            hint: did you mean `customer`?"#]],
    );
    check(
        &whole,
        |project| project.edit(RECIPE, "suite = \"small\"", "suite = \"smal\""),
        expect![[r#"
        error: recipe.toml: 1 problem

          recipe.toml:32:1: forgetting.suite: no suite `smal`, expected `data-manifests/suites/smal.toml`
            hint: did you mean `small`?"#]],
    );
    check(
        &whole,
        |project| project.edit(RECIPE, "init = \"model\"", "init = \"modle\""),
        expect![[r#"
        error: cannot read `modle/config.json`: No such file or directory (os error 2)

        hint: name the folder of a Hugging Face checkpoint, with files that can be read"#]],
    );
    check_call(
        &whole,
        |_| (),
        &["run", "recipes/none.toml"],
        expect![[r#"
        error: cannot read `recipes/none.toml`: No such file or directory (os error 2)

        hint: check that the file is there and readable"#]],
    );
    check_call(
        &whole,
        |_| (),
        &["run", "recipe.toml", "--set", "training.max_stebs=3"],
        expect![[r#"
        error: recipe.toml: 1 problem

          `--set training.max_stebs=3`: training.max_stebs: unknown key
            hint: did you mean `max_steps`?"#]],
    );
}

#[test]
fn shares_that_do_not_sum_are_refused_with_the_gap() {
    let whole = Project::new();
    check(
        &whole,
        |project| project.edit(RECIPE, "{ customer = 100 }", "{ customer = 90 }"),
        expect![[r#"
        error: recipe.toml: 1 problem

          recipe.toml:21:33: data_mixing.sources.customer_data.corpora: percents sum to 90, expected 100
            customer = 90
            hint: add 10"#]],
    );
    check(
        &whole,
        |project| {
            project.edit("data-manifests/catalogs/small.toml", "percent = 100", "percent = 90")
        },
        expect![[r#"
            error: recipe.toml: 1 problem

              data-manifests/catalogs/small.toml:4:2: categories: percents sum to 90, expected 100
                prose = 90
                hint: add 10"#]],
    );
}

#[test]
fn training_on_held_out_documents_is_refused() {
    let heldout = "{ customer-heldout = 100 }";
    check(
        &Project::new(),
        |project| project.edit(RECIPE, "{ customer = 100 }", heldout),
        expect![[r#"
            error: recipe.toml: 1 problem

              recipe.toml:21:45: data_mixing.sources.customer_data.corpora.customer-heldout: `customer-heldout` is held out, expected a corpus with `split = "train"`
                hint: training on it would make its scores worthless"#]],
    );
}

#[test]
fn a_plan_that_the_corpora_cannot_serve_is_refused_with_the_numbers() {
    let whole = Project::new();
    check(
        &whole,
        |project| project.edit(RECIPE, "max_steps = 24", "max_steps = 400"),
        expect![[r#"
            error: plan: `customer` cannot supply its share: needed 72183 tokens, available 63000 (15750 × max_epochs 4)

            hint: raise `max_epochs` to 5, lower the budget to 84000 tokens, or give `customer` a smaller percent"#]],
    );
    check(
        &whole,
        |project| project.edit(RECIPE, "max_steps = 24", "max_steps = 9223372036854775807"),
        expect![[r#"
            error: plan: `customer` cannot supply its share: needed 13835058055282163712 tokens, available 63000 (15750 × max_epochs 4)
            plan: `general` cannot supply its share: needed 4611686018427387904 tokens, available 60248 (15062 × max_epochs 4)

            hint: lower the budget to 84000 tokens, or give `customer` and `general` a smaller percent"#]],
    );
    check_call(
        &whole,
        |_| (),
        &["plan", "recipe.toml", "--set", "training.max_steps=400"],
        expect![[r#"
            error: plan: `customer` cannot supply its share: needed 72183 tokens, available 63000 (15750 × max_epochs 4)

            hint: raise `max_epochs` to 5, lower the budget to 84000 tokens, or give `customer` a smaller percent"#]],
    );
}
