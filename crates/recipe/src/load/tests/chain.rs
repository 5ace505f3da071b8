//! Recipes of several stages.

use super::*;
use crate::recipe::{Budget, ModelOrigin, Stage};

/// The recipe of all tests under a name, with stages.
fn chain(stages: &str) -> Result<Vec<Loaded>, String> {
    let fixture = Fixture::new();
    let path = fixture.write("recipes/r.toml", &format!("{RECIPE}\n{stages}"));
    let loaded = load_chain(&path, &[]);
    loaded.map_err(|error| fixture.neutral(&error.to_string()))
}

#[test]
fn a_stage_says_what_differs_and_starts_from_the_one_before() {
    let all = chain(
        "[[stages]]\nname = 'first'\n\
         [[stages]]\nstage = 'sft'\ntraining = { max_steps = 7 }\n\
         [[stages]]\nname = 'third'\nmodel = { from = 'elsewhere' }\n\
         optimizer = { lr = 1e-5, schedule = { kind = 'constant', min_lr = 1e-5, decay = 0.0 } }\n",
    );
    let [first, second, third] = &all.unwrap()[..] else { panic!("three stages") };
    let (a, b, c) = (&first.recipe, &second.recipe, &third.recipe);
    let top = a.name.strip_suffix("-first").unwrap().to_owned();
    assert_eq!([&b.name, &c.name], [&format!("{top}-2-sft"), &format!("{top}-third")]);
    assert_eq!((b.stage, b.training.budget), (Stage::Sft, Budget::Steps(7)));
    // Another way of saying the budget takes the place of the top's, in this stage alone.
    assert_eq!(
        (a.training.budget, c.training.budget),
        (Budget::Tokens(1_000_000), a.training.budget)
    );
    assert_eq!(b.model.origin, ModelOrigin::From(format!("runs/{}", a.name)));
    assert_eq!(second.follows, Some(format!("runs/{}", a.name)));
    assert_eq!(c.model.origin, ModelOrigin::From("elsewhere".to_owned()));
    assert_eq!((&first.follows, &third.follows), (&None, &None));
    assert_eq!((b.optimizer.lr, c.optimizer.lr), (a.optimizer.lr, 1e-5));
    assert_eq!(b.mixture, a.mixture);
}

#[test]
fn a_stage_may_start_from_any_stage_before_it() {
    let all = chain(
        "[[stages]]\nname = 'first'\n[[stages]]\nname = 'one'\n\
         [[stages]]\nname = 'other'\nafter = 'first'\n[[stages]]\nname = 'last'\n",
    );
    let all = all.unwrap();
    let start = |at: usize| all[at].follows.clone();
    let run = |at: usize| Some(format!("runs/{}", all[at].recipe.name));
    assert_eq!([start(0), start(1), start(2), start(3)], [None, run(0), run(0), run(2)]);
    for (stages, expected) in [
        (
            "[[stages]]\nname = 'a'\n[[stages]]\nafter = 'b'\n",
            "found `b`, expected the name of a stage before",
        ),
        // Not itself, and none that comes later.
        ("[[stages]]\nname = 'a'\nafter = 'a'\n", "found `a`, expected the name of a stage before"),
    ] {
        let message = chain(stages).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn mistakes_are_named_where_they_stand_and_once() {
    let refused = |stages: &str, expected: &[&str]| {
        let message = chain(stages).unwrap_err();
        for expected in expected {
            assert_eq!(message.matches(expected).count(), 1, "{expected} in {message}");
        }
    };
    refused(
        "[[stages]]\nstage = 'best'\n[[stages]]\nlearning = 3\n",
        &["stage: `best` is not known", "learning: unknown key"],
    );
    refused("[[stages]]\nname = 'a'\n[[stages]]\nname = 'a'\n", &["two stages are called"]);
    let fixture = Fixture::new();
    let text = RECIPE.replace("schema = 1", "schema = 1\nstages = 3");
    let path = fixture.write("recipes/r.toml", &text);
    let message = load_chain(&path, &[]).unwrap_err().to_string();
    assert!(
        message.contains("stages: found no list, expected one table for each stage"),
        "{message}"
    );
    let stages = "[[stages]]\nname = 'a'\n[[stages]]\nname = 'b'\n";
    let path = fixture.write("recipes/r.toml", &format!("{RECIPE}\n{stages}"));
    let message = load(&path, &[]).unwrap_err().to_string();
    assert!(message.contains("-a, ") && message.contains("expected a recipe of one"), "{message}");
}
