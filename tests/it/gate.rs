//! Runs that their gate stops, and how they go on.

use std::fs;

use crate::project::{Call, Project};

/// A project with a checkpoint and a recipe `wild.toml`, whose rate ruins it: the gate says stop after 8 steps.
fn project(budget: &str) -> Project {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    let recipe = fs::read_to_string(project.path("recipe.toml")).unwrap();
    let wild = recipe
        .replace("name = \"small\"", "name = \"wild\"")
        .replace("stage = \"pretrain\"", "stage = \"mid-train\"")
        .replace("init = \"model\"", "from = \"runs/small\"")
        .replace("max_steps = 24", budget)
        .replace("lr = 3e-3", "lr = 0.3")
        .replace("\"warn\"", "\"stop\"");
    project.write("wild.toml", &wild);
    project
}

fn steps(project: &Project) -> u64 {
    let runs = project.temper(&["runs", "--json"]).expect_success().json();
    let wild = runs.as_array().unwrap().iter().find(|run| run["name"] == "wild").unwrap();
    wild["steps_done"].as_u64().unwrap()
}

/// Panics with the output unless the call ended as a run does, whatever its gate said at the end.
#[track_caller]
fn expect_end(call: Call) -> Call {
    let Call { code, stdout, stderr } = &call;
    assert!(matches!(code, 0 | 1), "code {code}, stdout:\n{stdout}\nstderr:\n{stderr}");
    call
}

#[test]
fn a_run_that_its_gate_stopped_goes_on_past_it() {
    let check = |budget: &str, at_the_end: Option<&str>| {
        let project = project(budget);
        let stopped = project.temper(&["run", "wild.toml"]).expect_code(1).stdout;
        let last = "  train on    temper resume runs/wild   # past the gate";
        assert_eq!(stopped.lines().last(), Some(last), "{stopped}");
        assert_eq!(steps(&project), 8);

        // The line can be typed as it stands; the gate looks again at the end, whatever it says then.
        let resumed = expect_end(project.temper(&["resume", "runs/wild"]));
        let note = "the gate said stop after step 8: going on past it";
        assert!(resumed.stderr.contains(note), "{}", resumed.stderr);
        let of_budget = steps(&project);
        assert!(of_budget > 8, "{}", resumed.stdout);
        let on = resumed.stdout.lines().find_map(|line| line.strip_prefix("  train on    temper "));
        assert_eq!(on, at_the_end, "{}", resumed.stdout);
        if let Some(on) = on {
            let extended = expect_end(project.temper(&on.split(' ').collect::<Vec<_>>()));
            assert!(steps(&project) > of_budget, "{}", extended.stderr);
        }
        project.temper(&["audit", "runs/wild"]).expect_success();
        of_budget
    };
    assert_eq!(check("max_steps = 16", None), 16);
    check("max_tokens = 2400", Some("resume runs/wild --extend 800"));
}
