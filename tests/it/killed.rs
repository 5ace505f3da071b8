//! A run killed at any moment and resumed ends with the same bytes as one that was not.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::project::Project;

/// When to kill: a state of the files, and how many looks at it later.
pub(crate) struct Moment {
    name: &'static str,
    reached: fn(&Path) -> bool,
    looks_later: u64,
}

impl Moment {
    pub(crate) fn new(name: &'static str, reached: fn(&Path) -> bool) -> Self {
        Self { name, reached, looks_later: 0 }
    }

    pub(crate) fn planned(looks_later: u64) -> Self {
        Self { name: "planned", reached: planned, looks_later }
    }

    pub(crate) fn ledger(looks_later: u64) -> Self {
        Self { name: "ledger", reached: ledger_being_written, looks_later }
    }

    pub(crate) fn checkpoint(looks_later: u64) -> Self {
        Self { name: "checkpoint", reached: checkpoint_being_written, looks_later }
    }
}

/// True when a folder has an entry that `matches`.
pub(crate) fn has(folder: &Path, matches: impl Fn(&str) -> bool) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| matches(&entry.file_name().to_string_lossy()))
}

fn tokenizing(root: &Path) -> bool {
    let Ok(entries) = fs::read_dir(root.join(".temper/cache")) else { return false };
    entries.flatten().any(|entry| has(&entry.path(), |name| name.ends_with(".partial")))
}

fn checkpoint_being_written(root: &Path) -> bool {
    has(&root.join("runs/small/checkpoints"), |name| name.starts_with('.'))
}

fn ledger_being_written(root: &Path) -> bool {
    has(&root.join("runs/small/ledger"), |name| name.starts_with('.'))
}

fn scored(root: &Path) -> bool {
    has(&root.join("runs/small/evals"), |name| name == "step-000000.json")
}

fn planned(root: &Path) -> bool {
    root.join("runs/small/plan.json").exists()
}

/// Kills `child` at `moment`; false when it ended before.
pub(crate) fn kill_at(child: &mut Child, root: &Path, moment: &Moment) -> bool {
    kill_when(child, moment.looks_later, || (moment.reached)(root))
}

/// Kills `child` so many looks after `reached` is true; false when it ended before.
fn kill_when(child: &mut Child, looks_later: u64, reached: impl Fn() -> bool) -> bool {
    let mut looks = 0;
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if looks > 0 || reached() {
            looks += 1;
        }
        if looks > looks_later {
            // SIGKILL: nothing in the process can react to it.
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
    }
}

/// A copy of `project` in which `call` was killed when `run` had a checkpoint. On a busy machine the run may be over
/// by then, so that another copy is tried.
#[track_caller]
pub(crate) fn killed_after_a_checkpoint(project: &Project, call: &[&str], run: &str) -> Project {
    for _ in 0..10 {
        let copy = project.copy();
        let mut child = start(&copy, call);
        let checkpoints = copy.path(run).join("checkpoints");
        if kill_when(&mut child, 0, || has(&checkpoints, |name| !name.starts_with('.'))) {
            return copy;
        }
    }
    panic!("{run}: it ended before it was killed, each of ten times");
}

pub(crate) fn start(project: &Project, arguments: &[&str]) -> Child {
    let mut command: Command = project.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Twenty moments drawn from a seed: each kind of file being written, soon after or a good while later.
fn moments() -> Vec<Moment> {
    let kinds = [
        ("tokenizing", tokenizing as fn(&Path) -> bool, 4),
        ("planned", planned, 64),
        ("scored", scored, 4096),
        ("ledger", ledger_being_written, 8),
        ("checkpoint", checkpoint_being_written, 128),
    ];
    // Tokenizing ends before anything else begins, so it has to be killed first.
    let order = [0, 0, 1, 1, 2, 3, 4, 4, 3, 2, 4, 3, 4, 2, 3, 4, 2, 4, 3, 4];
    let mut state: u64 = 20_260_101;
    let draw = |kind: usize| {
        // Knuth's linear congruential generator: any spread will do.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (name, reached, at_most) = kinds[kind];
        Moment { name, reached, looks_later: (state >> 33) % at_most }
    };
    order.into_iter().map(draw).collect()
}

#[test]
fn twenty_kills_change_nothing() {
    let whole = Project::new();
    whole.temper(&["run", "recipe.toml"]).expect_success();

    let killed = Project::new();
    let root = killed.path("");
    let moments = moments();
    let mut hits = Vec::new();
    for moment in &moments {
        let there = root.join("runs/small/run.json").exists();
        let arguments: &[&str] =
            if there { &["resume", "runs/small"] } else { &["run", "recipe.toml"] };
        let mut child = start(&killed, arguments);
        if kill_at(&mut child, &root, moment) {
            hits.push(moment.name);
        }
    }
    assert_eq!(hits.len(), moments.len(), "the run ended before some kills: {hits:?}");
    let state = killed.temper(&["runs", "--json"]).json();
    if state[0]["state"] != "finished" {
        killed.temper(&["resume", "runs/small"]).expect_success();
    }
    let (expected, found) = (whole.results("runs/small"), killed.results("runs/small"));
    let names = |results: &[(String, Vec<u8>)]| -> Vec<String> {
        results.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&found), names(&expected));
    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
        assert!(expected == found, "{name} differs after kills at {hits:?}");
    }
    killed.temper(&["audit", "runs/small"]).expect_success();
}

#[test]
fn a_signal_saves_and_says_how_to_go_on() {
    let whole = Project::new();
    whole.temper(&["run", "recipe.toml"]).expect_success();

    let project = Project::new();
    let root = project.path("");
    let mut child = start(&project, &["run", "recipe.toml"]);
    while !checkpoint_being_written(&root) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before its first checkpoint");
    }
    let term = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(term.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    let runs = project.temper(&["runs", "--json"]).json();
    assert_eq!(runs[0]["state"], "interrupted");
    project.temper(&["resume", "runs/small"]).expect_success();
    assert!(project.results("runs/small") == whole.results("runs/small"));
}
