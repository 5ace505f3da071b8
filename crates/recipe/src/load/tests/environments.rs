//! What an environment is, and what becomes of it.

use super::*;
use crate::environment::Environment;

const RL: &str = "schema = 1\nname = 'play'\nstage = 'rl'\n\
    [model]\nfrom = 'checkpoints/nano'\n\
    [training]\nmax_steps = 4\nsequence_length = 64\nglobal_batch_size = 2\n\
    [data_mixing.weights]\nasked = 1\n\
    [optimizer]\nlr = 1e-5\n\
    [rl]\nmax_new_tokens = 8\n";

fn resolved(rest: &str) -> Result<Recipe, String> {
    let fixture = Fixture::new();
    fixture.manifest("asked", "dialog", "train", "{ messages = 'm', answer = 'a' }");
    let loaded = load_text(&fixture, &format!("{RL}{rest}\n"));
    let recipe = loaded.map_err(|error| fixture.neutral(&error.to_string()))?.recipe;
    assert_eq!(Recipe::from_resolved(&recipe.to_toml()).unwrap(), recipe);
    Ok(recipe)
}

#[track_caller]
fn check_refused(environment: &str, expected: &[&str]) {
    let refused = resolved(&format!("environment = {{ {environment} }}")).unwrap_err();
    for part in expected {
        assert!(refused.contains(part), "expected {part:?} in\n{refused}");
    }
}

#[test]
fn references_are_for_those_who_look_at_them() {
    let spec = "environment = { program = ['a.py'], max_turns = 4 }";
    let refused = |rewards: &str| {
        let fixture = Fixture::new();
        fixture.manifest("asked", "dialog", "train", "{ messages = 'm' }");
        load_text(&fixture, &format!("{RL}{rewards}{spec}\n")).err().map(|error| error.to_string())
    };
    assert_eq!(refused(""), None);
    assert_eq!(refused("rewards = [{ program = ['judge.py'] }]\n"), None);
    assert_eq!(refused("rewards = [{ verifier = 'regex', pattern = '^a' }]\n"), None);
    let found = refused("rewards = [{ verifier = 'number' }]\n").unwrap();
    assert!(
        found.contains("`asked` has no column for `answer`, which answers are judged by"),
        "{found}"
    );
}

#[test]
fn environments_resolve_to_every_value() {
    let spec = "environment = { program = ['python3', 'environment.py'], max_turns = 4 }";
    for rewards in ["", "rewards = [{ verifier = 'number' }]\n"] {
        let recipe = resolved(&format!("{rewards}{spec}")).unwrap();
        let rl = recipe.rl.unwrap();
        assert_eq!(rl.most_tokens(), 32);
        assert_eq!(rl.rewards.len(), usize::from(!rewards.is_empty()));
        let expected = Environment {
            program: ["python3", "environment.py"].map(str::to_owned).to_vec(),
            max_turns: 4,
            range: [0.0, 1.0],
            workers: 4,
            timeout_seconds: 30.0,
            retries: 2,
        };
        assert_eq!(rl.environment, Some(expected));
    }
    // Without one, somebody else has to reward.
    let refused = resolved("rewards = []").unwrap_err();
    assert!(refused.contains("rl.rewards: found no reward"), "{refused}");
}

#[test]
fn environments_stay_within_their_limits() {
    check_refused("max_turns = 4", &["rl.environment.program: missing", "environment.py"]);
    check_refused("program = ['a']", &["rl.environment.max_turns: missing"]);
    check_refused(
        "program = ['a'], max_turns = 4, weight = 2",
        &["rl.environment.weight: unknown key"],
    );
    check_refused(
        "program = [''], max_turns = 0, workers = 1000, range = [1, 0], timeout_seconds = -1, retries = 101",
        &[
            "6 problems",
            "rl.environment: found ``, expected the name of a program and its arguments",
            "hint: as in `program = [\"python3\", \"environment.py\"]`",
            "rl.environment: found `max_turns = 0`, expected 1 to 1024",
            "rl.environment: found `workers = 1000`, expected 1 to 256",
            "rl.environment: found `range = [1, 0]`, expected the least and the most of a reward",
            "rl.environment: found `timeout_seconds = -1`, expected more than 0 and at most a day",
            "rl.environment: found `retries = 101`, expected 0 to 100",
        ],
    );
}
