//! Recipes that ask for what is not there, or for what cannot be.

use expect_test::expect;

use super::{check, check_call};
use crate::project::Project;

const RECIPE: &str = "recipe.toml";

#[test]
fn names_that_nothing_has_are_refused_with_a_suggestion() {
    let whole = Project::new();
    let curated = "[data_mixing.sources]\ncurated_data = { proze = 100 }";
    check(&whole, |project| project.edit(RECIPE, "[data_mixing.sources]", curated), expect![""]);
    check(&whole, |project| project.edit(RECIPE, "{ customer = 100 }", "{ costumer = 100 }"), expect![""]);
    check(&whole, |project| project.edit(RECIPE, "suite = \"small\"", "suite = \"smal\""), expect![""]);
    check(&whole, |project| project.edit(RECIPE, "init = \"model\"", "init = \"modle\""), expect![""]);
    check_call(&whole, |_| (), &["run", "recipes/none.toml"], expect![""]);
    check_call(&whole, |_| (), &["run", "recipe.toml", "--set", "training.max_stebs=3"], expect![""]);
}

#[test]
fn shares_that_do_not_sum_are_refused_with_the_gap() {
    let whole = Project::new();
    check(&whole, |project| project.edit(RECIPE, "{ customer = 100 }", "{ customer = 90 }"), expect![""]);
    check(
        &whole,
        |project| project.edit("data-manifests/catalogs/small.toml", "percent = 100", "percent = 110"),
        expect![""],
    );
}

#[test]
fn training_on_held_out_documents_is_refused() {
    let heldout = "{ customer-heldout = 100 }";
    check(
        &Project::new(),
        |project| project.edit(RECIPE, "{ customer = 100 }", heldout),
        expect![""],
    );
}

#[test]
fn a_plan_that_the_corpora_cannot_serve_is_refused_with_the_numbers() {
    let whole = Project::new();
    check(&whole, |project| project.edit(RECIPE, "max_steps = 24", "max_steps = 400"), expect![""]);
    check(
        &whole,
        |project| project.edit(RECIPE, "max_steps = 24", "max_steps = 18446744073709551615"),
        expect![""],
    );
    check_call(&whole, |_| (), &["plan", "recipe.toml", "--set", "training.max_steps=400"], expect![""]);
}
