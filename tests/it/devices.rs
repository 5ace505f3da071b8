//! The lanes of a step spread over devices: whoever computes them, a run ends with the same bytes.

use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;
use crate::{dpo, lora, rl};

/// What `run` comes to when `call` runs it on these devices in a copy of the project.
fn results(project: &Project, call: &[&str], run: &str, devices: &str) -> Vec<(String, Vec<u8>)> {
    let copy = project.copy();
    copy.temper(&[call, &["--device", devices]].concat()).expect_success();
    copy.results(run)
}

#[track_caller]
fn check(project: &Project, call: &[&str], run: &str, lists: &[&str]) {
    let expected = results(project, call, run, "cpu");
    for devices in lists {
        let found = results(project, call, run, devices);
        for ((name, found), (_, expected)) in found.iter().zip(&expected) {
            assert!(found == expected, "{run} on {devices}: {name} differs");
        }
        assert_eq!(found.len(), expected.len());
    }
}

/// Four lanes a step, on one, two and four devices.
const FOUR_LANES: [&str; 4] = ["run", "recipe.toml", "--set", "training.micro_batch_size=1"];

#[test]
fn placement_changes_no_byte_of_a_run() {
    let project = Project::new();
    check(&project, &FOUR_LANES, "runs/small", &["cpu,cpu", "cpu,cpu,cpu,cpu"]);
}

#[test]
fn a_run_goes_on_with_other_devices() {
    let project = Project::new();
    let expected = results(&project, &FOUR_LANES, "runs/small", "cpu");
    for [first, then] in [["cpu,cpu", "cpu"], ["cpu", "cpu,cpu,cpu,cpu"]] {
        let call = [&FOUR_LANES[..], &["--device", first]].concat();
        let killed = killed_after_a_checkpoint(&project, &call, "runs/small");
        killed.temper(&["resume", "runs/small", "--device", then]).expect_success();
        assert!(killed.results("runs/small") == expected, "begun on {first}, ended on {then}");
    }
}

/// What a stage makes of lanes knows which of the step they are: pairs, factors that see a part of their inputs,
/// completions.
#[test]
fn placement_changes_no_byte_of_other_stages() {
    check(&dpo::project(), &["run", "dpo.toml"], "runs/dpo", &["cpu,cpu"]);
    let with_dropout = ["run", "lora.toml", "--set", "lora.dropout=0.1"];
    check(&lora::project(), &with_dropout, "runs/lora", &["cpu,cpu"]);
    check(&rl::project(), &["run", "rl.toml"], "runs/rl", &["cpu,cpu"]);
}
