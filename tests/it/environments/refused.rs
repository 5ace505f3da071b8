//! Environments that are not there, or do not say what they should.

use super::{call, project, settings};

#[test]
fn what_is_no_reply_stops_the_run() {
    let project = project();
    let reply = |keys: &str| format!("printf '{{\"id\":\"%s\",{keys}}}\\n' \"$id\"; continue");
    let going_on = "\"messages\":[{\"role\":\"user\",\"content\":\"b\"}],\"done\":false";
    let cases = [
        ("hangs", "sleep 60".to_owned(), "asked once for `0/0/0`: found no reply within 0.8"),
        ("crashes", "exit 5".to_owned(), "it ended without a reply (exit status: 5)"),
        (
            "not-a-number",
            reply(&format!("{going_on},\"reward\":NaN")),
            "found a reward of NaN; expected a finite number of 0 to 1",
        ),
        ("large", reply(&format!("{going_on},\"reward\":2")), "expected a reward of 0 to 1"),
        ("none", reply(going_on), "expected a reward of 0 to 1"),
        ("endless", reply("\"reward\":0"), "expected `done`, true or false"),
        ("silent", reply("\"reward\":0,\"done\":false"), "expected a message to answer, or `done`"),
        (
            "speaks-for-it",
            reply(
                "\"messages\":[{\"role\":\"assistant\",\"content\":\"b\"}],\"reward\":0,\"done\":true",
            ),
            "expected `messages`, each with a `role`, which is not the assistant's",
        ),
        ("refuses", reply("\"error\":\"no such room\""), "it says `no such room`"),
    ];
    for (name, bad, expected) in cases {
        project.write("bad.sh", &bad);
        let run = format!("name={name}");
        // A slow machine's process is no proof that one hangs.
        let seconds = if name == "hangs" { 0.8 } else { 30.0 };
        let settings = settings(&format!("max_turns=3,timeout_seconds={seconds}"), "");
        let settings = settings.map(|setting| setting.replace("retries=1", "retries=0"));
        let stopped = project.temper(&call(&settings, &[&run])).expect_code(3).stderr;
        assert!(stopped.contains("environment `./world.sh`"), "{stopped}");
        assert!(stopped.contains(expected), "{name}: expected {expected:?} in\n{stopped}");
        // What is not there cannot be changed.
        assert!(!stopped.contains("`url`"), "{name}: {stopped}");
        assert_eq!(stopped.contains("another `range`"), name == "large", "{stopped}");
    }
}

#[test]
fn environments_are_looked_for_before_anything_is_sampled() {
    let project = project();
    let check = |environment: &str| {
        let environment = format!("rl.environment={{{environment}}}");
        project.temper(&["check", "rl.toml", "--set", &environment, "--set", "rl.rewards=[]"])
    };
    let found = check("program=[\"./world.sh\"],max_turns=3").expect_success().stdout;
    for part in ["answered by the environment `./world.sh` (", "4 processes), 3 turns at most\n"] {
        assert!(found.contains(part), "expected {part:?} in\n{found}");
    }
    assert!(!project.path("asked.txt").exists());
    let deep = settings("max_turns=3", "");
    let deep = [&["check", "--deep"], &call(&deep, &[])[1..]].concat();
    project.temper(&deep).expect_success();
    assert!(project.path("asked.txt").exists());
    let missing = "program=[\"./nowhere.sh\"],max_turns=3";
    let refused = check(missing).expect_code(2).stderr;
    assert!(refused.contains("rl.environment: program `./nowhere.sh`"), "{refused}");
    let settings = settings("max_turns=3", "").map(|it| it.replace("world.sh", "nowhere.sh"));
    let refused = project.temper(&call(&settings, &[])).expect_code(2).stderr;
    assert!(refused.contains("rl.environment: program `./nowhere.sh`"), "{refused}");
    assert!(!project.path("runs/rl").exists());
}
