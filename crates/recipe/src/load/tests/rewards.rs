//! Who may be asked for a reward, and what becomes of it.

use super::*;

const RL: &str = "schema = 1\nname = 'solve'\nstage = 'rl'\n\
    [model]\nfrom = 'checkpoints/nano'\n\
    [training]\nmax_steps = 4\nsequence_length = 64\nglobal_batch_size = 2\n\
    [data_mixing.weights]\nasked = 1\n\
    [optimizer]\nlr = 1e-5\n\
    [rl]\nmax_new_tokens = 8\n";

fn resolved(rewards: &str) -> Result<Recipe, String> {
    let fixture = Fixture::new();
    fixture.manifest("asked", "dialog", "train", "{ messages = 'm', answer = 'a' }");
    fixture.write("answer.schema.json", "{}");
    let loaded = load_text(&fixture, &format!("{RL}rewards = [{rewards}]\n"));
    let recipe = loaded.map_err(|error| fixture.neutral(&error.to_string()))?.recipe;
    assert_eq!(Recipe::from_resolved(&recipe.to_toml()).unwrap(), recipe);
    Ok(recipe)
}

#[track_caller]
fn check(rewards: &str, expected: Expect) {
    let text = resolved(rewards).unwrap().to_toml();
    let (_, rewards) = text.split_once("[[rl.rewards]]").unwrap();
    let (rewards, _) = rewards.split_once("\n[optimizer]").unwrap();
    expected.assert_eq(rewards);
}

#[track_caller]
fn check_refused(rewards: &str, expected: Expect) {
    expected.assert_eq(&resolved(rewards).unwrap_err());
}

#[test]
fn verifiers_resolve_as_before_there_were_others() {
    check(
        r"{ verifier = 'number' }, { verifier = 'regex', pattern = '####', weight = 0.1 }",
        expect![[r#####"

            verifier = "number"
            weight = 1.0

            [[rl.rewards]]
            verifier = "regex"
            weight = 0.1
            pattern = "####"
        "#####]],
    );
}

/// A step learns from completions, eight of each of its two prompts.
#[test]
fn a_lane_holds_completions() {
    let of = |said: &str| {
        let fixture = Fixture::new();
        fixture.manifest("asked", "dialog", "train", "{ messages = 'm', answer = 'a' }");
        let text = RL.replace("global_batch_size = 2", said);
        let loaded = load_text(&fixture, &format!("{text}rewards = [{{ verifier = 'number' }}]\n"));
        loaded
            .map(|loaded| loaded.recipe.training.micro_batch_size)
            .map_err(|error| fixture.neutral(&error.to_string()))
    };
    assert_eq!(of("global_batch_size = 2"), Ok(8));
    assert_eq!(of("global_batch_size = 2\nmicro_batch_size = 16"), Ok(16));
    let refused = of("global_batch_size = 2\nmicro_batch_size = 3").unwrap_err();
    let expected = "found `3`, expected a divisor of `global_batch_size` times `rl.group_size`, 16";
    assert!(refused.contains(expected), "{refused}");
}

#[test]
fn a_schema_is_named_with_what_is_in_it() {
    check(
        "{ verifier = 'json-schema', schema = 'answer.schema.json' }",
        expect![[r#"

            verifier = "json-schema"
            weight = 1.0

            [rl.rewards.schema]
            path = "answer.schema.json"
            digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        "#]],
    );
    check_refused(
        "{ verifier = 'json-schema', schema = 'none.json' }, { verifier = 'json', schema = 'answer.schema.json' }",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:16:40: rl.rewards[0].schema: cannot read `none.json`: No such file or directory (os error 2)
                hint: the path of a JSON Schema, relative to the project's root"#]],
    );
    check_refused(
        "{ verifier = 'json', schema = 'answer.schema.json' }",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:16:1: rl.rewards: found `a schema for json`, expected one for `json-schema` only
                hint: leave `schema` out"#]],
    );
}

#[test]
fn judges_outside_resolve_to_every_value() {
    check(
        r"{ program = ['python3', 'judge.py'] }",
        expect![[r#"

        program = ["python3", "judge.py"]
        weight = 1.0
        range = [0.0, 1.0]
        workers = 4
        timeout_seconds = 30.0
        retries = 2
    "#]],
    );
    check(
        r"{ url = 'https://judge.example.org/v1', range = [-1, 1], weight = 2, token_env = 'JUDGE_TOKEN' }",
        expect![[r#"

            url = "https://judge.example.org/v1"
            weight = 2.0
            range = [-1.0, 1.0]
            concurrency = 8
            timeout_seconds = 30.0
            retries = 6
            token_env = "JUDGE_TOKEN"
        "#]],
    );
}

#[test]
fn judges_are_one_of_three_with_their_own_keys() {
    check_refused(
        "{ weight = 1.0 }",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:16:12: rl.rewards[0]: found none, expected exactly one of `verifier`, `program`, `url`
                hint: say who judges, as in `{ verifier = "number" }`, `{ program = ["python3", "judge.py"] }` or `{ url = "http://127.0.0.1:8000/judge" }`"#]],
    );
    check_refused(
        "{ verifier = 'number', program = ['judge'] }",
        expect![[r#"
            recipes/r.toml: 1 problem

              recipes/r.toml:16:12: rl.rewards[0]: found `verifier`, `program`, expected exactly one of `verifier`, `program`, `url`
                hint: say who judges, as in `{ verifier = "number" }`, `{ program = ["python3", "judge.py"] }` or `{ url = "http://127.0.0.1:8000/judge" }`"#]],
    );
    check_refused(
        "{ verifier = 'number', range = [0, 1], workers = 2 }, { url = 'http://a', workers = 2, pattern = 'a' }",
        expect![[r#"
            recipes/r.toml: 4 problems

              recipes/r.toml:16:35: rl.rewards[0].range: found with `verifier`, expected `pattern`, `schema` or `weight`
                hint: leave it out
              recipes/r.toml:16:51: rl.rewards[0].workers: found with `verifier`, expected `pattern`, `schema` or `weight`
                hint: leave it out
              recipes/r.toml:16:86: rl.rewards[1].workers: found with `url`, expected `range`, `concurrency`, `timeout_seconds`, `retries`, `token_env` or `weight`
                hint: leave it out
              recipes/r.toml:16:99: rl.rewards[1].pattern: found with `url`, expected `range`, `concurrency`, `timeout_seconds`, `retries`, `token_env` or `weight`
                hint: leave it out"#]],
    );
}

#[test]
fn judges_stay_within_their_limits() {
    check_refused(
        "{ program = [], workers = 0, timeout_seconds = 0, range = [1, 1], retries = 1000, weight = 0 }",
        expect![[r#"
            recipes/r.toml: 6 problems

              recipes/r.toml:16:1: rl.rewards: found `0`, expected a weight that is not 0
                hint: leave the reward out
              recipes/r.toml:16:1: rl.rewards: found ``, expected the name of a program and its arguments
                hint: as in `program = ["python3", "judge.py"]`
              recipes/r.toml:16:1: rl.rewards: found `range = [1, 1]`, expected the least and the most of a reward
              recipes/r.toml:16:1: rl.rewards: found `retries = 1000`, expected 0 to 100
              recipes/r.toml:16:1: rl.rewards: found `timeout_seconds = 0`, expected more than 0 and at most a day
              recipes/r.toml:16:1: rl.rewards: found `workers = 0`, expected 1 to 256"#]],
    );
    check_refused(
        "{ url = 'judge.example.org' }, { url = 'http://me:secret@a/b' }, \
         { url = 'http:///b', concurrency = 1000 }, { url = 'http://a/b c', token_env = 'sk-123' }",
        expect![[r#"
            recipes/r.toml: 6 problems

              recipes/r.toml:16:1: rl.rewards: found `an address with a user`, expected one without
                hint: put a token into the environment and name it in `token_env`
              recipes/r.toml:16:1: rl.rewards: found `concurrency = 1000`, expected 1 to 256
              recipes/r.toml:16:1: rl.rewards: found `http:///b`, expected an address that begins with `http://` or `https://`
              recipes/r.toml:16:1: rl.rewards: found `http://a/b c`, expected an address without spaces
              recipes/r.toml:16:1: rl.rewards: found `judge.example.org`, expected an address that begins with `http://` or `https://`
              recipes/r.toml:16:1: rl.rewards: found `token_env`, expected the name of an environment variable in it
                hint: as in `token_env = "JUDGE_TOKEN"`"#]],
    );
}
